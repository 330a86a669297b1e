import Model

/// Something about a case's world that `topology` or `clients` says, and that an axis or an override may set.
struct Parameter: Sendable {
  var field: Field
  /// What setting it to a value of its kind comes to.
  var assignment: @Sendable (FieldValue) -> Assignment?

  init(_ field: Field, _ assignment: @escaping @Sendable (FieldValue) -> Assignment?) {
    self.field = field
    self.assignment = assignment
  }

  var name: String { field.name }

  /// A parameter that is one of the words of an enumeration.
  private static func word<Word: RawRepresentable & CaseIterable & SendableMetatype>(
    _ name: String, byDefault: Word?, _ summary: String,
    _ assignment: @escaping @Sendable (Word) -> Assignment
  ) -> Parameter where Word.RawValue == String {
    Parameter(
      Field(name, .word(Word.allCases.map(\.rawValue)), byDefault: byDefault?.rawValue, summary)
    ) { $0.text.flatMap(Word.init(rawValue:)).map(assignment) }
  }

  private static func number(
    _ name: String, _ range: ClosedRange<Int>, byDefault: Int, _ summary: String,
    _ assignment: @escaping @Sendable (Int) -> Assignment
  ) -> Parameter {
    Parameter(Field(name, .number(range), byDefault: "\(byDefault)", summary)) { $0.number.map(assignment) }
  }

  /// The topology: `kind` in its section, `topology` as an axis.
  static func kind(called name: String) -> Parameter {
    word(name, byDefault: nil as Network.Topology?, "How the nodes are joined", Assignment.topology)
  }

  /// What the whole network has.
  static let ofNetwork: [Parameter] = [
    word("family", byDefault: Network.Family.ipv4, "The addresses that the workload uses", Assignment.family),
    number(
      "server_ports", 1...Bounds.serverPorts, byDefault: 1,
      "On how many ports a server listens, from \(Network.serverPort) up", Assignment.serverPorts),
    number(
      "servers", 1...Bounds.servers, byDefault: 1,
      "Real servers behind a director: server, or server.1, server.2 and so on", Assignment.servers),
  ]

  /// What axes are called that are of no node.
  static let asAxes: [Parameter] = ofNetwork + [kind(called: "topology")]

  /// What the hop has.
  static let ofHop: [Parameter] = [
    word("nat", byDefault: Hop.NAT.snat, "Which target rewrites the source", Assignment.nat),
    word(
      "backend", byDefault: Hop.Backend.auto,
      "Which tool writes the rules; auto is the first of iptables over nftables, iptables-legacy and nft that works",
      Assignment.backend),
    Parameter(
      Field("ports", .ports, byDefault: "32768-60999", "The source ports towards the servers"),
      { $0.ports.map(Assignment.ports) }),
    word(
      "random", byDefault: Hop.Randomness.none,
      "How a source port is chosen: --random, --random-fully", Assignment.random),
    Parameter(
      Field(
        "drop_invalid", .flag, byDefault: "false",
        "Whether a rule in FORWARD drops what conntrack calls INVALID"),
      { $0.flag.map(Assignment.dropInvalid) }),
    word(
      "scheduler", byDefault: Network.Scheduler.rr, "How a director chooses a real server",
      Assignment.scheduler),
  ]

  /// What a node has that a file spells out and an axis may set.
  static func of(_ node: NetworkSketch.Node) -> [Parameter] {
    let name = node.name
    var own: [Parameter] = []
    if node.nat != nil {
      own.append(
        Parameter(
          Field("ports", .ports, "The source ports that it gives"),
          {
            $0.ports.map { .node(name, .ports($0)) }
          }))
      own.append(
        word("random", byDefault: Hop.Randomness.none, "How one is chosen") { .node(name, .random($0)) })
    }
    if !node.services.isEmpty {
      own.append(
        word("scheduler", byDefault: Network.Scheduler.rr, "How a director chooses") {
          .node(name, .scheduler($0))
        })
      own.append(
        word("by", byDefault: VirtualService.Forwarding.nat, "How packets go to real servers") {
          .node(name, .forwarding($0))
        })
      own.append(
        Parameter(
          Field("persistence", .number(1...86_400, unit: "s"), "For how long a client stays with its server"),
          { $0.number.map { .node(name, .persistence($0)) } }))
    }
    return own
  }

  /// What a group of clients has.
  static func ofClients(_ group: String) -> [Parameter] {
    [
      Parameter(
        Field(
          "clock", .clock(onlyOffsets: false), byDefault: "0",
          "Its TCP timestamps: an offset in ms or a name from clocks; natural, the kernel's random offset; or off"
        ),
        { $0.clock.map { .clock(group: group, $0) } }),
      word(
        "isn", byDefault: SequencePin.ahead,
        "Where its initial sequence numbers lie, relative to those of all attempts before"
      ) { .isn(group: group, $0) },
      Parameter(
        Field("to", .name(.end), "What it connects to: a node, or an address that has a name, as vip"),
        { $0.text.map { .target(group: group, $0) } }),
      number("count", 1...Bounds.clients, byDefault: 1, "How many clients it is: NAME, or NAME.1 and so on") {
        .count(group: group, $0)
      },
    ]
  }
}
