import Linux
import Model
import Netlink

/// Whether source NAT by a backend works both ways on this kernel: found out by a connection through it.
///
/// That a tool takes the rules proves little: below 4.18 an nft base chain of type nat is all that hooks NAT in, so that
/// without one in PREROUTING the way out is translated, and the answer is delivered to the hop, which refuses it by a
/// RST. A case that is judged on such a hop would fail for nothing that it is about.
enum NATProof {
  /// Milliseconds for a connection, which takes one where nothing else runs.
  private static let deadline = 5_000

  /// That rules were taken and do not do what they say.
  struct WithoutEffect: Error, CustomStringConvertible {
    var failure: Failure
    var description: String { failure.description }
  }

  /// With the rule's address and with the link's, in IPv4, and in IPv6 where the kernel has it. There a tool that refuses
  /// its rules is left for the cases that want them: they say so, and fail by nothing else.
  ///
  /// - Throws: ``WithoutEffect``; any other error for what could not be tried.
  static func hold(_ backend: NATRules.Backend, on kernel: Kernel) throws {
    // ip6tables-nft's MASQUERADE was seen to do nothing on 4.14.67, where its SNAT does.
    for nat in [Hop.NAT.snat, .masquerade] {
      try connect(try testbed(.ipv4, nat, backend, kernel), nat, by: backend)
      guard kernel.has(.ipv6), let testbed = try? testbed(.ipv6, nat, backend, kernel) else { continue }
      try connect(testbed, nat, by: backend)
    }
  }

  /// One client behind source NAT.
  private static func testbed(
    _ family: Network.Family, _ nat: Hop.NAT, _ backend: NATRules.Backend, _ kernel: Kernel
  ) throws -> Testbed {
    let client = Client(name: "client", group: "client", clock: .offset(milliseconds: 0), isn: .natural)
    let hop = Hop(nat: nat, backend: .auto, ports: ports, random: .none, dropInvalid: false)
    let network = Network(topology: .snat, family: family, clients: [client], hop: hop)
    let test = Case(
      id: "probe/nat", scenario: "probe", title: "", why: "", axes: [], network: network, settings: [:],
      workload: [], rules: [])
    var only = kernel
    only.capabilities.subtract(NATRules.Backend.allCases.map { .feature($0.feature) })
    only.capabilities.insert(.feature(backend.feature))
    return try Testbed(test, on: only)
  }

  private static let ports = 40000...40001

  private static func connect(_ testbed: Testbed, _ nat: Hop.NAT, by backend: NATRules.Backend) throws {
    let network = testbed.test.network
    guard let hop = network.natNodes.first.flatMap(testbed.node(named:)) else { return }
    let (source, ipv6) = (network.publicAddresses[0], network.family == .ipv6)
    func failure(_ cause: String) -> WithoutEffect {
      WithoutEffect(
        failure: Failure(
          stage: "\(nat == .snat ? "source NAT" : "masquerading") by \(backend.rawValue)",
          object: ipv6 ? "IPv6" : "IPv4",
          cause: "the rules are taken, and \(cause)"))
    }
    let listener = try testbed.servers[0].namespace.run {
      try TCP.listen(on: .any(port: Network.serverPort, ipv6: ipv6), backlog: 8)
    }
    let target = try SocketAddress(
      network.addresses(of: testbed.servers[0].name)[0], port: Network.serverPort)
    func resets() throws -> Int { try hop.counters.read()["Tcp.OutRsts"] ?? 0 }
    let before = try resets()
    let client = try testbed.clients[0].node.namespace.run {
      let socket = try TCP.socket(ipv6: ipv6)
      _ = TCP.connect(socket, to: target)
      return socket
    }
    defer { for socket in [listener, client] { TCP.close(socket) } }
    let loop = EventLoop()
    var accepted: TCP.Socket?
    var isAnswered = false
    var refused = 0
    loop.watch(listener, Poll.readable) { accepted = try TCP.accept(listener) ?? accepted }
    loop.watch(client, Poll.writable) { [unowned loop] in
      loop.forget(client)
      isAnswered = TCP.pendingError(client) == nil
    }
    do {
      try loop.run(
        until: {
          refused = try resets() - before
          return isAnswered && accepted != nil || refused > 0
        }, awaiting: "a connection", within: deadline, interval: 2, slowest: 20)
    } catch {
      throw failure("no connection comes about within \(deadline) ms")
    }
    guard refused == 0, let accepted, isAnswered else {
      throw failure(
        "the server's answer ends at the hop, which resets it: only the way out is "
          + "translated")
    }
    let peer = TCP.peerAddress(accepted)
    let wanted = try ports.map { try SocketAddress(source, port: $0).description }
    guard let peer, wanted.contains(peer.description) else {
      throw failure(
        "the server sees \(peer?.description ?? "nobody"), not \(source)")
    }
  }
}
