/// One end of a connection in a pattern: `late`, `server:8000`, `198.19.0.1:40000`, `198.19.0.1.40000` as tcpdump writes
/// it, `[2001:2::2]:8000`, `*`.
public struct EndPattern: Sendable, Hashable, CustomStringConvertible {
  /// A node's name or an address; nil is any.
  public var host: String?
  /// Nil is any.
  public var port: Int?

  /// Reads it.
  init(_ text: Substring) throws(NotationError) {
    let (host, port) = Self.parts(text)
    guard let host, port != "" else {
      throw NotationError(
        "\"\(text)\" is no end: write a node, an address or *, and behind it :PORT where that matters")
    }
    self.host = host == "*" ? nil : String(host)
    guard let port, port != "*" else {
      self.port = nil
      return
    }
    guard let number = Int(port), (1...65535).contains(number) else {
      throw NotationError("\"\(port)\" is no port: 1 to 65535, or *")
    }
    self.port = number
  }

  private static func parts(_ text: Substring) -> (host: Substring?, port: Substring?) {
    if text.first == "[" {
      guard let end = text.firstIndex(of: "]") else { return (nil, nil) }
      let (host, rest) = (text[text.index(after: text.startIndex)..<end], text[text.index(after: end)...])
      guard !host.isEmpty, rest.isEmpty || rest.first == ":" else { return (nil, nil) }
      return (host, rest.isEmpty ? nil : rest.dropFirst())
    }
    let colons = text.count { $0 == ":" }
    // tcpdump's 198.18.0.2.40000 and 2001:2::2.40000; a node's name may have a number behind a dot.
    let dots = text.split(separator: ".", omittingEmptySubsequences: false)
    let isNumber = { (part: Substring) in !part.isEmpty && part.allSatisfy(\.isNumber) }
    if dots.count == 5, dots.allSatisfy({ isNumber($0) || $0 == "*" }) || colons > 1 && dots.count == 2 {
      return (dots.dropLast().joinedSubstring(in: text), dots.last)
    }
    if colons > 1 { return (isHost(text) ? text : nil, nil) }
    if colons == 0 { return (isHost(text) ? text : nil, nil) }
    let at = text.lastIndex(of: ":") ?? text.endIndex
    return (isHost(text[..<at]) ? text[..<at] : nil, text[text.index(after: at)...])
  }

  private static func isHost(_ text: Substring) -> Bool {
    text == "*"
      || !text.isEmpty && text.utf8.count <= Bounds.name + 8
        && text.unicodeScalars.allSatisfy {
          $0.isASCII
            && ($0.properties.isAlphabetic || $0.properties.numericType != nil
              || "-_.:".contains(Character($0)))
        }
  }

  /// `late:8000`
  public var description: String {
    let name = host.map { $0.contains(":") && port != nil ? "[\($0)]" : $0 } ?? "*"
    return port.map { "\(name):\($0)" } ?? name
  }

  /// Whether the host is written as an address, and is no node's name.
  public var isAddress: Bool {
    guard let host else { return false }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return host.contains(":") || parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
  }
}

extension ArraySlice<Substring> {
  /// The text from the first part's beginning to the last one's end.
  fileprivate func joinedSubstring(in text: Substring) -> Substring? {
    guard let first, let last else { return nil }
    return text[first.startIndex..<last.endIndex]
  }
}
