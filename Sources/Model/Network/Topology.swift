extension Network {
  /// A network that has a name of its own, or one that a lab file spells out.
  public struct Topology: RawRepresentable, Hashable, Sendable, Codable, CaseIterable {
    public let rawValue: String

    /// Nil for a name that no preset has.
    public init?(rawValue: String) {
      guard Self.presets[rawValue] != nil || rawValue == Self.spelledOut.rawValue else { return nil }
      self.rawValue = rawValue
    }

    private init(name: String) { rawValue = name }

    /// The one that a preset makes.
    init(_ preset: some Preset) { rawValue = preset.name }

    /// One that a lab file spells out, `nodes:` and `links:`.
    public static let spelledOut = Topology(name: "spelled-out")

    // By name, for those who make one without a lab file.
    public static let direct = Topology(name: "direct")
    public static let snat = Topology(name: "snat")
    public static let ipvsNAT = Topology(name: "ipvs-nat")
    public static let ipvsFullNAT = Topology(name: "ipvs-fullnat")
    public static let ipvsDR = Topology(name: "ipvs-dr")
    public static let ipvsTun = Topology(name: "ipvs-tun")

    /// Every network that has a name of its own, the simplest first.
    public static let allCases: [Topology] = registeredPresets.sorted { $0.order < $1.order }.map {
      Topology(name: $0.name)
    }

    private static let presets = Dictionary(
      registeredPresets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// What makes it; nil where a lab file spells it out.
    public var preset: (any Preset)? { Self.presets[rawValue] }

    /// With one client, for questions that all of its kind answer alike.
    public var sample: Network? {
      preset?.network(
        PresetParameters(
          family: .ipv4,
          clients: [Client(name: "client", group: "client", clock: .offset(milliseconds: 0), isn: .ahead)]))
    }

    /// Whether a router stands between the clients and a LAN with director and servers.
    public var hasRouter: Bool { sample?.nodes.contains(Network.router) == true }
  }
}

/// A network that has a name of its own: one file here, and its test.
public protocol Preset: Sendable {
  /// What a lab file calls it: `topology: {kind: NAME}`.
  var name: String { get }
  /// Its place in lists.
  var order: Int { get }
  /// What it is, in one sentence without a full stop.
  var summary: String { get }
  /// The network, with what a lab file says of it.
  func network(_ parameters: PresetParameters) -> Network
}

/// What a lab file says of a network that has a name of its own.
public struct PresetParameters: Sendable {
  public var family: Network.Family
  public var clients: [Client]
  /// Servers listen on this many ports, from ``Network/serverPort`` up.
  public var serverPorts: Int
  /// Real servers, behind a director.
  public var servers: Int
  public var hop: Hop

  public init(
    family: Network.Family, clients: [Client], serverPorts: Int = 1, servers: Int = 1, hop: Hop = Hop()
  ) {
    self.family = family
    self.clients = clients
    self.serverPorts = serverPorts
    self.servers = servers
    self.hop = hop
  }

  public var addressing: Addressing { Addressing(family) }
  public var ports: ClosedRange<Int> { Network.serverPort...Network.serverPort + max(1, serverPorts) - 1 }

  /// Names of the servers.
  public var serverNames: [String] {
    servers == 1 ? [Network.server] : (1...max(1, servers)).map { "\(Network.server).\($0)" }
  }

  /// The clients, each of which connects to one address.
  public func clientHosts(to target: (Int) -> String, via gateway: Bool = true) -> [Network.Node] {
    clients.enumerated().map { index, client in
      var host = Network.Node(client.name, group: client.group)
      host.client = Network.Node.ClientRole(clock: client.clock, isn: client.isn, target: target(index))
      if gateway { host.routes = [Network.Node.Route(via: addressing.gateway(index), interface: "eth0")] }
      return host
    }
  }

  /// The servers, as they are before anything is said of their links.
  public var serverHosts: [Network.Node] {
    serverNames.map { name in
      var host = Network.Node(name, group: Network.server)
      host.server = Network.Node.ServerRole(ports: ports)
      return host
    }
  }

  /// A link from each client to one node.
  public func clientLinks(to node: String, capturesFarEnd: Bool = false) -> [Link] {
    clients.enumerated().map { index, client in
      Link(
        "\(client.name)-\(node)",
        [
          Link.End(node, "to\(index)", addressing.gateway(index), isCaptured: capturesFarEnd),
          Link.End(client.name, "eth0", addressing.client(index), isCaptured: true),
        ])
    }
  }

  /// Source NAT as the lab file wants it, towards the servers.
  public var sourceNAT: Network.Node.SourceNAT {
    Network.Node.SourceNAT(
      target: hop.nat, out: ["srv+"], address: addressing.hop(towards: 0), ports: hop.ports,
      random: hop.random)
  }

  /// The node in the middle: it forwards, and has the rules that the lab file says.
  public var hopHost: Network.Node {
    var host = Network.Node(Network.hop)
    host.forwards = true
    host.alwaysTracks = true
    host.backend = hop.backend
    if hop.dropInvalid { host.rules = [.dropInvalid] }
    return host
  }

  /// A link from the node in the middle to each server.
  public var serverLinks: [Link] {
    serverNames.enumerated().map { index, server in
      Link(
        "\(Network.hop)-\(server)",
        [
          Link.End(
            Network.hop, servers == 1 ? "srv" : "srv\(index)", addressing.hop(towards: index)),
          Link.End(server, "eth0", addressing.server(index), isCaptured: true),
        ])
    }
  }

  /// Servers that answer through the node in the middle.
  public var serversBehindHop: [Network.Node] {
    serverHosts.enumerated().map { index, server in
      var server = server
      server.routes = [Network.Node.Route(via: addressing.hop(towards: index), interface: "eth0")]
      return server
    }
  }

  /// The director's service on all ports.
  public func service(
    at address: String, by forwarding: VirtualService.Forwarding
  ) -> VirtualService {
    VirtualService(
      address: address, ports: ports, scheduler: hop.scheduler, forwarding: forwarding, servers: serverNames)
  }
}
