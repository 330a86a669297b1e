/// Many connections, one after the other per client, all clients side by side.
public struct Churn: StepAction {
  /// The groups of clients.
  public var clients: [String]
  /// What expectations call the attempts.
  public var name: String
  /// Connections per client, 1 to 10,000.
  public var connections: Int
  /// Connections per second and client; nil is flat out.
  public var rate: Int?
  /// Who closes first.
  public var closer: Step.Closer
  /// Emptied before every connection: either table; needs a rate of nil, and takes one client at a time.
  public var flush: Step.Table?

  enum CodingKeys: String, CodingKey {
    case clients, name = "label", connections, rate, closer = "closes", flush
  }

  public init(
    clients: [String], label: String, connections: Int, rate: Int?, closes: Step.Closer, flush: Step.Table?
  ) {
    self.clients = clients
    name = label
    self.connections = connections
    self.rate = rate
    closer = closes
    self.flush = flush
  }

  public static let verb = Verb(
    "churn", "many connections, one after the other per client, all clients side by side",
    subject: .list(.name(.client), atMost: Bounds.clients),
    options: [
      Field(
        "as", .newName, byDefault: "the only group's name, else churn", "what expectations call the attempts"),
      Field("connections", .number(1...Bounds.connections), isRequired: true, "how many for each client"),
      Field(
        "rate", .number(1...Bounds.rate, unit: "per second"), byDefault: "flat out",
        "connections per second and client"),
      Field(
        "closes", .word(Step.Closer.allCases.map(\.rawValue)), byDefault: "client",
        "who sends the first FIN, and so keeps TIME_WAIT"),
      Field(
        "flush", .word(Step.Table.allCases.map(\.rawValue)),
        "a table that is emptied before each connection; not with a rate"),
    ],
    apart: [["flush", "rate"]], example: "{churn: [early, late], connections: 100, closes: server}")

  public static func read(_ words: StepWords) -> [Churn] {
    let clients = words.subject.texts
    guard let first = clients.first else { return [] }
    return [
      Churn(
        clients: clients, label: words["as"]?.text ?? (clients.count == 1 ? first : "churn"),
        connections: words["connections"]?.number ?? 1, rate: words["rate"]?.number,
        closes: words.word("closes") ?? .client, flush: words.word("flush"))
    ]
  }

  public var label: String? { name }
  public var makes: Step.Makes { .connections }
  public var words: String {
    "\(clients.joined(separator: ", ")): \(connections) connections each"
      + (rate.map { ", \($0) per second" } ?? "") + ", the \(closer.rawValue) closes first"
      + (flush.map { ", \($0.rawValue) emptied before each" } ?? "")
  }

  public var groups: [String] { clients }
  public var names: [String] { clients }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { closer }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { flush == nil ? Step.Needs() : Step.Needs(.netAdmin) }

  public func size(in test: Case) -> Step.Size {
    var size = Step.Size()
    let members = test.members(of: clients)
    size.attempts = members.multiplied(by: connections)
    if closer == .nobody {
      for group in clients { size.opens[group] = test.members(of: [group]).multiplied(by: connections) }
      size.opens[name] = size.attempts
    }
    size.givesUp = (flush == nil ? 1 : members).multiplied(by: connections)
      .multiplied(by: test.synTimeout(of: clients).adding(rate.map { 1000 / max(1, $0) } ?? 0))
    size.isSeries = true
    return size
  }

  public func limits(in test: Case, at index: Int) -> Step.Limits {
    let attempt = Deadlines.slack.adding(test.synTimeout(of: clients))
    guard flush == nil else {
      let each = attempt.adding(Deadlines.settling)
      return Step.Limits(
        attempt: attempt,
        whole: test.members(of: clients).multiplied(by: connections.multiplied(by: each)))
    }
    let pause = rate.map { 1000 / max(1, $0) + 1 } ?? 0
    let each = test.synTimeout(of: clients).adding(Deadlines.connection).adding(pause)
    return Step.Limits(
      attempt: attempt,
      whole: Deadlines.slack.adding(connections.multiplied(by: each)).adding(Deadlines.settling))
  }

  public var excess: String? {
    outside("connections", connections, 1...Bounds.connections) ?? outside("rate", rate, 1...Bounds.rate)
  }
  public func mistake(in test: Case) -> StepMistake? {
    flush.flatMap { Flush(table: $0).mistake(in: test)?.at("flush") }
  }
  public func perNode(_ members: (String) -> [String]) -> [Churn] { [self] }
}

extension Step {
  public static func churn(_ action: Churn) -> Step { Step(action) }
}
