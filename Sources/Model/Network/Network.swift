/// The network of a case, as a value: nodes with what they do, the links between them, what is captured.
///
/// Testbed, settings, evidence, judge, mutants, ladder and page read it, and know no node by its name. Networks that
/// have a name of their own, ``Topology``, are made by a ``Preset``; a lab file may spell one out (``NodeSketch``).
public struct Network: Sendable, Equatable {
  /// What it was made from.
  public var topology: Topology
  /// The address family that the workload uses.
  public var family: Family
  /// Its nodes: clients first, what stands between, the servers.
  public var hosts: [Network.Node]
  /// How they are joined.
  public var links: [Link]
  /// Addresses that a lab file may name in ``Step``s, beside those of nodes.
  public var names: [String: String]

  public init(
    topology: Topology, family: Family, hosts: [Network.Node], links: [Link], names: [String: String] = [:]
  ) {
    self.topology = topology
    self.family = family
    self.hosts = hosts
    self.links = links
    self.names = names
  }

  /// The address family.
  public enum Family: String, Codable, Sendable, CaseIterable {
    case ipv4, ipv6
  }

  /// How a director chooses a real server (`ip_vs_sched.c` and its modules).
  public enum Scheduler: String, Codable, Sendable, CaseIterable {
    /// Round robin, weighted round robin, least connections, by the client's address.
    case rr, wrr, lc, sh
    /// Weighted least connections, locality-based ones, by the destination, shortest expected delay, never queue,
    /// weighted failover, overflow, Maglev hashing.
    case wlc, lblc, lblcr, dh, sed, nq, fo, ovf, mh
  }

  /// The first port that servers listen on.
  public static let serverPort = 8000
  /// What presets call the server's node; where there are several they are `server.1` and so on.
  public static let server = "server"
  /// What presets call the NAT router or director.
  public static let hop = "hop"
  /// What presets call the router before a LAN.
  public static let router = "router"
}

extension Network {
  /// Names of all nodes.
  public var nodes: [String] { hosts.filter { !$0.isSwitch }.map(\.name) }

  /// The node of that name.
  public func host(_ name: String) -> Network.Node? { hosts.first { $0.name == name } }

  /// Names of the nodes that a lab file's word stands for: a group's members, or a node's own.
  public func members(of name: String) -> [String] {
    let hosts = hosts.filter { !$0.isSwitch }
    let group = hosts.filter { $0.group == name }
    return (group.isEmpty ? hosts.filter { $0.name == name } : group).map(\.name)
  }

  /// Those who open connections.
  public var clients: [Client] {
    get {
      hosts.compactMap { host in
        host.client.map { Client(name: host.name, group: host.group, clock: $0.clock, isn: $0.isn) }
      }
    }
    set {
      for client in newValue {
        guard let index = hosts.firstIndex(where: { $0.name == client.name }) else { continue }
        hosts[index].client?.clock = client.clock
        hosts[index].client?.isn = client.isn
      }
    }
  }

  /// Names of those who accept connections.
  public var serverNames: [String] { hosts.filter { $0.server != nil }.map(\.name) }

  /// Whether a node accepts connections.
  public func isServer(_ name: String) -> Bool { host(name)?.server != nil }

  /// Whether a director balances between this server and others.
  public func balances(to server: String) -> Bool {
    hosts.contains { $0.services.contains { $0.servers.contains(server) } }
  }

  /// The most ports that a server listens on.
  public var serverPorts: Int { hosts.compactMap { $0.server?.ports.count }.max() ?? 1 }

  /// Names of the nodes that rewrite sources: whose conntrack may refuse.
  public var natNodes: [String] { hosts.filter { $0.nat != nil }.map(\.name) }

  /// Names of the IPVS directors.
  public var directorNodes: [String] { hosts.filter { !$0.services.isEmpty }.map(\.name) }

  /// Names of the nodes that pass packets on.
  public var forwardingNodes: [String] { hosts.filter(\.forwards).map(\.name) }

  /// Names of the nodes whose conntrack looks at what passes.
  public var trackingNodes: [String] { hosts.filter(\.tracks).map(\.name) }

  /// Whether any server listens; false only in a mutation.
  public var listening: Bool {
    get { hosts.contains { $0.server?.isListening == true } }
    set { for index in hosts.indices { hosts[index].server?.isListening = newValue } }
  }

  /// Addresses of a node, those of its links first.
  public func addresses(of name: String) -> [String] {
    links.flatMap(\.allEnds).filter { $0.host == name }.compactMap(\.address)
      + (host(name)?.addresses.map(\.address) ?? [])
  }

  /// The address that a lab file's word stands for: one that has a name, a node's first, or an address itself.
  public func address(named name: String) -> String? {
    names[name] ?? members(of: name).first.flatMap { addresses(of: $0).first }
      ?? (name.contains(where: { ".:".contains($0) }) ? name : nil)
  }

  /// The sources that servers may see of clients whose own are hidden.
  public var publicAddresses: [String] { hosts.compactMap { $0.nat?.address } }

  /// Whether it has a LAN.
  public var hasBridge: Bool { links.contains { $0.bridge != nil } }

  /// Whether links of it are late, lossy or slow from the beginning.
  public var isImpaired: Bool { links.contains(where: \.isImpaired) }

  /// Whether packets go through IPIP tunnels.
  public var hasTunnel: Bool { hosts.contains { $0.addresses.contains { $0.tunnel != nil } } }

  /// Where something is captured: node and interface, in the order of the links.
  public var captured: [Link.End] {
    links.flatMap(\.allEnds).filter(\.isCaptured)
      + hosts.filter(\.capturesLoopback).map { Link.End($0.name, "lo", isCaptured: true) }
  }
}
