import Linux
import Netlink
import Scenario

/// The network of one case, made of namespaces that are held by descriptor only.
/// It lives as long as the instance; no death of the process leaves any of it behind.
final class Testbed {
  let test: Case
  let kernel: Kernel
  let addressing: Addressing
  let nodes: [Node]
  let server: Node
  let hop: Node?
  /// Clients with their description, in the case's order.
  let clients: [(description: Client, node: Node)]
  private(set) var clocks: SkewedClocks?
  private(set) var nat: NATRules?
  /// How long each part of the set-up took.
  private(set) var timings: [Timing] = []

  /// Interface indices are chosen, so that links, addresses and routes go out in one batch without a look-up.
  /// A new namespace already holds `lo` and the kernel's fallback tunnels.
  enum Index {
    static let client = 100
    static func towards(client index: Int) -> Int { 101 + index }
    static let serverLink = 1000
    /// Not the index of its peer: the kernel hurries to activate a link only if the two differ
    /// (`linkwatch_urgent_event`), and takes up to a second otherwise.
    static let server = 1001
  }

  /// Builds everything, in the order in which a setting or rule must be there before what it affects.
  init(_ test: Case, on kernel: Kernel) throws {
    self.test = test
    self.kernel = kernel
    let network = test.network
    addressing = Addressing(network)
    var stopwatch = Stopwatch()

    var made: [Node] = []
    for name in network.nodes {
      do { made.append(try Node(name: name)) } catch {
        throw Failure(error, stage: "network namespace", object: name)
      }
    }
    nodes = made
    clients = Array(zip(network.clients, made))
    guard let last = made.last else { throw Failure(stage: "testbed", object: test.id, cause: "no nodes") }
    server = last
    hop = network.hop == nil ? nil : made[made.count - 2]
    timings.append(stopwatch.lap("namespaces"))

    for node in nodes {
      try Settings.apply(test.settings[node.name] ?? [:], on: node, isHop: node === hop)
    }
    timings.append(stopwatch.lap("settings"))

    let monitors = try nodes.map { node in try node.namespace.run { try LinkMonitor() } }
    try link()
    timings.append(stopwatch.lap("links"))

    if let hop, let description = network.hop {
      let rules = NATRules(description, addressing: addressing, kernel: kernel)
      try rules.apply(on: hop)
      try hop.openConntrack()
      nat = rules
    }
    timings.append(stopwatch.lap("nat"))

    clocks = try SkewedClocks(test: test, clients: clients, kernel: kernel)
    timings.append(stopwatch.lap("clocks"))

    try awaitLinks(monitors)
    timings.append(stopwatch.lap("carrier"))
  }

  /// Last, so that the kernel activates the links while the rest is set up.
  private func awaitLinks(_ monitors: [LinkMonitor]) throws {
    let middle = hop ?? server
    var waiting = clients.indices.flatMap { index in
      [
        (middle, Index.towards(client: index), addressing.gateway(index)),
        (clients[index].node, Index.client, addressing.client(index)),
      ]
    }
    if let hop {
      waiting += [
        (hop, Index.serverLink, addressing.hop), (server, Index.server, addressing.serverBehindHop),
      ]
    }
    let deadline = SystemClock.monotonic() + 10_000_000_000
    while true {
      monitors.forEach { $0.reset() }
      do {
        waiting = try waiting.filter { node, index, address in
          guard try node.routes.isReady(index: index) else { return true }
          return try addressing.family == .ipv6 && !node.routes.isLocal(address)
        }
      } catch {
        throw Failure(error, stage: "carrier", object: test.id)
      }
      guard let (node, index, _) = waiting.first else { return }
      let left = deadline - SystemClock.monotonic()
      guard left > 0 else {
        throw Failure(
          stage: "wait", object: "link \(index) of \(node.name)",
          cause: "neither up nor addressed within 10 s",
          mend: "fewer --jobs, if the machine is loaded")
      }
      var requests = monitors.map { Poll.Request(descriptor: $0.fileDescriptor, events: Poll.readable) }
      _ = try Poll.wait(&requests, timeout: Int(left / 1_000_000) + 1)
    }
  }

  /// `ip link add ... type veth peer ... netns`, addresses, routes, up: one batch per namespace.
  private func link() throws {
    let middle = hop ?? server
    do {
      for node in nodes { node.routes.setLoopbackUp() }
      for (index, client) in clients.enumerated() {
        let far = Index.towards(client: index)
        middle.routes.addVeth(
          name: "to\(index)", index: far, peer: "eth0", peerIndex: Index.client,
          peerNamespace: client.node.namespace.fileDescriptor)
        middle.routes.addAddress(addressing.gateway(index), prefix: addressing.prefix, index: far)
        middle.routes.setUp(index: far)
      }
      if let hop {
        hop.routes.addVeth(
          name: "srv", index: Index.serverLink, peer: "eth0", peerIndex: Index.server,
          peerNamespace: server.namespace.fileDescriptor)
        hop.routes.addAddress(addressing.hop, prefix: addressing.prefix, index: Index.serverLink)
        hop.routes.setUp(index: Index.serverLink)
      }
      try middle.routes.commit()
      for (index, client) in clients.enumerated() {
        let routes = client.node.routes
        routes.addAddress(addressing.client(index), prefix: addressing.prefix, index: Index.client)
        routes.setUp(index: Index.client)
        routes.addRoute(to: nil, via: addressing.gateway(index), index: Index.client)
        try routes.commit()
      }
      if hop != nil {
        server.routes.addAddress(addressing.serverBehindHop, prefix: addressing.prefix, index: Index.server)
        server.routes.setUp(index: Index.server)
        server.routes.addRoute(to: nil, via: addressing.hop, index: Index.server)
        try server.routes.commit()
      }
    } catch {
      throw Failure(error, stage: "links", object: test.id)
    }
  }

  /// A packet socket on the link of every client and of the server.
  func startCapture() throws {
    do {
      for client in clients { try client.node.capture("eth0") }
      if hop != nil {
        try server.capture("eth0")
      } else {
        for index in clients.indices { try server.capture("to\(index)") }
      }
    } catch {
      throw Failure(error, stage: "capture", object: test.id)
    }
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
