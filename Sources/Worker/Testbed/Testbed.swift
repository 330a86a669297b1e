import Evidence
import Linux
import Model
import Netlink

/// The network of one case, made of namespaces that are held by descriptor only.
/// It lives as long as the instance; no death of the process leaves any of it behind.
final class Testbed {
  let test: Case
  let kernel: Kernel
  let addressing: Addressing
  /// By which everything is told that is seen here.
  let time = CaseClock()
  let nodes: [Node]
  let servers: [Node]
  let hop: Node?
  /// Stands between the clients and the LAN of `ipvs-dr` and `ipvs-tun`.
  let router: Node?
  /// Clients with their description, in the case's order.
  let clients: [(description: Client, node: Node)]
  private(set) var clocks: SkewedClocks?
  private(set) var nat: NATRules?
  private(set) var director: Director?
  /// `tcp_tw_recycle` where the kernel has it no more and the lab brings it back.
  private(set) var recycling: EmulatedRecycling?
  /// Asked for first, so that it is in force when the rest is built.
  private let timestamps: PacketTimestamps
  /// How long each part of the set-up took.
  private(set) var timings: [Timing] = []

  /// Interface indices are chosen, so that links, addresses and routes go out in one batch without a look-up.
  /// A new namespace already holds `lo` and the kernel's fallback tunnels.
  enum Index {
    static let client = 100
    static func towards(client index: Int) -> Int { 101 + index }
    /// The hop's end of the link of server `index`, or the router's of the LAN's port `index`.
    static func towards(server index: Int) -> Int { 1000 + 2 * index }
    /// Not the index of its peer: the kernel hurries to activate a link only if the two differ
    /// (`linkwatch_urgent_event`), and takes up to a second otherwise.
    static func server(_ index: Int) -> Int { 1001 + 2 * index }
    static let lan = 900
    static let tunnel = 901
    static let loopback = 1
  }

  /// What the kernel has yet to do before packets can pass.
  private enum Awaited {
    /// A link carries packets.
    case link(Node, Int)
    /// An address is delivered here; IPv6 only, for IPv4's is at once.
    case address(Node, String)
  }
  private var awaited: [Awaited] = []

  /// Builds everything, in the order in which a setting or rule must be there before what it affects.
  init(_ test: Case, on kernel: Kernel) throws {
    self.test = test
    self.kernel = kernel
    let network = test.network
    addressing = Addressing(network)
    var stopwatch = Stopwatch()

    var made: [Node] = []
    let counterNames = CounterFiles.Names()
    for name in network.nodes {
      do { made.append(try Node(name: name, counterNames: counterNames)) } catch {
        throw Failure(error, stage: "network namespace", object: name)
      }
    }
    nodes = made
    clients = Array(zip(network.clients, made))
    servers = made.filter { Network.isServer($0.name) }
    hop = made.first { $0.name == Network.hop }
    router = made.first { $0.name == Network.router }
    guard !servers.isEmpty, !clients.isEmpty else {
      throw Failure(stage: "testbed", object: test.id, cause: "no client or no server")
    }
    let first = clients[0].node
    do { timestamps = try first.namespace.run { try PacketTimestamps() } } catch {
      throw Failure(error, stage: "capture", object: first.name)
    }
    timings.append(stopwatch.lap("namespaces"))

    for node in nodes {
      try Settings.apply(test.settings[node.name] ?? [:], on: node, of: network, kernel: kernel)
    }
    for node in nodes where try StrippedTimestamps.wanted(on: node.name, of: test, kernel: kernel) {
      try StrippedTimestamps.apply(on: node, ipv6: network.family == .ipv6, kernel: kernel)
    }
    recycling = try EmulatedRecycling(test, nodes: nodes, kernel: kernel)
    if recycling == nil,
      kernel.perKernelSettings.contains("tcp_tw_recycle")
        || kernel.capabilities.contains(.setting("tcp_tw_recycle"))
    {
      for server in servers { try server.openMetrics() }
    }
    timings.append(stopwatch.lap("settings"))

    let monitors = try nodes.map { node in try node.namespace.run { try LinkMonitor() } }
    try link()
    timings.append(stopwatch.lap("links"))

    if let hop, let description = network.hop {
      if NATRules.needed(by: network) {
        let rules = NATRules(description, addressing: addressing, kernel: kernel)
        try rules.apply(on: hop)
        nat = rules
      }
      try hop.openConntrack()
      if network.topology.isIPVS {
        director = try Director(on: hop, network: network, addressing: addressing)
      }
    }
    timings.append(stopwatch.lap("nat"))

    clocks = try SkewedClocks(test: test, clients: clients, kernel: kernel, time: time)
    timings.append(stopwatch.lap("clocks"))

    try awaitLinks(monitors)
    timings.append(stopwatch.lap("carrier"))
  }

