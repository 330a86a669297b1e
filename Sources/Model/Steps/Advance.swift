/// Sets the kernel's wall clock forward by so many seconds: `date -s`. In guests only.
public struct Advance: StepAction {
  public var seconds: Int

  public init(seconds: Int) { self.seconds = seconds }

  public static let verb = Verb(
    "advance", "the kernel's wall clock is set forward, in guests only", shell: "date -s '+N seconds'",
    subject: .number(1...Bounds.advance, unit: "s"), options: [], example: "{advance: 61}")

  public static func read(_ words: StepWords) -> [Advance] {
    words.subject.number.map { [Advance(seconds: $0)] } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String { "the wall clock is set \(seconds) s forward" }

  public var groups: [String] { [] }
  public var names: [String] { [] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.sysTime) { $0.setsWallClock = true } }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { outside("sets the wall clock forward, advance", seconds, 1...Bounds.advance) }
  public func mistake(in test: Case) -> StepMistake? { nil }
  public func perNode(_ members: (String) -> [String]) -> [Advance] { [self] }
}

extension Step {
  public static func advance(seconds: Int) -> Step { Step(Advance(seconds: seconds)) }
}
