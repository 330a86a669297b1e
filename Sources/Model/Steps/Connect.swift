/// Clients of a group connect, exchange a byte each way, and close (or stay open).
///
/// A group of one connects once to each of the server's ports; member `i` of a larger group
/// connects to port `i` modulo the number of ports. All attempts of a step run at the same time.
public struct Connect: StepAction {
  /// The group of clients.
  public var client: String
  /// What expectations call the attempts; the group's name unless `as` says otherwise.
  public var name: String
  /// Who closes first.
  public var closer: Step.Closer
  /// How often each attempt is made in this step, one after the other.
  public var times: Int
  /// Milliseconds for which `connect()` is called again after EADDRNOTAVAIL; 0 is once only.
  public var again: Int

  enum CodingKeys: String, CodingKey {
    case client, name = "label", closer = "closes", times, again
  }

  public init(client: String, label: String, closes: Step.Closer, times: Int, again: Int) {
    self.client = client
    name = label
    closer = closes
    self.times = times
    self.again = again
  }

  public static let verb = Verb(
    "connect", "clients of a group connect, exchange a byte each way, and close", shell: "nc SERVER PORT",
    subject: .name(.client),
    options: [
      Field("as", .newName, byDefault: "the group's name", "what expectations call the attempts"),
      Field(
        "closes", .word(Step.Closer.allCases.map(\.rawValue)), byDefault: "client",
        "who sends the first FIN, and so keeps TIME_WAIT"),
      Field(
        "times", .number(1...Bounds.times), byDefault: "1",
        "how often each attempt is made, one after the other"),
      Field(
        "again", .number(0...Bounds.again, unit: "ms"), byDefault: "0",
        "for how long connect() is called again after EADDRNOTAVAIL"),
    ],
    example: "{connect: late, closes: server}")

  public static func read(_ words: StepWords) -> [Connect] {
    guard let client = words.subject.text else { return [] }
    return [
      Connect(
        client: client, label: words["as"]?.text ?? client, closes: words.word("closes") ?? .client,
        times: words["times"]?.number ?? 1, again: words["again"]?.number ?? 0)
    ]
  }

  public var label: String? { name }
  public var makes: Step.Makes { .connections }
  public var words: String {
    "\(client) connects" + (name == client ? "" : " (\(name))") + (times > 1 ? " \(times) times" : "")
      + (closer == .nobody ? " and stays open" : ", the \(closer.rawValue) closes first")
      + (again > 0 ? ", tried again for \(again) ms after EADDRNOTAVAIL" : "")
  }

  public var groups: [String] { [client] }
  public var names: [String] { [client] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { closer }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs() }

  public func size(in test: Case) -> Step.Size {
    var size = Step.Size()
    let members = test.members(of: [client])
    size.attempts = max(members, test.network.serverPorts).multiplied(by: times)
    if closer == .nobody { size.opens[client] = size.attempts }
    size.givesUp = times.multiplied(by: test.synTimeout(of: [client]).adding(again))
    return size
  }

  public func limits(in test: Case, at index: Int) -> Step.Limits {
    let attempt = Deadlines.slack.adding(test.synTimeout(of: [client])).adding(again)
    return Step.Limits(attempt: attempt, whole: times.multiplied(by: attempt.adding(Deadlines.settling)))
  }

  public var excess: String? {
    outside("connects too often, times", times, 1...Bounds.times)
      ?? outside("connects too long, again", again, 0...Bounds.again)
  }
  public func mistake(in test: Case) -> String? { nil }
  public func perNode(_ members: (String) -> [String]) -> [Connect] { [self] }
}

extension Step {
  public static func connect(_ action: Connect) -> Step { Step(action) }
}