  /// Last, so that the kernel activates the links while the rest is set up.
  private func awaitLinks(_ monitors: [LinkMonitor]) throws {
    let deadline = SystemClock.monotonic() + 10_000_000_000
    while true {
      monitors.forEach { $0.reset() }
      do {
        awaited = try awaited.filter { awaited in
          switch awaited {
          case .link(let node, let index): try !node.routes.isReady(index: index)
          case .address(let node, let address):
            try addressing.family == .ipv6 && !node.routes.isLocal(address)
          }
        }
      } catch {
        throw Failure(error, stage: "carrier", object: test.id)
      }
      guard let first = awaited.first else { return }
      let left = deadline - SystemClock.monotonic()
      guard left > 0 else {
        let what =
          switch first {
          case .link(let node, let index): "link \(index) of \(node.name)"
          case .address(let node, let address): "\(address) of \(node.name)"
          }
        throw Failure(
          stage: "wait", object: what, cause: "not up within 10 s",
          mend: "fewer --jobs, if the machine is loaded")
      }
      var requests = monitors.map { Poll.Request(descriptor: $0.fileDescriptor, events: Poll.readable) }
      _ = try Poll.wait(&requests, timeout: Int(left / 1_000_000) + 1)
    }
  }

  /// `ip link add ... type veth peer ... netns`, addresses, routes, up: one batch per namespace.
  private func link() throws {
    do {
      for node in nodes { node.routes.setLoopbackUp() }
      let middle = router ?? hop ?? servers[0]
      for (index, client) in clients.enumerated() {
        join(
          middle, "to\(index)", Index.towards(client: index), addressing.gateway(index), to: client.node,
          Index.client, addressing.client(index))
      }
      if let router, let hop {
        linkLAN(router, hop)
      } else if let hop {
        for (index, server) in servers.enumerated() {
          join(
            hop, servers.count == 1 ? "srv" : "srv\(index)", Index.towards(server: index),
            addressing.hop(towards: index), to: server, Index.server(index), addressing.server(index))
        }
        if test.network.topology.isIPVS { add(addressing.virtual, alone: true, to: hop, Index.loopback) }
      }
      // The hop first: it makes the far ends.
      try middle.routes.commit()
      for node in nodes where node !== middle { try node.routes.commit() }
      for (index, client) in clients.enumerated() {
        client.node.routes.addRoute(to: nil, via: addressing.gateway(index), index: Index.client)
        try client.node.routes.commit()
      }
      for (index, server) in servers.enumerated() where hop != nil {
        let gateway = router == nil ? addressing.hop(towards: index) : addressing.routerOnLAN
        let link = Index.server(router == nil ? index : index + 1)
        server.routes.addRoute(to: nil, via: gateway, index: link)
        try server.routes.commit()
      }
      if router != nil, let hop {
        hop.routes.addRoute(to: nil, via: addressing.routerOnLAN, index: Index.server(0))
        try hop.routes.commit()
        try addVirtualToServers()
      }
    } catch {
      throw Failure(error, stage: "links", object: test.id)
    }
  }

  /// A veth between two nodes, its far end called `eth0`, both with an address and up.
  private func join(
    _ near: Node, _ name: String, _ nearIndex: Int, _ nearAddress: String, to far: Node, _ farIndex: Int,
    _ farAddress: String
  ) {
    near.routes.addVeth(
      name: name, index: nearIndex, peer: "eth0", peerIndex: farIndex,
      peerNamespace: far.namespace.fileDescriptor)
    for (node, index, address) in [(near, nearIndex, nearAddress), (far, farIndex, farAddress)] {
      add(address, alone: false, to: node, index)
      node.routes.setUp(index: index)
      awaited.append(.link(node, index))
    }
  }

