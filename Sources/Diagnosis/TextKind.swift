import Model

/// What a text is, by what stands in it.
public enum TextKind: String, Sendable, Codable, CaseIterable {
  case sysctl = "sysctl -a"
  case netstat = "netstat -s"
  case nstat = "nstat -az"
  case procNet = "/proc/net/netstat"
  case iptables = "iptables-save"
  case listed = "iptables -nvL"
  case nft = "nft list ruleset"
  case ipvsadm = "ipvsadm -Sn"
  case conntrack = "conntrack -S"
  case sockets = "ss -tan"
  case kernel = "uname -a"

  /// Recognises it by its lines; nil where it is something else. Half of the first lines must be of the kind, so that
  /// one that is spoilt is an error with its place, and not an unknown file.
  static func recognise(_ lines: [Line]) -> TextKind? {
    let some = lines.lazy.filter { !$0.text.isEmpty && !$0.text.hasPrefix("#") }.prefix(200).map(\.text)
    guard let first = some.first else { return nil }
    func share(_ isOfKind: (Substring) -> Bool) -> Bool {
      var (all, of) = (0, 0)
      for line in some {
        all += 1
        if isOfKind(line) { of += 1 }
      }
      return of * 2 > all
    }
    if first.hasPrefix("Linux version ") || first.hasPrefix("Linux "), first.contains(" #"), lines.count < 4 {
      return .kernel
    }
    if first.hasPrefix("table "), Line(number: 1, text: first).withoutHandle.text.hasSuffix("{") {
      return .nft
    }
    if ListedRules.isHeading(first) { return .listed }
    if share({ $0.hasPrefix("-A ") || $0.hasPrefix("-a ") }),
      share({ $0.words.contains { ["-t", "-u", "-f"].contains($0) } }),
      !some.contains(where: { $0.hasPrefix("*") || $0 == "COMMIT" })
    {
      return .ipvsadm
    }
    if some.contains(where: { ["*filter", "*nat", "*mangle", "*raw", "*security"].contains($0) }) {
      return .iptables
    }
    if share({ $0.hasPrefix("cpu=") && $0.contains("insert_failed=") }) { return .conntrack }
    if first.words.prefix(2) == ["State", "Recv-Q"]
      || share({ SocketLine.states.contains($0.words.first ?? "") })
    {
      return .sockets
    }
    if share({ $0.isIndented || $0.hasSuffix(":") }),
      some.contains(where: { ["Tcp:", "TcpExt:", "Ip:"].contains($0) })
    {
      return .netstat
    }
    if some.contains(where: { $0.hasPrefix("TcpExt: ") || $0.hasPrefix("Tcp: ") }) { return .procNet }
    if share({ line in
      let words = line.words
      return words.count == 3 && Int(words[1]) != nil && Double(words[2]) != nil
    }) {
      return .nstat
    }
    if share({ line in
      guard let equals = line.firstIndex(of: "=") else { return false }
      let name = line[..<equals].trimmed
      return name.contains(".") && !name.contains(" ")
    }) {
      return .sysctl
    }
    return nil
  }
}

/// A line of a text, and which.
struct Line {
  var number: Int
  var text: Substring

  /// Ends of lines of every system; the rest as it is.
  static func all(of text: String) -> [Line] {
    text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated().map {
      Line(number: $0 + 1, text: $1)
    }
  }
}

extension Substring {
  var words: [Substring] { split { $0 == " " || $0 == "\t" } }
  var isIndented: Bool { first == " " || first == "\t" }
  var trimmed: Substring {
    var text = self
    while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
    while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
    return text
  }
}

/// What a file is that is neither a capture nor a text of a known kind, and what makes one of it.
enum OtherFile {
  /// By its first bytes: packed files, archives.
  static func name(_ bytes: [UInt8]) -> String? {
    let packed: [([UInt8], String, String)] = [
      ([0x1f, 0x8b], "gzip", "zcat"), ([0xfd, 0x37, 0x7a, 0x58], "xz", "xzcat"),
      ([0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"), ([0x42, 0x5a, 0x68], "bzip2", "bzcat"),
    ]
    for (magic, name, tool) in packed where bytes.starts(with: magic) {
      return "packed by \(name): give what \(tool) makes of it"
    }
    if bytes.starts(with: [0x50, 0x4b, 3, 4]) { return "a zip archive: unpack it, and give its files" }
    if bytes.count > 262, Array(bytes[257..<262]) == Array("ustar".utf8) {
      return "a tar archive: unpack it (tar -x), and give its files"
    }
    if bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) { return "a program" }
    return nil
  }
}
