import Model

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

/// `; did you mean "clock"? It is one of clock, isn, count`: the nearest where one is near, the whole list where it is
/// short.
func suggestion(_ word: String, _ candidates: [String]) -> String {
  if candidates.isEmpty { return "; there is none" }
  let near = nearest(word, candidates)
  let list = candidates.map(short).joined(separator: ", ")
  guard candidates.count <= 20, list.count <= 400 else { return near }
  return near + (near.isEmpty ? "; it is" : " It is") + (candidates.count == 1 ? " " : " one of ") + list
}

/// `; did you mean "clock"?`, or nothing where nothing is near.
func nearest(_ word: String, _ candidates: [String]) -> String {
  Nearest.to(word, among: candidates).map { "; did you mean \"\(short($0))\"?" } ?? ""
}