  private func add(_ address: String, alone: Bool, to node: Node, _ index: Int) {
    if addressing.family == .ipv6, !alone {
      // A packet that is passed on asks for its neighbour from a link-local address (ndisc_solicit), and the
      // kernel's own would be seconds in coming: duplicate address detection.
      let local = "fe80::\(String(index, radix: 16))"
      node.routes.addAddress(local, prefix: 64, index: index)
      awaited.append(.link(node, index))
    }
    // Not preferred where it is the VIP of IPv6: a director that took it for the outer source of its tunnels would
    // be refused by servers that have it too (ip6_tnl_rcv_ctl).
    node.routes.addAddress(
      address, prefix: alone ? addressing.hostPrefix : addressing.prefix, index: index,
      preferred: !(alone && addressing.family == .ipv6))
    awaited.append(.address(node, address))
  }

  /// A bridge in the router's namespace with a port for the director and one for each server.
  private func linkLAN(_ router: Node, _ hop: Node) {
    router.routes.addBridge(name: "lan", index: Index.lan)
    for (index, node) in ([hop] + servers).enumerated() {
      let (port, far) = (Index.towards(server: index), Index.server(index))
      router.routes.addVeth(
        name: "lan\(index)", index: port, peer: "eth0", peerIndex: far,
        peerNamespace: node.namespace.fileDescriptor)
      router.routes.setMaster(index: port, bridge: Index.lan)
      router.routes.setUp(index: port)
      add(index == 0 ? addressing.hop : addressing.server(index - 1), alone: false, to: node, far)
      node.routes.setUp(index: far)
      awaited += [.link(router, port), .link(node, far)]
    }
    add(addressing.virtual, alone: true, to: hop, Index.server(0))
    add(addressing.routerOnLAN, alone: false, to: router, Index.lan)
    router.routes.setUp(index: Index.lan)
    awaited.append(.link(router, Index.lan))
  }

  /// The VIP on each server: on `lo`, or on the tunnel's end so that what comes out of it is taken.
  private func addVirtualToServers() throws {
    for (position, server) in servers.enumerated() {
      var index = Index.loopback
      if test.network.topology == .ipvsTun {
        // Of its own, and not the fallback tunl0 or ip6tnl0: ip6tnl0 takes no packet (ip6_tnl_rcv_ctl).
        index = Index.tunnel
        server.routes.addTunnel(name: "tun0", index: index, local: addressing.server(position))
        server.routes.setUp(index: index)
      }
      add(addressing.virtual, alone: true, to: server, index)
      try server.routes.commit()
    }
  }

  /// The client or server that has an address, however that is written; the first, where several have it.
  func node(of address: String) -> Node? {
    func isThat(_ other: String) -> Bool {
      (try? SocketAddress(other, port: 0))?.description == SocketAddress.text(address, port: 0)
    }
    if let index = clients.indices.first(where: { isThat(addressing.client($0)) }) {
      return clients[index].node
    }
    if let index = servers.indices.first(where: { isThat(addressing.server($0)) }) { return servers[index] }
    let targets = [addressing.virtual] + clients.indices.map { addressing.target(of: $0) }
    return targets.contains(where: isThat) ? servers.first : nil
  }

  /// A packet socket on the link of every client and of every server.
  func startCapture() throws {
    do {
      for (node, interface) in watched { try node.capture(interface) }
      try timestamps.awaitForce()
    } catch {
      throw Failure(error, stage: "capture", object: test.id)
    }
  }

  /// The links that are captured: every client's and every server's.
  var watched: [(node: Node, interface: String)] {
    clients.map { ($0.node, "eth0") }
      + (hop == nil ? clients.indices.map { (servers[0], "to\($0)") } : servers.map { ($0, "eth0") })
  }
}

/// Milliseconds between laps.
struct Stopwatch {
  private var last = SystemClock.monotonic()

  mutating func lap(_ part: String) -> Timing {
    let now = SystemClock.monotonic()
    defer { last = now }
    return Timing(part: part, milliseconds: Double(now - last) / 1_000_000)
  }
}
