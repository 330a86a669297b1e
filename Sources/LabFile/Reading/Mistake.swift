import Model

/// One mistake in a lab file: where it is, what was read, what would be right.
public struct Mistake: Sendable, Equatable, CustomStringConvertible {
  public var file: String
  /// From 1; nil where the whole file is meant.
  public var line: Int?
  /// From 1, in Unicode scalars; what follows a byte order mark is not the second.
  public var column: Int?
  public var message: String
  /// The line as it is in the file; nil where the whole file is meant.
  public var source: String?
  /// How many scalars from ``column`` on are meant; at least 1.
  public var length = 1

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
