/// Time passes. The sockets are served meanwhile; it is the experiment's own time, not the lab's.
public struct Wait: StepAction {
  public var milliseconds: Int

  public init(milliseconds: Int) { self.milliseconds = milliseconds }

  public static let verb = Verb(
    "wait", "time passes, and sockets are served meanwhile", shell: "sleep SECONDS",
    subject: .decimal(0.001...Double(Bounds.wait), unit: "s"), options: [], example: "{wait: 11}")

  public static func read(_ words: StepWords) -> [Wait] {
    words.subject.decimal.map { [Wait(milliseconds: ($0 * 1000).saturated)] } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    let isWhole = milliseconds % 1000 == 0
    return "\(isWhole ? "\(milliseconds / 1000) s" : "\(milliseconds) ms") pass"
  }

  public var groups: [String] { [] }
  public var names: [String] { [] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs { $0.passes = milliseconds } }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: milliseconds.adding(Deadlines.slack), whole: milliseconds.adding(Deadlines.slack))
  }
  public var excess: String? { outside("wait", milliseconds, 1...Bounds.wait * 1000) }
  public func mistake(in test: Case) -> StepMistake? { nil }
  public func perNode(_ members: (String) -> [String]) -> [Wait] { [self] }
}
