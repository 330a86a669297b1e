/// One step of a workload. Steps run in order; a step ends when everything it started has its outcome.
///
/// What it does is its ``action``, one type for each verb. Coded as an object with the verb as its only key:
/// `{"connect": {"client": "late", ...}}`.
public struct Step: Sendable {
  public var action: any StepAction

  /// Makes a step of an action.
  public init(_ action: some StepAction) { self.action = action }

  /// Every verb, by its name.
  public static let verbs: [String: any StepAction.Type] = Dictionary(
    registeredSteps.map { ($0.verb.name, $0) }, uniquingKeysWith: { first, _ in first })

  /// The verb's name, e.g. `connect`.
  public var verb: String { type(of: action).verb.name }
  /// What expectations call this step's attempts; nil where a step makes none.
  public var label: String? { action.label }

  /// ``StepAction/perNode(_:)``
  func perNode(_ members: (String) -> [String]) -> [Step] {
    func expand(_ action: some StepAction) -> [Step] { action.perNode(members).map { Step($0) } }
    return expand(action)
  }

  /// Who sends the first FIN, and so keeps the TIME_WAIT socket.
  public enum Closer: String, Codable, Sendable, CaseIterable {
    case client, server
    /// Both at once: neither has seen the other's FIN when it sends its own (RFC 9293, figure 13).
    case both
    /// The connection stays open for later steps.
    case nobody
  }

  /// One end of a connection.
  public enum End: String, Codable, Sendable, CaseIterable {
    case client, server
  }

  /// What `flush` can empty.
  public enum Table: String, Codable, Sendable, CaseIterable {
    /// The hop's connection tracking table: `conntrack -F`.
    case conntrack
    /// What the servers remember of other hosts: `ip tcp_metrics flush`.
    case tcpMetrics = "tcp_metrics"
    /// The connections that a director has passed on.
    case ipvs
    /// Link-layer addresses: `ip neigh flush all`.
    case neighbours
  }

  /// What the attempts of a step are.
  public enum Makes: Sendable {
    case nothing
    case connections
    /// Bytes on open connections.
    case bytes
  }

  /// A setting that a step writes: `sysctl -w`.
  public struct SettingWrite: Sendable {
    public var node: String
    public var setting: String
    public var value: String
  }

  /// What a step needs, and what it changes beyond its own connections.
  public struct Needs: Sendable {
    /// Rights that the worker must keep for it once the network stands: capabilities(7).
    public var rights: Set<Right> = []
    /// What the kernel must have for it.
    public var features: [Capability.Feature] = []
    /// It sets the wall clock of the whole kernel: in guests only, and with nothing beside it.
    public var setsWallClock = false
    /// Groups of clients whose timestamp clocks it changes while connections are open.
    public var movesClocks: [String] = []
    /// Packets of open or later connections may be lost for good by what it does: what has then not closed is
    /// evidence, and no error.
    public var losesPackets = false
    /// Milliseconds that really pass.
    public var passes = 0
    /// It must be over before a client sends a SYN again, a second after the first (TCP_TIMEOUT_INIT, RFC 6298).
    public var hurries = false
    /// It runs a program of the lab file's: only with `--allow-exec`.
    public var runsPrograms = false

    public enum Right: Sendable { case netAdmin, netRaw, sysTime }

    public init() {}
    init(_ rights: Right..., change: (inout Needs) -> Void = { _ in }) {
      self.rights = Set(rights)
      change(&self)
    }
  }

  /// How much a step is in one case.
  public struct Size: Sendable {
    /// Attempts that it makes.
    public var attempts = 0
    /// Connections that it leaves open, by the group of their clients and by its label.
    public var opens: [String: Int] = [:]
    /// Milliseconds that the kernel takes to give up all that is never answered.
    public var givesUp = 0
    /// Whether it is so many connections that a picture of them over time says more than a list.
    public var isSeries = false

    public init() {}
  }

  /// How long a step may take, in milliseconds; what has taken longer is broken.
  public struct Limits: Sendable {
    /// One attempt, from its first `connect()` or `send()` on; 0 where there is none.
    public var attempt: Int
    /// All of it.
    public var whole: Int
  }
}

extension Step: Equatable {
  public static func == (left: Step, right: Step) -> Bool {
    func isEqual<Action: StepAction>(_ action: Action) -> Bool { right.action as? Action == action }
    return isEqual(left.action)
  }
}

extension Step: Codable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    guard container.allKeys.count == 1, let verb = container.allKeys.first else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "a step has one verb, and not \(container.allKeys.count)"))
    }
    guard let type = Self.verbs[verb.stringValue] else {
      let nearest = Nearest.to(verb.stringValue, among: Self.verbs.keys.sorted())
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "no step is called \(verb.stringValue.prefix(Bounds.name))"
            + (nearest.map { "; did you mean \($0)?" } ?? "; those known are \(Self.known)")))
    }
    func read<Action: StepAction>(_ type: Action.Type) throws -> any StepAction {
      try container.decode(type, forKey: verb)
    }
    action = try read(type)
  }

  private static let known = verbs.keys.sorted().joined(separator: ", ")

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    func write<Action: StepAction>(_ action: Action) throws {
      try container.encode(action, forKey: Key(stringValue: Action.verb.name))
    }
    try write(action)
  }
}

/// What bounds are told by: `times: 2000, and not within 1 to 1000`.
func outside(_ what: String, _ number: Int?, _ range: ClosedRange<Int>) -> String? {
  guard let number, !range.contains(number) else { return nil }
  return "\(what): \(number), and not within \(range.lowerBound) to \(range.upperBound)"
}
