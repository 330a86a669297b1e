import Linux
import Model
import Netlink

/// Whether NAT gives the port of a closing connection to another client: found out by making one.
enum NATClash {
  /// Two clients behind one SNAT port; the first has connected and closed, the second connects.
  ///
  /// - Returns: true where it connects (or its SYN at least gets past the hop), false where conntrack refuses
  ///   the tuple and counts `insert_failed`.
  static func isResolved(on kernel: Kernel) throws -> Bool {
    let clients = ["first", "second"].map {
      Client(name: $0, group: $0, clock: .offset(milliseconds: 0), isn: .ahead)
    }
    let hop = Hop(nat: .snat, backend: .auto, ports: 40000...40000, random: .none, dropInvalid: false)
    let network = Network(topology: .snat, family: .ipv4, clients: clients, hop: hop)
    let test = Case(
      id: "probe/nat-clash", scenario: "probe", title: "", why: "", axes: [], network: network, settings: [:],
      workload: [], rules: [])
    let testbed = try Testbed(test, on: kernel)
    let server = testbed.servers[0]
    let listener = try server.namespace.run {
      try TCP.listen(on: .any(port: Network.serverPort, ipv6: false), backlog: 8)
    }
    let loop = EventLoop()
    let target = try SocketAddress(
      testbed.test.network.addresses(of: server.name)[0], port: Network.serverPort)

    func connect(_ client: Int, sequence: UInt32, done: @escaping () -> Void) throws -> TCP.Socket {
      let socket = try testbed.clients[client].node.namespace.run {
        let socket = try TCP.socket(ipv6: false)
        try TCP.pinSequence(socket, sequence)
        _ = TCP.connect(socket, to: target)
        return socket
      }
      loop.watch(socket, Poll.writable) {
        loop.forget(socket)
        done()
      }
      return socket
    }
    var accepted: TCP.Socket?
    loop.watch(listener, Poll.readable) { accepted = try TCP.accept(listener) ?? accepted }
    let first = try connect(0, sequence: 0x4000_0000) {}
    try loop.run(until: { accepted != nil }, awaiting: "the first connection", within: 5_000)
    if let accepted { TCP.close(accepted) }
    var ended = false
    loop.watch(first, Poll.readable) { if case .end = TCP.receive(first, upTo: 8) { ended = true } }
    try loop.run(until: { ended }, awaiting: "the server's FIN", within: 5_000)
    loop.forget(first)
    TCP.close(first)
    try loop.run(
      until: { try server.sockets.census(ipv6: false)["TIME-WAIT"] == 1 }, awaiting: "the server's TIME_WAIT",
      within: 5_000, interval: 1)

    var connected = false
    var refused = false
    let second = try connect(1, sequence: 0x4800_0000) { connected = true }
    defer { for socket in [listener, second] { TCP.close(socket) } }
    try loop.run(
      until: {
        refused = try testbed.nodes.contains { try $0.conntrack?.statistics()["insert_failed"] ?? 0 > 0 }
        return connected || refused
      }, awaiting: "the second connection's SYN to pass the hop or not", within: 5_000, interval: 5)
    return !refused
  }
}
