/// One end of open connections is gone without a packet, as after a reboot: TCP_REPAIR and close(2). What the other end
/// sends from then on is answered with a RST.
public struct Vanish: StepAction {
  /// Which end.
  public var end: Step.End
  /// Whose connections, by a group of clients or a label; nil for all that are open.
  public var on: String?

  public init(_ end: Step.End, on: String? = nil) { (self.end, self.on) = (end, on) }

  public static let verb = Verb(
    "vanish", "one end of open connections is gone without a packet, as after a reboot",
    subject: .word(Step.End.allCases.map(\.rawValue)),
    options: [
      Field(
        "on", .either([.name(.client), .name(.label)]), byDefault: "all that are open",
        "whose connections, by group or by label")
    ],
    example: "{vanish: client, on: late}")

  public static func read(_ words: StepWords) -> [Vanish] {
    words.subject.text.flatMap(Step.End.init).map { [Vanish($0, on: words["on"]?.text)] } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    "the \(end.rawValue)'s end of \(on.map { "\($0)'s connections" } ?? "all open connections") is gone without a packet"
  }

  public var groups: [String] { [] }
  public var names: [String] { [] }
  public var refersTo: [String] { on.map { [$0] } ?? [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netAdmin) }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? { test.unknownOpener(on) }
  public func perNode(_ members: (String) -> [String]) -> [Vanish] { [self] }
}
