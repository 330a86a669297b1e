import Linux
import Model
import Netlink

/// What becomes of entries that are no longer wanted, in conntrack and in a director's table: found out by one.
enum ClosedEntry {
  /// A client behind a NAT connects, aborts, and connects again from the same port.
  ///
  /// - Returns: whether the second SYN is counted as INVALID, though it passes (`nf_conntrack_in`, NF_REPEAT).
  static func isCounted(on kernel: Kernel) throws -> Bool {
    let hop = Hop(nat: .snat, backend: .auto, ports: 40000...40000, random: .none, dropInvalid: false)
    let one = try OneClient(.snat, hop: hop, on: kernel)
    let invalid = {
      try one.testbed.nodes.reduce(0) { try $0 + ($1.conntrack?.statistics()["invalid"] ?? 0) }
    }
    try TCP.abort(try one.connect("a connection"))
    let before = try invalid()
    TCP.close(try one.connect("a connection from the same port, after a RST"))
    return try invalid() > before
  }

  /// Has a director forget a connection.
  /// - Throws: where it keeps it.
  static func flushDirector(on kernel: Kernel) throws {
    let one = try OneClient(.ipvsNAT, hop: nil, on: kernel)
    let socket = try one.connect("a connection through a director")
    defer { TCP.close(socket) }
    for director in one.testbed.directors { try director.flush() }
  }

  /// A client, what stands between, a server that listens.
  private struct OneClient {
    let testbed: Testbed
    private let listener: TCP.Socket
    private let loop = EventLoop()
    private let own: SocketAddress
    private let target: SocketAddress

    init(_ topology: Network.Topology, hop: Hop?, on kernel: Kernel) throws {
      let client = Client(name: "first", group: "first", clock: .offset(milliseconds: 0), isn: .natural)
      let network = Network(topology: topology, family: .ipv4, clients: [client], hop: hop)
      let test = Case(
        id: "probe/closed-entry", scenario: "probe", title: "", why: "", axes: [], network: network,
        settings: [:], workload: [], rules: [])
      testbed = try Testbed(test, on: kernel)
      listener = try testbed.servers[0].namespace.run {
        try TCP.listen(on: .any(port: Network.serverPort, ipv6: false), backlog: 8)
      }
      own = try SocketAddress(network.addresses(of: "first")[0], port: 41000)
      target = try SocketAddress(testbed.target(of: 0, named: nil), port: Network.serverPort)
    }

    /// Connects from the one port, and has the server close at once.
    func connect(_ what: String) throws -> TCP.Socket {
      let socket = try testbed.clients[0].node.namespace.run {
        let socket = try TCP.socket(ipv6: false)
        try TCP.bind(socket, to: own)
        _ = TCP.connect(socket, to: target)
        return socket
      }
      var accepted: TCP.Socket?
      try loop.run(
        until: {
          accepted = try accepted ?? TCP.accept(listener)
          return accepted != nil
        }, awaiting: what, within: 5_000, interval: 1)
      if let accepted { TCP.close(accepted) }
      return socket
    }
  }
}
