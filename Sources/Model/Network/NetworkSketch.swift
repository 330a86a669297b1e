/// A network as a lab file spells it out: who there is, what each does, what joins them. Addresses, interfaces and
/// routes follow from it.
public struct NetworkSketch: Sendable, Equatable {
  /// All nodes but those that are clients and nothing else.
  public var nodes: [Node]
  public var links: [Link]
  /// What each group of clients connects to, where the file says it: a node, or an address that has a name.
  public var targets: [String: String]

  public init(nodes: [Node], links: [Link], targets: [String: String] = [:]) {
    self.nodes = nodes
    self.links = links
    self.targets = targets
  }

  /// The address `127.0.0.1` or `::1`, for a client that is its own server.
  public static let loopback = "localhost"

  /// A node, or several that are alike.
  public struct Node: Sendable, Equatable {
    public var name: String
    /// How many; members are called `NAME.1` and so on.
    public var count = 1
    /// On how many ports it listens, from ``Network/serverPort`` up; nil is no server.
    public var listens: Int?
    /// Whether it passes packets on; who rewrites or balances does.
    public var forwards = false
    public var nat: NAT?
    public var backend = Hop.Backend.auto
    public var rules: [Rule] = []
    public var services: [Service] = []
    /// Names of addresses that it has on `lo`: shared ones, and VIPs for which it answers directly.
    public var has: [String] = []
    /// Where it sends what would go another way: a name, or `default`, to the node that is next.
    public var routes: [Route] = []

    public init(_ name: String) { self.name = name }

    public var isForwarding: Bool { forwards || nat != nil || !services.isEmpty }

    /// Names of its nodes.
    public var members: [String] { count == 1 ? [name] : (1...max(1, count)).map { "\(name).\($0)" } }
  }

  public struct Route: Sendable, Equatable {
    public var to: String
    public var via: String

    public init(to: String, via: String) {
      self.to = to
      self.via = via
    }
  }

  /// Source NAT of what leaves by some links.
  public struct NAT: Sendable, Equatable {
    /// Names of links.
    public var out: [String]
    /// The name of the address that is given; nil is the node's own on the first of these links.
    public var source: String?
    public var target = Hop.NAT.snat
    public var ports = 32768...60999
    public var random = Hop.Randomness.none

    public init(out: [String]) { self.out = out }
  }

  /// What becomes of packets of one kind; names of links, nodes and addresses instead of interfaces.
  public struct Rule: Sendable, Equatable {
    public var verdict: PacketRule.Verdict
    public var kind: PacketRule.Kind
    public var `in`: String?
    public var out: String?
    public var from: String?
    public var to: String?
    public var nth: Int?
    /// What the verdict ``PacketRule/Verdict/synproxy`` answers with.
    public var proxy: SynProxy?

    public init(_ verdict: PacketRule.Verdict, _ kind: PacketRule.Kind) {
      self.verdict = verdict
      self.kind = kind
    }
  }

  /// An IPVS service at an address that has a name.
  public struct Service: Sendable, Equatable {
    public var name: String
    /// Nodes that listen.
    public var servers: [String]
    public var forwarding = VirtualService.Forwarding.nat
    public var scheduler = Network.Scheduler.rr
    public var persistence: Int?
    /// On how many ports; nil is as many as the first server listens on.
    public var ports: Int?

    public init(_ name: String, servers: [String]) {
      self.name = name
      self.servers = servers
    }
  }

  /// What joins nodes: a veth where it is two, a LAN where it is more.
  public struct Link: Sendable, Equatable {
    public var name: String
    public var nodes: [String]
    /// Whether what passes it is captured.
    public var isCaptured = true
    /// What happens to packets on it, either way.
    public var packets = Impairment()
    /// What happens besides to those that a node sends on it, or gets.
    public var from: [String: Impairment] = [:]
    public var to: [String: Impairment] = [:]

    public init(_ name: String, _ nodes: [String]) {
      self.name = name
      self.nodes = nodes
    }
  }
}

extension NetworkSketch {
  /// A part of a node that may vary.
  public enum Change: Sendable, Equatable {
    case ports(ClosedRange<Int>)
    case random(Hop.Randomness)
    case scheduler(Network.Scheduler)
    case persistence(Int)
    case forwarding(VirtualService.Forwarding)
  }

  /// Changes a part of a node; nothing where it has no such part.
  public mutating func change(_ name: String, _ change: Change) {
    for index in nodes.indices where nodes[index].name == name {
      switch change {
      case .ports(let ports): nodes[index].nat?.ports = ports
      case .random(let random): nodes[index].nat?.random = random
      case .scheduler(let scheduler):
        for service in nodes[index].services.indices { nodes[index].services[service].scheduler = scheduler }
      case .persistence(let seconds):
        for service in nodes[index].services.indices { nodes[index].services[service].persistence = seconds }
      case .forwarding(let forwarding):
        for service in nodes[index].services.indices {
          nodes[index].services[service].forwarding = forwarding
        }
      }
    }
  }
}

/// What a spelled-out network lacks: which part, and the words.
public struct SketchMistake: Error, Sendable, Equatable {
  /// Where it is: a node's or link's name, of a link also `NAME.KEY`; nil is the network as a whole.
  public var part: String?
  public var message: String

  init(_ part: String?, _ message: String) {
    self.part = part
    self.message = message
  }
}
