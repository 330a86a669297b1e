/// Puts a real server into the director's table: `ipvsadm -a`.
public struct AddServer: StepAction {
  public var server: String
  /// Nil is 1.
  public var weight: Int?

  public init(server: String, weight: Int? = nil) { (self.server, self.weight) = (server, weight) }

  public static let verb = Verb(
    "add", "a real server comes into the director's table",
    shell: "ipvsadm -a -t VIP:PORT -r SERVER:PORT -w WEIGHT", subject: .name(.server),
    options: [Field("weight", .number(0...Bounds.weight), byDefault: "1", "its weight")],
    example: "{add: server.1}")

  public static func read(_ words: StepWords) -> [AddServer] {
    words.subject.text.map { [AddServer(server: $0, weight: words["weight"]?.number)] } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    "\(server) comes into the director's table" + (weight.map { " with the weight \($0)" } ?? "")
  }

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
  public func perNode(_ members: (String) -> [String]) -> [AddServer] { [self] }
}
