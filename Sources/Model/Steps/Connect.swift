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
  /// The client's own port, SO_REUSEADDR; nil where the kernel chooses.
  public var port: Int?
  /// Whom it calls: a server's node or an address; nil for whom every client calls.
  public var to: String?
  /// Who ends the connection by a RST as soon as the byte has gone each way (SO_LINGER of 0 s); nil for nobody.
  public var aborts: Step.End?
  /// Whether the client's kernel asks for a sign of life where nothing passes (SO_KEEPALIVE); nil is no.
  public var keepalive: Bool?

  enum CodingKeys: String, CodingKey {
    case client, name = "label", closer = "closes", times, again, port, to, aborts = "abort", keepalive
  }

  public init(
    client: String, label: String, closes: Step.Closer, times: Int, again: Int, port: Int? = nil,
    to: String? = nil, aborts: Step.End? = nil, keepalive: Bool? = nil
  ) {
    self.keepalive = keepalive
    self.port = port
    self.to = to
    self.aborts = aborts
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
      Field("port", .number(1...65535), "the client's own port (SO_REUSEADDR)"),
      Field(
        "to", .either([.name(.server), .address]), byDefault: "the server, or the director's address",
        "whom the client calls"),
      Field(
        "abort", .word(Step.End.allCases.map(\.rawValue)),
        "who ends the connection by a RST (SO_LINGER 0), instead of closes"),
      Field(
        "keepalive", .flag, byDefault: "false",
        "whether the client asks for a sign of life where nothing passes (SO_KEEPALIVE)"),
    ],
    example: "{connect: late, closes: server}")

  public static func read(_ words: StepWords) -> [Connect] {
    guard let client = words.subject.text else { return [] }
    return [
      Connect(
        client: client, label: words["as"]?.text ?? client,
        closes: words.word("closes") ?? (words["abort"] == nil ? .client : .nobody),
        times: words["times"]?.number ?? 1, again: words["again"]?.number ?? 0,
        port: words["port"]?.number, to: words["to"]?.text, aborts: words.word("abort"),
        keepalive: words["keepalive"]?.flag)
    ]
  }

  public var label: String? { name }
  public var makes: Step.Makes { .connections }
  public var words: String {
    "\(client) connects" + (to.map { " to \($0)" } ?? "") + (port.map { " from port \($0)" } ?? "")
      + (name == client ? "" : " (\(name))") + (times > 1 ? " \(times) times" : "") + end
      + (keepalive == true ? ", with SO_KEEPALIVE" : "")
      + (again > 0 ? ", tried again for \(again) ms after EADDRNOTAVAIL" : "")
  }

  private var end: String {
    if let aborts { return ", the \(aborts.rawValue) resets" }
    return switch closer {
    case .nobody: " and stays open"
    case .both: ", both close at once"
    case .client, .server: ", the \(closer.rawValue) closes first"
    }
  }

  public var groups: [String] { [client] }
  public var names: [String] { [client] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { aborts == nil ? closer : nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs() }

  public func size(in test: Case) -> Step.Size {
    var size = Step.Size()
    let members = test.members(of: [client])
    size.attempts = max(members, test.network.serverPorts).multiplied(by: times)
    if closer == .nobody, aborts == nil {
      (size.opens[client], size.opens[name]) = (size.attempts, size.attempts)
    }
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
      ?? outside("connects from a port, port", port, 1...65535)
  }
  public func mistake(in test: Case) -> StepMistake? {
    aborts != nil && closer != .nobody
      ? StepMistake("closes and abort are two ends of one connection", at: "abort") : nil
  }
  public func perNode(_ members: (String) -> [String]) -> [Connect] { [self] }
}

extension Step {
  public static func connect(_ action: Connect) -> Step { Step(action) }
}
