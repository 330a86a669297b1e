/// JSON as it is to be written: keys keep their order.
struct JSON: Sendable {
  private indirect enum Kind: Sendable {
    case string(String)
    case number(Int)
    case decimal(Double)
    case flag(Bool)
    case array([JSON])
    case object([(key: String, value: JSON)])
  }

  private var kind: Kind

  private init(_ kind: Kind) { self.kind = kind }

  static func string(_ text: String) -> JSON { JSON(.string(text)) }
  static func number(_ number: Int) -> JSON { JSON(.number(number)) }
  static func decimal(_ number: Double) -> JSON { JSON(.decimal(number)) }
  static func flag(_ flag: Bool) -> JSON { JSON(.flag(flag)) }
  static func array(_ items: [JSON]) -> JSON { JSON(.array(items)) }
  static func object(_ members: [(key: String, value: JSON)]) -> JSON { JSON(.object(members)) }

  /// The keys of an object; none of anything else.
  var members: [(key: String, value: JSON)] { if case .object(let members) = kind { members } else { [] } }

  static func words(_ words: [String]) -> JSON { .array(words.map(JSON.string)) }

  /// The same object with more keys behind its own.
  func adding(_ more: [(key: String, value: JSON)]) -> JSON {
    .object(members + more)
  }

  /// Two spaces a level; an array of single values, or an object with one, on a line if that is short.
  var text: String { written("") + "\n" }

  private func written(_ indent: String) -> String {
    switch kind {
    case .string(let text): return Self.quoted(text)
    case .number(let number): return "\(number)"
    case .decimal(let number): return "\(number)"
    case .flag(let flag): return "\(flag)"
    case .array(let items):
      if items.allSatisfy(\.isScalar) {
        let line = "[" + items.map { $0.written("") }.joined(separator: ", ") + "]"
        if line.count + indent.count <= 100 { return line }
      }
      return lines(items.map { $0.written(indent + "  ") }, "[", "]", indent)
    case .object(let members):
      if members.count <= 1, members.allSatisfy(\.value.isScalar) {
        return "{" + members.map { "\(Self.quoted($0.key)): \($0.value.written(""))" }.joined() + "}"
      }
      let entries = members.map { "\(Self.quoted($0.key)): \($0.value.written(indent + "  "))" }
      return lines(entries, "{", "}", indent)
    }
  }

  private var isScalar: Bool {
    switch kind {
    case .array, .object: false
    default: true
    }
  }

  private func lines(_ lines: [String], _ open: String, _ close: String, _ indent: String) -> String {
    guard !lines.isEmpty else { return open + close }
    return open + "\n" + lines.map { "\(indent)  \($0)" }.joined(separator: ",\n") + "\n\(indent)\(close)"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "\n": result += "\\n"
      case _ where scalar.value < 0x20:
        result += "\\u" + String(repeating: "0", count: scalar.value < 0x10 ? 3 : 2)
        result += String(scalar.value, radix: 16)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension JSON: ExpressibleByStringLiteral {
  init(stringLiteral value: String) { kind = .string(value) }
}

extension JSON: ExpressibleByIntegerLiteral {
  init(integerLiteral value: Int) { kind = .number(value) }
}

extension JSON: ExpressibleByBooleanLiteral {
  init(booleanLiteral value: Bool) { kind = .flag(value) }
}

extension JSON: ExpressibleByArrayLiteral {
  typealias ArrayLiteralElement = JSON
  init(arrayLiteral elements: JSON...) { kind = .array(elements) }
}

extension JSON: ExpressibleByDictionaryLiteral {
  typealias Key = String
  typealias Value = JSON
  init(dictionaryLiteral elements: (String, JSON)...) { kind = .object(elements.map { ($0.0, $0.1) }) }
}
