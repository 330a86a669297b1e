import Scenario
import Yams

/// Reads nodes and collects every mistake with its place; what could not be read is nil and already reported.
final class Reader {
  let file: String
  private(set) var mistakes: [Mistake] = []

  init(file: String) { self.file = file }

  func report(_ message: String, at node: Node?) {
    let mark = node?.mark
    mistakes.append(Mistake(file: file, line: mark?.line, column: mark?.column, message: message))
  }

  /// Key and value nodes of a mapping; keys must be among `known` where that is given, and none may be missing.
  func mapping(
    _ node: Node, _ what: String, known: [String]? = nil, required: [String] = []
  ) -> [(key: String, keyNode: Node, value: Node)]? {
    guard case .mapping(let mapping) = node else {
      report("\(what) is a mapping, not \(kind(node))", at: node)
      return nil
    }
    var entries: [(String, Node, Node)] = []
    for (keyNode, value) in mapping {
      guard let key = keyNode.scalar?.string else {
        report("a key of \(what) is a word", at: keyNode)
        continue
      }
      if let known, !known.contains(key) {
        report("unknown key \"\(key)\" in \(what)\(suggestion(key, known))", at: keyNode)
        continue
      }
      if entries.contains(where: { $0.0 == key }) {
        report("\"\(key)\" stands twice in \(what)", at: keyNode)
        continue
      }
      entries.append((key, keyNode, value))
    }
    for key in required where !entries.contains(where: { $0.0 == key }) {
      report("\(what) lacks \"\(key)\"", at: node)
    }
    return entries
  }

  func sequence(_ node: Node, _ what: String) -> [Node]? {
    guard case .sequence(let sequence) = node else {
      report("\(what) is a list, not \(kind(node))", at: node)
      return nil
    }
    return Array(sequence)
  }

  /// A list of scalars, or one scalar alone.
  func words(_ node: Node, _ what: String) -> [(text: String, node: Node)]? {
    if let text = node.scalar?.string { return [(text, node)] }
    return sequence(node, what)?.compactMap { item in text(item, what).map { ($0, item) } }
  }

  func text(_ node: Node, _ what: String) -> String? {
    guard let text = node.scalar?.string else {
      report("\(what) is a single value, not \(kind(node))", at: node)
      return nil
    }
    return text
  }

  func number(_ node: Node, _ what: String, in range: ClosedRange<Int>) -> Int? {
    guard let text = text(node, what) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      report("\(what) is a number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"", at: node)
      return nil
    }
    return number
  }

  func choice<Value: RawRepresentable & CaseIterable>(_ node: Node, _ what: String, _: Value.Type) -> Value?
  where Value.RawValue == String {
    guard let text = text(node, what) else { return nil }
    let all = Value.allCases.map(\.rawValue)
    guard let value = Value(rawValue: text) else {
      report("\(what) is \(all.joined(separator: " or ")), not \"\(text)\"\(near(text, all))", at: node)
      return nil
    }
    return value
  }

  func flag(_ node: Node, _ what: String) -> Bool? {
    switch node.scalar?.string {
    case "true": return true
    case "false": return false
    default:
      report("\(what) is true or false, not \"\(node.scalar?.string ?? kind(node))\"", at: node)
      return nil
    }
  }

  /// One of a set of names, with the nearest where it is none.
  func name(_ node: Node, _ what: String, among names: [String]) -> String? {
    guard let text = text(node, what) else { return nil }
    guard names.contains(text) else {
      report("unknown \(what) \"\(text)\"\(suggestion(text, names))", at: node)
      return nil
    }
    return text
  }

  private func near(_ text: String, _ all: [String]) -> String {
    Nearest.to(text, among: all).map { "; did you mean \"\($0)\"?" } ?? ""
  }

  private func kind(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "\"\(scalar.string)\""
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }
}
