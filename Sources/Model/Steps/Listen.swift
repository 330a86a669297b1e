/// What a server does with its listeners: how many connections may wait, whether they are taken, whether there is one.
public struct Listen: StepAction {
  /// The server's node.
  public var server: String
  /// How many connections may wait for accept(2): the second argument of listen(2).
  public var backlog: Int?
  /// Whether accept(2) is called.
  public var accepts: Bool?
  /// Whether there is a listener; a closed one resets what waits.
  public var isOpen: Bool?
  /// Whether the kernel asks for a sign of life on connections that are accepted from then on (SO_KEEPALIVE).
  public var keepalive: Bool?
  /// Whether there are two listeners on each port (SO_REUSEPORT), new ones.
  public var isShared: Bool?
  /// Whether those close at which connections wait, and leave the port to the others.
  public var retires: Bool?

  enum CodingKeys: String, CodingKey {
    case server, backlog, accepts = "accept", isOpen = "open", keepalive, isShared = "shared"
    case retires = "retire"
  }

  public init(
    _ server: String, backlog: Int? = nil, accepts: Bool? = nil, isOpen: Bool? = nil,
    keepalive: Bool? = nil, isShared: Bool? = nil, retires: Bool? = nil
  ) {
    (self.server, self.backlog, self.accepts, self.isOpen) = (server, backlog, accepts, isOpen)
    (self.keepalive, self.isShared, self.retires) = (keepalive, isShared, retires)
  }

  public static let verb = Verb(
    "listen", "a server's listeners change: how many connections may wait, whether they are taken",
    subject: .name(.server),
    options: [
      Field(
        "backlog", .number(0...Bounds.backlog), byDefault: "4096 at the start",
        "connections that may wait for accept(2), and one more"),
      Field("accept", .flag, byDefault: "true at the start", "whether accept(2) is called"),
      Field("open", .flag, byDefault: "true at the start", "whether there are listeners at all"),
      Field(
        "keepalive", .flag, byDefault: "false at the start",
        "whether connections that come are asked for a sign of life where nothing passes (SO_KEEPALIVE)"),
      Field(
        "shared", .flag, byDefault: "false at the start",
        "whether two new listeners stand on each port (SO_REUSEPORT), in place of those before"),
      Field(
        "retire", .flag,
        "those at which connections wait are closed, and the others have the port: a rolling restart"),
    ],
    example: "{listen: server.1, backlog: 1, accept: false}")

  public static func read(_ words: StepWords) -> [Listen] {
    words.subject.text.map {
      [
        Listen(
          $0, backlog: words["backlog"]?.number, accepts: words["accept"]?.flag,
          isOpen: words["open"]?.flag, keepalive: words["keepalive"]?.flag,
          isShared: words["shared"]?.flag, retires: words["retire"]?.flag)
      ]
    } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    let changes = [
      isOpen.map { $0 ? "listens again" : "closes its listeners" },
      backlog.map { "lets \($0) connections wait" },
      isShared.map { $0 ? "listens twice on each port" : "listens once on each port" },
      retires == true ? "closes the listeners at which connections wait" : nil,
      keepalive.map { $0 ? "sets SO_KEEPALIVE" : "sets no SO_KEEPALIVE" },
      accepts.map { $0 ? "takes connections again" : "takes no connections" },
    ]
    return "\(server) " + changes.compactMap(\.self).joined(separator: ", ")
  }

  public var groups: [String] { [] }
  public var names: [String] { [server] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs {
    Step.Needs { $0.losesPackets = accepts == false || isOpen == false || retires == true }
  }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { outside("lets wait, backlog", backlog, 0...Bounds.backlog) }
  public func mistake(in test: Case) -> StepMistake? {
    if backlog == nil, accepts == nil, isOpen == nil, keepalive == nil, isShared == nil, retires != true {
      return StepMistake("listen changes nothing")
    }
    return test.network.serverNames.contains(server)
      ? nil : StepMistake("there is no server \(server)", at: Self.verb.name)
  }
  public func perNode(_ members: (String) -> [String]) -> [Listen] { [self] }
}
