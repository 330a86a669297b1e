import Model
import Yams

/// Reads nodes and collects every mistake with its place; what could not be read is nil and already reported.
final class Reader {
  let file: String
  private(set) var mistakes: [Mistake] = []
  /// Keys that stand twice, by the place of one of them: what they are called there.
  var renamed: [Document.Place: String] = [:]
  /// The file's lines; none until there is a text.
  var source: SourceLines?

  init(file: String) { self.file = file }

  func report(_ message: @autoclosure () -> String, at node: Node?) {
    report(message(), line: node?.mark?.line, column: node?.mark?.column, text: node?.scalar?.string)
  }

  /// What is beyond the bound is not even put into words.
  ///
  /// - Parameter text: what was read there, where it is one value.
  func report(
    _ message: @autoclosure () -> String, line: Int?, column: Int?, text: String? = nil
  ) {
    guard mistakes.count < Bounds.mistakes else { return }
    var mistake = Mistake(file: file, line: line, column: column, message: message())
    // The key of several values, each of which says so.
    if let last = mistakes.last, (last.line, last.column, last.message) == (line, column, mistake.message) {
      return
    }
    if let line, let column, let source {
      (mistake.source, mistake.length) = source.excerpt(line: line, column: column, text: text)
    }
    mistakes.append(mistake)
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
    // A key that is misspelt is not missing too.
    var meant: Set<String> = []
    for (keyNode, value) in mapping {
      guard var key = keyNode.scalar?.string else {
        report("a key of \(what) is a word", at: keyNode)
        continue
      }
      if let place = Document.Place(keyNode), let name = renamed[place] { key = name }
      if key == "<<" {
        report(
          "a merge key (<<) is of YAML 1.1: write out the keys that it stands for", at: keyNode)
        continue
      }
      if let known, !known.contains(key) {
        if let nearest = Nearest.to(key, among: known) { meant.insert(nearest) }
        report("unknown key \"\(short(key))\" in \(what)\(suggestion(key, known))", at: keyNode)
        continue
      }
      guard seen.insert(key).inserted else {
        report("\"\(short(key))\" stands twice in \(what)", at: keyNode)
        continue
      }
      entries.append((key, keyNode, value))
    }
    for key in required where !seen.contains(key) && !meant.contains(key) {
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

  /// The nodes of a list, or one alone.
  func places(of node: Node) -> [Node] { node.sequence.map { Array($0) } ?? [node] }

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

  static func quoted(_ text: String) -> String { text.isEmpty ? "nothing" : "\"\(short(text))\"" }

  static func kind(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar): quoted(scalar.string)
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }
}
