/// What one verb of the workload does: one file in `Model/Steps` for its words and what others ask of it, one in
/// `Worker/Steps` for how the worker does it (`Performable`).
///
/// No member has an answer for all: a new step says each.
public protocol StepAction: Codable, Sendable, Equatable {
  /// Its grammar. The verb's name is also what a saved step is called by.
  static var verb: Verb { get }

  /// From what was read, which is of the kinds that ``verb`` says. One step of a file may be several of a case's: one
  /// for each entry of a mapping.
  static func read(_ words: StepWords) -> [Self]

  /// What expectations call its attempts; nil where it makes none.
  var label: String? { get }
  /// What its attempts are.
  var makes: Step.Makes { get }
  /// What it does, for `pawslab explain`: without a capital and a full stop.
  var words: String { get }

  /// The groups of clients whose connections it makes or uses.
  var groups: [String] { get }
  /// Every name of a node, server or group that it mentions.
  var names: [String] { get }
  /// Labels of earlier steps that it mentions.
  var refersTo: [String] { get }

  /// Who sends the first FIN on the connections that it makes or ends; nil where it does neither.
  var closes: Step.Closer? { get }
  /// The setting that it writes; nil where it writes none.
  var writes: Step.SettingWrite? { get }
  /// What it needs, and what it changes beyond its own connections.
  var needs: Step.Needs { get }

  /// How much it is in a case.
  func size(in test: Case) -> Step.Size
  /// How long it may take as step `index` of a case.
  func limits(in test: Case, at index: Int) -> Step.Limits

  /// A number that no lab file can have said, with its range; nil where there is none.
  var excess: String? { get }
  /// What is wrong with it in one case, e.g. a name that means nothing there; nil where all is well.
  func mistake(in test: Case) -> StepMistake?
  /// The steps that it is in a case, given the nodes that a name of the lab file stands for.
  func perNode(_ members: (String) -> [String]) -> [Self]
}
