/// Clients connect at the same instant, from as many threads as there are processors.
public struct Burst: StepAction {
  /// The groups of clients.
  public var clients: [String]
  /// What expectations call the attempts.
  public var name: String
  /// Who closes first.
  public var closer: Step.Closer
  /// Connections per client, to the server's ports in turn.
  public var connections: Int
  /// The NAT that holds every SYN until all are there, when it has given it a tuple and before that is confirmed; nil for
  /// none.
  public var held: String?

  enum CodingKeys: String, CodingKey { case clients, name = "label", closer = "closes", connections, held }

  public init(
    clients: [String], label: String, closes: Step.Closer, connections: Int, held: String? = nil
  ) {
    (self.clients, name, closer, self.connections) = (clients, label, closes, connections)
    self.held = held
  }

  public static let verb = Verb(
    "burst", "clients connect at the same instant, from as many threads as there are processors",
    subject: .list(.name(.client), atMost: Bounds.clients),
    options: [
      Field(
        "as", .newName, byDefault: "the only group's name, else burst", "what expectations call the attempts"),
      Field(
        "closes", .word(["client", "server", "nobody"]), byDefault: "client",
        "who sends the first FIN, and so keeps TIME_WAIT"),
      Field("connections", .number(1...Bounds.times), byDefault: "1", "how many for each client"),
      Field(
        "held", .name(.node),
        "the NAT that holds every SYN until all are there, between its choice of a port (nf_nat_setup_info) and the "
          + "entry that makes it known (__nf_conntrack_confirm): what meets by chance where processors are many meets always"
      ),
    ],
    example: "{burst: [early, late], closes: server}")

  public static func read(_ words: StepWords) -> [Burst] {
    let clients = words.subject.texts
    guard let first = clients.first else { return [] }
    return [
      Burst(
        clients: clients, label: words["as"]?.text ?? (clients.count == 1 ? first : "burst"),
        closes: words.word("closes") ?? .client, connections: words["connections"]?.number ?? 1,
        held: words["held"]?.text)
    ]
  }

  public var label: String? { name }
  public var makes: Step.Makes { .connections }
  public var words: String {
    "\(clients.joined(separator: ", ")) connect at the same instant"
      + (connections > 1 ? ", \(connections) times each" : "")
      + (held.map { ", \($0) holds their SYNs until all have a port and none is confirmed" } ?? "")
      + (closer == .nobody ? " and stay open" : ", the \(closer.rawValue) closes first")
  }

  public var groups: [String] { clients }
  public var names: [String] { clients + (held.map { [$0] } ?? []) }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { closer }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs {
    held == nil ? Step.Needs() : Step.Needs(.netAdmin) { ($0.features, $0.hurries) = ([.nftQueue], true) }
  }

  public func size(in test: Case) -> Step.Size {
    var size = Step.Size()
    size.attempts = test.members(of: clients).multiplied(by: connections)
    if closer == .nobody {
      for group in clients { size.opens[group] = test.members(of: [group]).multiplied(by: connections) }
      size.opens[name] = size.attempts
    }
    size.givesUp = test.synTimeout(of: clients)
    return size
  }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    let attempt = Deadlines.slack.adding(test.synTimeout(of: clients))
    return Step.Limits(attempt: attempt, whole: attempt.adding(Deadlines.settling))
  }
  public var excess: String? { outside("connections", connections, 1...Bounds.times) }
  public func mistake(in test: Case) -> StepMistake? {
    if closer == .both { return StepMistake("a burst cannot have both ends close at once", at: "closes") }
    guard let held, !test.network.natNodes.contains(held) else { return nil }
    let nats = test.network.natNodes
    return StepMistake(
      "only a NAT holds SYNs"
        + (nats.isEmpty ? ", and there is none" : ": \(nats.joined(separator: " or ")), and not \(held)"),
      at: "held")
  }
  public func perNode(_ members: (String) -> [String]) -> [Burst] { [self] }
}
