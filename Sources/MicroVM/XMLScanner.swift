import Foundation
import Model

/// Reads XML out of a pipe as repositories write their indexes, and hands on elements with their attributes and text.
///
/// Any bytes may come. Nothing is kept but the tag and the text at hand, and the names of the elements that are open; no
/// entity is known but the five of XML and characters by number, and a document type is refused, so that nothing grows and
/// nothing is fetched. It checks what a reader relies on (tags that nest, attributes that are quoted), not all that
/// XML 1.0 asks.
struct XMLScanner {
  /// Whoever takes elements.
  protocol Sink {
    /// Whether the text of the element that was opened last is of use.
    var wantsText: Bool { get }
    /// - Parameter depth: 1 for the root.
    mutating func open(_ name: String, depth: Int, _ attributes: Attributes) throws
    /// - Parameter text: what stood between the last tag and this one, where it was wanted.
    mutating func close(_ name: String, depth: Int, text: String) throws
  }

  /// Those of one tag, read when they are asked for.
  struct Attributes {
    fileprivate let bytes: ArraySlice<UInt8>

    /// The value of one, with its entities put in; nil where there is none of that name.
    /// - Throws: `Refused` for what is no list of attributes.
    func value(_ name: String) throws(Refused) -> String? {
      var rest = bytes
      while true {
        rest = rest.drop(while: XMLScanner.isSpace)
        if rest.isEmpty { return nil }
        let found = rest.prefix { $0 != UInt8(ascii: "=") && !XMLScanner.isSpace($0) }
        rest = rest[found.endIndex...].drop(while: XMLScanner.isSpace)
        guard !found.isEmpty, rest.popFirst() == UInt8(ascii: "=") else {
          throw Refused("an attribute without a value")
        }
        rest = rest.drop(while: XMLScanner.isSpace)
        guard let quote = rest.popFirst(), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
          throw Refused("an attribute that is not quoted")
        }
        guard let end = rest.firstIndex(of: quote) else { throw Refused("an attribute without an end") }
        if found.elementsEqual(name.utf8) { return try XMLScanner.text(rest[..<end]) }
        rest = rest[(end + 1)...]
      }
    }
  }

  /// Why it is none that can be read.
  struct Refused: Error {
    let cause: String
    init(_ cause: String) { self.cause = cause }
  }

  /// Bytes of a tag, of a text that is wanted, and elements in each other.
  static let longestTag = 64 << 10
  static let longestText = 4 << 10
  static let deepest = 32

  private enum State {
    case text
    case tag(quote: UInt8)
    /// A comment, an instruction to programs, or characters that are no markup: until these bytes.
    case skipped(until: [UInt8])
  }

  private let name: String
  private let limit: Int
  private var total = 0
  private var state = State.text
  private var tag: [UInt8] = []
  private var text: [UInt8] = []
  private var last: [UInt8] = []
  private var stack: [String] = []
  private var hasEnded = false

  /// - Parameters:
  ///   - name: what failures call it.
  ///   - limit: bytes that it may have.
  init(name: String, atMost limit: Int) {
    self.name = name
    self.limit = limit
  }

  /// Takes the next bytes.
  /// - Throws: `Failure` for what cannot be read, or is beyond a bound; what the sink throws.
  mutating func read(_ bytes: UnsafeRawBufferPointer, into sink: inout some Sink) throws {
    total += bytes.count
    guard total <= limit else {
      throw Bounds.exceeded("repository", Files.printable(name), Bounds.text(limit))
    }
    do { try scan(bytes, &sink) } catch let refused as Refused { throw failure(refused.cause) }
  }

  /// Says that no more comes.
  /// - Throws: `Failure` where an element is open, or there was none.
  func end() throws(Failure) {
    guard case .text = state, stack.isEmpty, hasEnded else { throw failure("it is cut short") }
  }

  private func failure(_ cause: String) -> Failure {
    Failure(
      stage: "repository", object: Files.printable(name), cause: cause,
      mend: "is it an index of packages? name another mirror with --mirror URL")
  }

  private mutating func scan(_ bytes: UnsafeRawBufferPointer, _ sink: inout some Sink) throws {
    var index = 0
    while index < bytes.count {
      switch state {
      case .text:
        let end = bytes[index...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
        if !stack.isEmpty, sink.wantsText {
          guard text.count + end - index <= Self.longestText else { throw Refused("a text without end") }
          text += bytes[index..<end]
        }
        index = end + 1
        guard end < bytes.count else { break }
        tag.removeAll(keepingCapacity: true)
        state = .tag(quote: 0)
      case .tag(let quote):
        let byte = bytes[index]
        index += 1
        if quote == 0, byte == UInt8(ascii: ">") {
          state = .text
          try take(&sink)
          break
        }
        guard tag.count < Self.longestTag else { throw Refused("a tag without end") }
        tag.append(byte)
        if quote != 0 {
          if byte == quote { state = .tag(quote: 0) }
        } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
          state = .tag(quote: byte)
        } else if byte == UInt8(ascii: "<") {
          throw Refused("a tag within a tag")
        }
        if let end = try Self.skip(tag) {
          last.removeAll()
          state = .skipped(until: end)
        }
      case .skipped(let end):
        last.append(bytes[index])
        index += 1
        if last.count > end.count { last.removeFirst() }
        if last == end { state = .text }
      }
    }
  }

  /// How what begins so ends, where it is no tag; nil while it may be one.
  private static func skip(_ tag: [UInt8]) throws(Refused) -> [UInt8]? {
    switch tag.first {
    case UInt8(ascii: "?"): return Array("?>".utf8)
    case UInt8(ascii: "!"):
      if tag.elementsEqual("!--".utf8) { return Array("-->".utf8) }
      if tag.elementsEqual("![CDATA[".utf8) { return Array("]]>".utf8) }
      guard "!--".utf8.starts(with: tag) || "![CDATA[".utf8.starts(with: tag) else {
        throw Refused("a document type, which no index of packages has")
      }
      return nil
    default: return nil
    }
  }

  private mutating func take(_ sink: inout some Sink) throws {
    let isClosing = tag.first == UInt8(ascii: "/")
    let isEmpty = !isClosing && tag.last == UInt8(ascii: "/")
    let content = tag[(isClosing ? 1 : 0)..<(tag.count - (isEmpty ? 1 : 0))]
    let word = content.prefix { !Self.isSpace($0) }
    guard !word.isEmpty, let name = String(validating: word, as: UTF8.self) else {
      throw Refused("a tag without a name")
    }
    if isClosing {
      guard stack.popLast() == name else { throw Refused("</\(name.prefix(40))> closes what is not open") }
      try sink.close(name, depth: stack.count + 1, text: sink.wantsText ? Self.text(text[...]) : "")
      hasEnded = stack.isEmpty
    } else {
      guard stack.count < Self.deepest else {
        throw Refused("more than \(Self.deepest) elements in each other")
      }
      guard !hasEnded else { throw Refused("a second root") }
      text.removeAll(keepingCapacity: true)
      stack.append(name)
      try sink.open(name, depth: stack.count, Attributes(bytes: content[word.endIndex...]))
      if isEmpty {
        stack.removeLast()
        try sink.close(name, depth: stack.count + 1, text: "")
        hasEnded = stack.isEmpty
      }
    }
    text.removeAll(keepingCapacity: true)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

  /// Characters with what entities stand for.
  private static func text(_ bytes: ArraySlice<UInt8>) throws(Refused) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw Refused("it is not UTF-8") }
    guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
    var found = ""
    var rest = text[...]
    while let start = rest.firstIndex(of: "&") {
      guard let end = rest[start...].prefix(12).firstIndex(of: ";") else {
        throw Refused("an entity without end")
      }
      found += rest[..<start]
      let name = rest[rest.index(after: start)..<end]
      let named: [Substring: Character] = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"]
      if let character = named[name] {
        found.append(character)
      } else if name.first == "#", let number = number(name.dropFirst()), let scalar = Unicode.Scalar(number)
      {
        found.unicodeScalars.append(scalar)
      } else {
        throw Refused("an entity that XML does not have")
      }
      rest = rest[rest.index(after: end)...]
    }
    return found + rest
  }

  private static func number(_ text: Substring) -> UInt32? {
    text.first == "x" ? UInt32(text.dropFirst(), radix: 16) : UInt32(text)
  }
}
