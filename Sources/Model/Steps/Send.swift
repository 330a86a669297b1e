/// One byte on every connection that is open of a group of clients, or of a label.
public struct Send: StepAction {
  /// Which end sends.
  public enum Sender: String, Codable, Sendable, CaseIterable {
    case client, server
  }
  /// The group of clients whose connections carry it, or the label of those.
  public var client: String
  /// What expectations call the attempts.
  public var name: String
  /// Which end sends.
  public var from: Sender

  enum CodingKeys: String, CodingKey { case client, name = "label", from }

  public init(client: String, label: String, from: Sender) {
    self.client = client
    name = label
    self.from = from
  }

  public static let verb = Verb(
    "send", "one end sends a byte on every connection that a group has open",
    subject: .word(Sender.allCases.map(\.rawValue)),
    options: [
      Field("as", .newName, isRequired: true, "what expectations call the bytes"),
      Field(
        "on", .either([.name(.client), .name(.label)]), byDefault: Field.onlyGroup,
        "whose connections carry them"),
    ],
    example: "{send: client, on: late, as: later}")

  public static func read(_ words: StepWords) -> [Send] {
    guard let from = words.subject.text.flatMap(Sender.init), let label = words["as"]?.text,
      let client = words["on"]?.text
    else { return [] }
    return [Send(client: client, label: label, from: from)]
  }

  public var label: String? { name }
  public var makes: Step.Makes { .bytes }
  public var words: String { "the \(from.rawValue) sends a byte on \(client)'s connection (\(name))" }

  public var groups: [String] { [client] }
  public var names: [String] { [] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs() }

  public func size(in test: Case) -> Step.Size { Step.Size() }

  /// One after the other on each of them.
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    let opened = test.workload.prefix(max(0, index)).reduce(0) {
      $0.adding($1.action.size(in: test).opens[client] ?? 0)
    }
    return Step.Limits(attempt: Deadlines.byte, whole: max(1, opened).multiplied(by: Deadlines.byte))
  }

  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? { nil }
  public func perNode(_ members: (String) -> [String]) -> [Send] { [self] }
}

extension Step {
  public static func send(_ action: Send) -> Step { Step(action) }
}
