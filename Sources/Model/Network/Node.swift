extension Network {
  /// A node, and what it does: any of these roles, several at once.
  public struct Node: Codable, Sendable, Equatable {
    /// The node's name: the group's, with `.1` and so on behind it where the group has several.
    public var name: String
    /// What a lab file calls it and its like: a group of clients, `server`, or the name itself.
    public var group: String
    /// It opens connections; nil where it does not.
    public var client: ClientRole?
    /// It accepts them; nil where it does not.
    public var server: ServerRole?
    /// It passes packets on between its links: `ip_forward`.
    public var forwards = false
    /// It rewrites sources; nil where it does not.
    public var nat: SourceNAT?
    /// What it does with single packets, in order.
    public var rules: [PacketRule] = []
    /// Which tool programs NAT and rules.
    public var backend = Hop.Backend.auto
    /// It balances: IPVS services.
    public var services: [VirtualService] = []
    /// Addresses beside those of its links.
    public var addresses: [ExtraAddress] = []
    /// Where it sends what is not on its links.
    public var routes: [Route] = []
    /// Settings that its roles ask for, beside the baseline; a lab file may say otherwise.
    public var settings: [String: String] = [:]
    /// Whether what passes `lo` is captured.
    public var capturesLoopback = false
    /// Whether it only joins links: a switch, of which nobody asks anything.
    public var isSwitch = false

    public init(_ name: String, group: String? = nil) {
      self.name = name
      self.group = group ?? name
    }

    /// Whether conntrack looks at what passes it.
    public var tracks: Bool { nat != nil || !rules.isEmpty || !services.isEmpty || alwaysTracks }
    /// Whether conntrack is asked for though nothing here needs it.
    public var alwaysTracks = false

    /// Whether connections begin or end at it.
    public var isEnd: Bool { client != nil || server != nil }

    /// Whether it answers SYNs in a server's place.
    public var proxies: Bool { rules.contains { $0.verdict == .synproxy } }

    /// Whether a rule gives segments another's timestamps.
    public var rewritesTimestamps: Bool { rules.contains(where: \.verdict.rewrites) }

    /// Whether rules are programmed on it.
    public var hasRules: Bool { nat != nil || !rules.isEmpty }

    /// Opens connections.
    public struct ClientRole: Codable, Sendable, Equatable {
      /// What its TCP timestamps are.
      public var clock: Clock
      /// Where its initial sequence numbers lie.
      public var isn: SequencePin
      /// The address that it connects to, where a step does not say otherwise.
      public var target: String

      public init(clock: Clock, isn: SequencePin, target: String) {
        self.clock = clock
        self.isn = isn
        self.target = target
      }
    }

    /// Accepts connections.
    public struct ServerRole: Codable, Sendable, Equatable {
      /// It listens on each.
      public var ports: ClosedRange<Int>
      /// False only in a mutation: the server runs, but listens to nothing.
      public var isListening = true

      public init(ports: ClosedRange<Int>) { self.ports = ports }
    }

    /// Rewrites the source of what leaves by some links: `iptables -t nat -A POSTROUTING -o OUT -p tcp -j SNAT`.
    public struct SourceNAT: Codable, Sendable, Equatable {
      /// Which target rewrites it.
      public var target: Hop.NAT
      /// Names of interfaces; one that ends in `+` means all that begin so.
      public var out: [String]
      /// The source that is given; for masquerading, what the first interface has.
      public var address: String
      /// Source ports that are given.
      public var ports: ClosedRange<Int>
      /// How one is chosen.
      public var random: Hop.Randomness

      public init(
        target: Hop.NAT, out: [String], address: String, ports: ClosedRange<Int>, random: Hop.Randomness
      ) {
        self.target = target
        self.out = out
        self.address = address
        self.ports = ports
        self.random = random
      }
    }

    /// An address that no link gives: a VIP, a public address that several nodes share.
    public struct ExtraAddress: Codable, Sendable, Equatable {
      public var address: String
      /// `lo`, one of the node's links, or a tunnel's name.
      public var interface: String
      /// The tunnel's own end, where the interface is one: packets in IPIP to it come out there.
      public var tunnel: String?

      public init(_ address: String, on interface: String, tunnel: String? = nil) {
        self.address = address
        self.interface = interface
        self.tunnel = tunnel
      }
    }

    /// `ip route add TO via GATEWAY dev INTERFACE`
    public struct Route: Codable, Sendable, Equatable {
      /// An address, or a network `ADDRESS/LENGTH`; nil is the default route.
      public var to: String?
      public var via: String
      public var interface: String

      public init(to: String? = nil, via: String, interface: String) {
        self.to = to
        self.via = via
        self.interface = interface
      }
    }
  }
}

/// One IPVS service: an address with ports, and who is behind it.
public struct VirtualService: Codable, Sendable, Equatable {
  /// How packets go to a real server.
  public enum Forwarding: String, Codable, Sendable, CaseIterable {
    /// The destination is rewritten; answers come back this way: `ipvsadm -m`.
    case nat
    /// The packet goes on as it is; the server answers directly: `-g`.
    case route
    /// The same, in an IPIP tunnel: `-i`.
    case tunnel
  }

  public var address: String
  /// A service for each.
  public var ports: ClosedRange<Int>
  public var scheduler: Network.Scheduler
  public var forwarding: Forwarding
  /// Names of the real servers; rr begins with the first.
  public var servers: [String]
  /// Seconds for which a client stays with its server: `ipvsadm -p`; nil is not at all.
  public var persistence: Int?

  public init(
    address: String, ports: ClosedRange<Int>, scheduler: Network.Scheduler, forwarding: Forwarding,
    servers: [String], persistence: Int? = nil
  ) {
    self.address = address
    self.ports = ports
    self.scheduler = scheduler
    self.forwarding = forwarding
    self.servers = servers
    self.persistence = persistence
  }
}

/// What joins nodes: a veth between two, or a bridge with a port for each.
public struct Link: Codable, Sendable, Equatable {
  /// What a lab file calls it, e.g. `client-hop` or `lan`.
  public var name: String
  /// Two, the first of which makes it; or any number on a LAN.
  public var ends: [End]
  /// The bridge, in some node's namespace; nil is a veth.
  public var bridge: End?

  public init(_ name: String, _ ends: [End], bridge: End? = nil) {
    self.name = name
    self.ends = ends
    self.bridge = bridge
  }

  /// Where a node is joined to it.
  public struct End: Codable, Sendable, Equatable {
    /// The node.
    public var host: String
    public var interface: String
    /// On the subnet that all ends share; nil has none.
    public var address: String?
    /// Whether what passes here is captured.
    public var isCaptured: Bool
    /// What happens to packets that the node sends here; nil is nothing.
    public var sent: Impairment?
    /// What happens to those that it gets here, at the other end: the bridge's port on a LAN.
    public var received: Impairment?

    private enum CodingKeys: String, CodingKey {
      case host = "node", interface, address, isCaptured, sent, received
    }

    public init(_ host: String, _ interface: String, _ address: String? = nil, isCaptured: Bool = false) {
      self.host = host
      self.interface = interface
      self.address = address
      self.isCaptured = isCaptured
    }
  }

  /// Everybody's ends, the bridge's own among them.
  public var allEnds: [End] { ends + (bridge.map { [$0] } ?? []) }

  /// Whether anything happens to packets on it.
  public var isImpaired: Bool { ends.contains { $0.sent != nil || $0.received != nil } }

  /// Where a bridge's port of the `index`th end is called.
  public static func port(_ index: Int, of bridge: End) -> String { "\(bridge.interface)\(index)" }
}
