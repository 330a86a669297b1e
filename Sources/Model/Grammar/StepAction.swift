/// What one verb of the workload does: one file in `Model/Steps` for its words and what others ask of it, one in
/// `Worker/Steps` for how the worker does it.
///
/// No member has an answer for all: a new step says each.
public protocol StepAction: Codable, Sendable, Equatable {
  /// Its grammar.
  static var verb: Verb { get }

  /// From what was read, which is of the kinds that ``verb`` says. One step of a file may be several of a case's: one
  /// for each entry of a mapping.
  static func read(_ words: StepWords) -> [Self]
}
