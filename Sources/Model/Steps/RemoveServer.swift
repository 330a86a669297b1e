/// Takes a real server out of the director's table: `ipvsadm -d`. The server itself stays up.
public struct RemoveServer: StepAction {
  public var server: String

  public init(server: String) { self.server = server }

  public static let verb = Verb(
    "remove", "a real server is taken out of the director's table; the server itself stays up",
    shell: "ipvsadm -d -t VIP:PORT -r SERVER:PORT", subject: .name(.server), options: [],
    example: "{remove: server.1}")

  public static func read(_ words: StepWords) -> [RemoveServer] {
    words.subject.text.map { [RemoveServer(server: $0)] } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String { "\(server) is taken out of the director's table" }

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
  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? {
    test.realServerMistake(server, at: Self.verb.name)
  }
  public func perNode(_ members: (String) -> [String]) -> [RemoveServer] { [self] }
}

extension Case {
  /// What is wrong with a real server's name, of which every verb about real servers says the same.
  func realServerMistake(_ server: String, at verb: String) -> StepMistake? {
    network.balances(to: server) ? nil : StepMistake("no director has a server \(server)", at: verb)
  }
}

extension Step {
  public static func remove(server: String) -> Step { Step(RemoveServer(server: server)) }
}
