import Model
import Yams

/// Reads nodes and collects every mistake with its place; what could not be read is nil and already reported.
final class Reader {
  let file: String
  private(set) var mistakes: [Mistake] = []
  /// Keys that stand twice, by the place of one of them: what they are called there.
  var renamed: [Document.Place: String] = [:]

  init(file: String) { self.file = file }

  func report(_ message: @autoclosure () -> String, at node: Node?) {
    report(message(), line: node?.mark?.line, column: node?.mark?.column)
  }

  /// What is beyond the bound is not even put into words.
  func report(_ message: @autoclosure () -> String, line: Int?, column: Int?) {
    guard mistakes.count < Bounds.mistakes else { return }
    mistakes.append(Mistake(file: file, line: line, column: column, message: message()))
    if mistakes.count == Bounds.mistakes {
      mistakes.append(Mistake(file: file, line: line, column: column, message: "and perhaps more mistakes"))
    }
  }

  /// Key and value nodes of a mapping; keys must be among `known` where that is given, and none may be missing.
  func mapping(
    _ node: Node, _ what: String, known: [String]? = nil, required: [String] = []
  ) -> [(key: String, keyNode: Node, value: Node)]? {
    guard case .mapping(let mapping) = node else {
      report("\(what) is a mapping, not \(Self.kind(node))", at: node)
      return nil
    }
    var entries: [(String, Node, Node)] = []
    var seen: Set<String> = []
    for (keyNode, value) in mapping {
      guard var key = keyNode.scalar?.string else {
        report("a key of \(what) is a word", at: keyNode)
        continue
      }
      if let place = Document.Place(keyNode), let name = renamed[place] { key = name }
      if let known, !known.contains(key) {
        report("unknown key \"\(short(key))\" in \(what)\(suggestion(key, known))", at: keyNode)
        continue
      }
      guard seen.insert(key).inserted else {
        report("\"\(short(key))\" stands twice in \(what)", at: keyNode)
        continue
      }
      entries.append((key, keyNode, value))
    }
    for key in required where !seen.contains(key) {
      report("\(what) lacks \"\(key)\"", at: node)
    }
    return entries
  }

  func sequence(_ node: Node, _ what: String) -> [Node]? {
    guard case .sequence(let sequence) = node else {
      report("\(what) is a list, not \(Self.kind(node))", at: node)
      return nil
    }
    return Array(sequence)
  }

  /// A list of scalars, or one scalar alone; a list has at least one.
  func words(_ node: Node, _ what: String) -> [(text: String, node: Node)]? {
    if let text = node.scalar?.string { return [(text, node)] }
    guard let items = sequence(node, what) else { return nil }
    if items.isEmpty { report("\(what) is an empty list: leave it out, or name one", at: node) }
    return items.compactMap { item in text(item, what).map { ($0, item) } }
  }

  /// One line; line ends behind it, which YAML's blocks have, do not count.
  func text(_ node: Node, _ what: String, atMost limit: Int = Bounds.text) -> String? {
    guard var text = node.scalar?.string else {
      report("\(what) is a single value, not \(Self.kind(node))", at: node)
      return nil
    }
    while text.unicodeScalars.last == "\n" { text.unicodeScalars.removeLast() }
    // Any other has been reported with its text.
    if let control = text.unicodeScalars.first(where: { $0 == "\n" || $0 == "\t" }) {
      report("\(what) is one line of text, without \(Words.code(control))", at: node)
      return nil
    }
    guard text.unicodeScalars.count <= limit else {
      report("\(what) has \(text.unicodeScalars.count) characters; at most \(limit)", at: node)
      return nil
    }
    return text
  }

  /// Lines of text.
  func paragraphs(_ node: Node, _ what: String) -> String? {
    guard let text = node.scalar?.string else {
      report("\(what) is a text, not \(Self.kind(node))", at: node)
      return nil
    }
    return text
  }

  /// A word of commands and files.
  func isName(_ text: String, _ what: String, at node: Node) -> Bool {
    guard !Words.isName(text) else { return true }
    report("\"\(short(text))\" cannot be \(what)'s name: \(Words.alphabet)", at: node)
    return false
  }

  func number(_ node: Node, _ what: String, in range: ClosedRange<Int>) -> Int? {
    guard let text = text(node, what) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      report(
        "\(what) is a number from \(range.lowerBound) to \(range.upperBound), not \"\(short(text))\"",
        at: node)
      return nil
    }
    return number
  }

  func choice<Value: RawRepresentable & CaseIterable>(_ node: Node, _ what: String, _: Value.Type) -> Value?
  where Value.RawValue == String {
    guard let text = text(node, what) else { return nil }
    let all = Value.allCases.map(\.rawValue)
    guard let value = Value(rawValue: text) else {
      report(
        "\(what) is \(all.joined(separator: " or ")), not \"\(short(text))\"\(nearest(text, all))", at: node)
      return nil
    }
    return value
  }

  func flag(_ node: Node, _ what: String) -> Bool? {
    switch node.scalar?.string {
    case "true": return true
    case "false": return false
    default:
      report("\(what) is true or false, not \(Self.kind(node))", at: node)
      return nil
    }
  }

  /// One of a set of names, with the nearest where it is none.
  func name(_ node: Node, _ what: String, among names: [String]) -> String? {
    guard let text = text(node, what) else { return nil }
    guard names.contains(text) else {
      report("unknown \(what) \"\(short(text))\"\(suggestion(text, names))", at: node)
      return nil
    }
    return text
  }

  static func kind(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "\"\(short(scalar.string))\""
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }
}

/// A word as mistakes quote it: its beginning, without what steers a terminal.
func short(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars.prefix(Bounds.name) {
    if Words.isControl(scalar) { result += Words.code(scalar) } else { result.unicodeScalars.append(scalar) }
  }
  return text.unicodeScalars.count > Bounds.name ? result + "..." : result
}
