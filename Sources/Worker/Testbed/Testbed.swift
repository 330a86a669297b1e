import Evidence
import Linux
import Model
import Netlink

/// The network of one case, made of namespaces that are held by descriptor only.
/// It lives as long as the instance; no death of the process leaves any of it behind.
final class Testbed {
  let test: Case
  let kernel: Kernel
  /// By which everything is told that is seen here.
  let time = CaseClock()
  let nodes: [Node]
  let servers: [Node]
  /// Clients with their description, in the case's order.
  let clients: [(description: Client, node: Node)]
  private(set) var clocks: SkewedClocks?
  /// Rules by the node that they are on.
  private(set) var rules: [(node: Node, rules: NATRules)] = []
  private(set) var directors: [Director] = []
  /// `tcp_tw_recycle` where the kernel has it no more and the lab brings it back.
  private(set) var recycling: EmulatedRecycling?
  /// Asked for first, so that it is in force when the rest is built.
  private let timestamps: PacketTimestamps
  /// Namespaces of switches, which are nobody's node.
  let switches: [Node]
  let links: LinkLayer
  /// Interfaces at which packets are late, lost or slow, with the node on whose account.
  var impaired: [(owner: String, interface: Interface)] = []
  /// What such interfaces have lost that are no more, by node.
  var lost: [String: Int] = [:]
  /// How long each part of the set-up took.
  private(set) var timings: [Timing] = []

  /// Builds everything, in the order in which a setting or rule must be there before what it affects.
  ///
  /// - Parameter first: a new namespace, for the first node; without it that one's is made too.
  init(_ test: Case, on kernel: Kernel, first namespace: consuming NetworkNamespace? = nil) throws {
    self.test = test
    self.kernel = kernel
    let network = test.network
    var stopwatch = Stopwatch()

    var made: [Node] = []
    let counterNames = CounterFiles.Names()
    var sysctls = Sysctl.Tree.common
    for host in network.hosts {
      // Of many nodes each 64 have a procfs, so that the last finds its settings as soon as the first.
      if !made.isEmpty, made.count.isMultiple(of: 64) { sysctls = .own() }
      do {
        made.append(
          try Node(name: host.name, in: namespace.take(), counterNames: counterNames, sysctls: sysctls))
      } catch {
        throw Failure(error, stage: "network namespace", object: host.name)
      }
    }
    let byName = Dictionary(made.map { ($0.name, $0) }) { first, _ in first }
    nodes = zip(network.hosts, made).filter { !$0.0.isSwitch }.map(\.1)
    switches = zip(network.hosts, made).filter(\.0.isSwitch).map(\.1)
    clients = network.clients.compactMap { client in byName[client.name].map { (client, $0) } }
    servers = network.serverNames.compactMap { byName[$0] }
    guard !servers.isEmpty, !clients.isEmpty else {
      throw Failure(stage: "testbed", object: test.id, cause: "no client or no server")
    }
    let first = clients[0].node
    do { timestamps = try first.namespace.run { try PacketTimestamps() } } catch {
      throw Failure(error, stage: "capture", object: first.name)
    }
    timings.append(stopwatch.lap("namespaces"))

    var fresh = Settings.Fresh()
    for (host, node) in zip(network.hosts, made) {
      try Settings.apply(
        test.settings[node.name] ?? [:], on: node, as: host, kernel: kernel, fresh: &fresh)
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

    links = try LinkLayer(network, nodes: byName, test: test.id)
    try impairLinks()
    try introduceMany()
    timings.append(stopwatch.lap("links"))

    for host in network.hosts {
      guard let node = byName[host.name] else { continue }
      if host.hasRules {
        let made = NATRules(host, family: network.family, kernel: kernel)
        try made.apply(on: node)
        rules.append((node, made))
        if host.proxies { try node.openSynproxy() }
      }
      if host.tracks { try node.openConntrack() }
      if !host.services.isEmpty {
        directors.append(try Director(on: node, as: host, in: network))
        do { try node.openConnections() } catch { throw Failure(error, stage: "ipvs", object: node.name) }
      }
    }
    timings.append(stopwatch.lap("nat"))

    clocks = try SkewedClocks(test: test, clients: clients, kernel: kernel, time: time)
    timings.append(stopwatch.lap("clocks"))

    try links.awaitReadiness()
    timings.append(stopwatch.lap("carrier"))
  }

  /// The node of that name.
  func node(named name: String) -> Node? { nodes.first { $0.name == name } }

  /// The node that has an address, however that is written; a client's or server's rather than another's.
  func node(of address: String) -> Node? {
    func isThat(_ other: String) -> Bool {
      (try? SocketAddress(other, port: 0))?.description == SocketAddress.text(address, port: 0)
    }
    let ends = clients.map(\.node) + servers
    return (ends + nodes).first { test.network.addresses(of: $0.name).contains(where: isThat) }
  }

  /// A packet socket on every link that is captured.
  func startCapture() throws {
    do {
      for (node, interface) in watched { try node.capture(interface) }
      try timestamps.awaitForce()
    } catch {
      throw Failure(error, stage: "capture", object: test.id)
    }
  }

  /// Ends the captures, all at once: one by one each costs milliseconds, and so it does where the process just ends.
  func endCapture() { PacketCapture.close(nodes.flatMap(\.captures).map(\.socket)) }

  /// The links that are captured: clients' first, as they are asked first.
  var watched: [(node: Node, interface: String)] {
    let byName = Dictionary(nodes.map { ($0.name, $0) }) { first, _ in first }
    return test.network.captured.compactMap { end in byName[end.host].map { ($0, end.interface) } }
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
