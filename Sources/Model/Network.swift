/// The network of a case: clients, perhaps a NAT hop or an IPVS director, servers.
///
/// Addresses follow from the position: client `i` (from 0) has `198.18.i.2/24` and `2001:2:0:i::2/64`
/// (RFC 2544 and RFC 5180 benchmarking space), the far end of its link `.1` and `::1`.
/// Behind a hop that routes, the link of server `j` is `198.19.j.0/24`, hop `.1`, server `.2`; in `ipvs-dr` and
/// `ipvs-tun` router, director and servers share the LAN `198.19.0.0/24`. `Addressing` has it all.
public struct Network: Codable, Sendable, Equatable {
  /// How the nodes are joined.
  public enum Topology: String, Codable, Sendable, CaseIterable {
    /// Every client has a link to the server; nothing in between.
    case direct
    /// Clients, a router with conntrack and source NAT, a server.
    case snat
    /// Clients, an IPVS director that rewrites the destination (`ipvsadm -m`), servers that route through it.
    case ipvsNAT = "ipvs-nat"
    /// The same, with source NAT towards the servers: `net.ipv4.vs.conntrack=1` and a POSTROUTING rule.
    case ipvsFullNAT = "ipvs-fullnat"
    /// A router; director and servers on one LAN behind it; the servers have the VIP too and answer directly
    /// (`ipvsadm -g`).
    case ipvsDR = "ipvs-dr"
    /// The same, with the packets to the servers in IPIP tunnels (`ipvsadm -i`).
    case ipvsTun = "ipvs-tun"

    /// Whether the hop is an IPVS director.
    public var isIPVS: Bool { self != .direct && self != .snat }
    /// Whether a router stands between the clients and a LAN with director and servers.
    public var hasRouter: Bool { self == .ipvsDR || self == .ipvsTun }
    /// Whether the hop rewrites the source.
    public var hidesClients: Bool { self == .snat || self == .ipvsFullNAT }
  }

  /// How a director chooses a real server.
  public enum Scheduler: String, Codable, Sendable, CaseIterable {
    /// Round robin, weighted round robin, least connections, by the client's address.
    case rr, wrr, lc, sh
  }

  /// The address family that the workload uses.
  public enum Family: String, Codable, Sendable, CaseIterable {
    case ipv4, ipv6
  }

  /// How the nodes are joined.
  public var topology: Topology
  /// The address family that the workload uses.
  public var family: Family
  /// 1 to 250 clients, one subnet each.
  public var clients: [Client]
  /// The server listens on this many ports, from ``serverPort`` up.
  public var serverPorts: Int
  /// False only in a mutation: the server runs, but listens to nothing.
  public var listening: Bool
  /// The hop or director; absent exactly in `direct`.
  public var hop: Hop?
  /// Real servers, 1 to 8; more than one needs a director.
  public var servers: Int

  /// The first port that the server listens on.
  public static let serverPort = 8000
  /// Name of the server's node; where there are several they are `server.1` and so on.
  public static let server = "server"
  /// Name of the hop's or director's node.
  public static let hop = "hop"
  /// Name of the router's node.
  public static let router = "router"
  /// Whether a node of this name is a server.
  public static func isServer(_ node: String) -> Bool { node == server || node.hasPrefix("\(server).") }

  /// Makes a network.
  public init(
    topology: Topology, family: Family, clients: [Client], serverPorts: Int = 1, listening: Bool = true,
    hop: Hop?, servers: Int = 1
  ) {
    self.topology = topology
    self.family = family
    self.clients = clients
    self.serverPorts = serverPorts
    self.listening = listening
    self.hop = hop
    self.servers = servers
  }

  /// Names of the servers.
  public var serverNames: [String] {
    servers == 1 ? [Self.server] : (1...max(1, servers)).map { "\(Self.server).\($0)" }
  }

  /// Names of the nodes that rewrite sources: whose conntrack may refuse.
  public var natNodes: [String] { topology.hidesClients ? [Self.hop] : [] }

  /// Names of the IPVS directors.
  public var directorNodes: [String] { topology.isIPVS ? [Self.hop] : [] }

  /// Names of the nodes that pass packets on.
  public var forwardingNodes: [String] {
    (topology.hasRouter ? [Self.router] : []) + (hop == nil ? [] : [Self.hop])
  }

  /// Names of all nodes: the clients, `router` and `hop` if there are, the servers.
  public var nodes: [String] {
    clients.map(\.name) + (topology.hasRouter ? [Self.router] : []) + (hop == nil ? [] : [Self.hop])
      + serverNames
  }
}

/// One client.
public struct Client: Codable, Sendable, Equatable {
  /// Name of the node: the group's, with `.1` and so on behind it where the group has several.
  public var name: String
  /// Name in the lab file.
  public var group: String
  /// What its TCP timestamps are.
  public var clock: Clock
  /// Where its initial sequence numbers lie.
  public var isn: SequencePin

  /// Makes a client.
  public init(name: String, group: String, clock: Clock, isn: SequencePin) {
    self.name = name
    self.group = group
    self.clock = clock
    self.isn = isn
  }
}

/// A client's timestamp clock, as the server sees it.
public enum Clock: Codable, Sendable, Hashable {
  /// The kernel's own clock (`tcp_timestamps=2`) shifted by this many milliseconds; 0 is the clock itself.
  case offset(milliseconds: Int)
  /// `tcp_timestamps=1`, no tampering: the offset is the kernel's random one (since 4.10).
  case natural
  /// `tcp_timestamps=0`.
  case off
}

/// Where a client's initial sequence numbers lie, relative to those of all attempts before.
public enum SequencePin: String, Codable, Sendable, CaseIterable {
  /// Past every sequence number used so far in the case.
  case ahead
  /// Before every sequence number used so far in the case.
  case behind
  /// The kernel's own choice (RFC 6528).
  case natural
}

/// The NAT hop, or the IPVS director.
public struct Hop: Codable, Sendable, Equatable {
  /// Which target rewrites the source.
  public enum NAT: String, Codable, Sendable, CaseIterable {
    case snat, masquerade
  }
  /// Which tool programs the rules.
  public enum Backend: String, Codable, Sendable, CaseIterable {
    /// iptables over nftables, else iptables legacy, else nft: the first that this kernel takes.
    case auto
    case iptables, nft
  }
  /// How a source port is chosen within the range.
  public enum Randomness: String, Codable, Sendable, CaseIterable {
    case none
    /// `--random`
    case random
    /// `--random-fully`
    case fully
  }

  /// Which target rewrites the source.
  public var nat: NAT
  /// Which tool programs the rules.
  public var backend: Backend
  /// Source ports towards the server.
  public var ports: ClosedRange<Int>
  /// How a source port is chosen within the range.
  public var random: Randomness
  /// Whether a rule in FORWARD drops what conntrack calls INVALID.
  public var dropInvalid: Bool
  /// How a director chooses a server.
  public var scheduler: Network.Scheduler

  /// Makes a hop.
  public init(
    nat: NAT, backend: Backend, ports: ClosedRange<Int>, random: Randomness, dropInvalid: Bool,
    scheduler: Network.Scheduler = .rr
  ) {
    self.nat = nat
    self.backend = backend
    self.ports = ports
    self.random = random
    self.dropInvalid = dropInvalid
    self.scheduler = scheduler
  }
}
