import Scenario

/// One mistake in a lab file: where it is, what was read, what would be right.
public struct Mistake: Sendable, Equatable, CustomStringConvertible {
  public var file: String
  /// From 1; nil where the whole file is meant.
  public var line: Int?
  public var column: Int?
  public var message: String

  /// `lab/direct.yaml:12:3: unknown key "clok"; did you mean "clock"?`
  public var description: String {
    file + (line.map { ":\($0)" } ?? "") + (column.map { ":\($0)" } ?? "") + ": " + message
  }
}

/// All mistakes of one or more lab files.
public struct LabFileError: Error, Sendable, CustomStringConvertible {
  public var mistakes: [Mistake]

  /// Takes the mistakes in the order in which they are to be shown.
  public init(mistakes: [Mistake]) { self.mistakes = mistakes }

  public var description: String { mistakes.map(\.description).joined(separator: "\n") }
}

/// `; did you mean "clock"?`, or the whole list where it is short and nothing is near.
func suggestion(_ word: String, _ candidates: [String]) -> String {
  if let nearest = Nearest.to(word, among: candidates) { return "; did you mean \"\(nearest)\"?" }
  return candidates.count > 12 ? "" : "; it is one of \(candidates.joined(separator: ", "))"
}
