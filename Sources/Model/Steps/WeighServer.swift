/// A real server's weight changes in the director's table: `ipvsadm -e -w`. 0 is none of the connections to come.
public struct WeighServer: StepAction {
  public var server: String
  public var weight: Int

  public init(server: String, weight: Int) { (self.server, self.weight) = (server, weight) }

  public static let verb = Verb(
    "weight", "real servers get another weight in the director's table, 0 for no new connections",
    shell: "ipvsadm -e -t VIP:PORT -r SERVER:PORT -w WEIGHT",
    subject: .entries(key: .name(.server), .number(0...Bounds.weight)), options: [],
    example: "{weight: {server.1: 0}}")

  public static func read(_ words: StepWords) -> [WeighServer] {
    (words.subject.entries ?? []).compactMap { server, value in
      value.number.map { WeighServer(server: server, weight: $0) }
    }
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String { "\(server) gets the weight \(weight) in the director's table" }

  public var groups: [String] { [] }
  public var names: [String] { [server] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netAdmin) }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { outside("weight", weight, 0...Bounds.weight) }
  public func mistake(in test: Case) -> StepMistake? { test.realServerMistake(server, at: Self.verb.name) }
  public func perNode(_ members: (String) -> [String]) -> [WeighServer] { [self] }
}
