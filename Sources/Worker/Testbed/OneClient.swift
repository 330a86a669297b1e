import Linux
import Model
import Netlink
import SystemPackage

/// A client, what stands between, a server that listens: what a probe asks a kernel with.
struct OneClient {
  let testbed: Testbed
  private let listener: TCP.Socket
  private let loop = EventLoop()
  private let ipv6: Bool

  /// What becomes of a SYN.
  enum Answer {
    /// A connection, and the server's end of it.
    case accepted(TCP.Socket, server: TCP.Socket)
    case refused(Errno)
  }

  /// - Parameter settings: what the nodes have besides the baseline, by the node's name.
  init(
    _ topology: Network.Topology, _ family: Network.Family = .ipv4, hop: Hop? = nil,
    settings: [String: [String: String]] = [:], on kernel: Kernel
  ) throws {
    let client = Client(name: "first", group: "first", clock: .offset(milliseconds: 0), isn: .natural)
    let network = Network(topology: topology, family: family, clients: [client], hop: hop)
    let test = Case(
      id: "probe/one-client", scenario: "probe", title: "", why: "", axes: [], network: network,
      settings: settings, workload: [], rules: [])
    let ipv6 = family == .ipv6
    self.ipv6 = ipv6
    testbed = try Testbed(test, on: kernel)
    listener = try testbed.servers[0].namespace.run {
      try TCP.listen(on: .any(port: Network.serverPort, ipv6: ipv6), backlog: 8)
    }
  }

  /// Connects from a port, and waits for the server's end or for an error, or until something else has happened, which
  /// is ETIMEDOUT.
  func ask(
    _ what: String, from port: Int = 41000, unless isOver: () throws -> Bool = { false }
  ) throws -> Answer {
    let own = try SocketAddress(testbed.test.network.addresses(of: "first")[0], port: port)
    let target = try SocketAddress(testbed.target(of: 0, named: nil), port: Network.serverPort)
    let socket = try client.namespace.run {
      let socket = try TCP.socket(ipv6: ipv6)
      try TCP.bind(socket, to: own)
      _ = TCP.connect(socket, to: target)
      return socket
    }
    var accepted: TCP.Socket?
    var error: Errno?
    try loop.run(
      until: {
        accepted = try accepted ?? TCP.accept(listener)
        if accepted == nil { error = TCP.pendingError(socket) }
        return try accepted != nil || error != nil || isOver()
      }, awaiting: what, within: 5_000, interval: 1)
    if let accepted { return .accepted(socket, server: accepted) }
    TCP.close(socket)
    return .refused(error ?? .timedOut)
  }

  /// Connects, and has the server close at once.
  /// - Returns: the client's end.
  func connect(_ what: String) throws -> TCP.Socket {
    switch try ask(what) {
    case .accepted(let socket, let server):
      TCP.close(server)
      return socket
    case .refused(let errno):
      throw SystemError(stage: "connect", object: what, errno: errno)
    }
  }

  /// Connects; the server closes, then the client, whose port is free again: TIME_WAIT is the server's.
  func connectAndClose(_ what: String) throws {
    let socket = try connect(what)
    try Probe.wait(for: "the server's FIN") {
      if case .end = TCP.receive(socket, upTo: 1) { true } else { false }
    }
    TCP.close(socket)
    try Probe.wait(for: "its TIME_WAIT") {
      try testbed.servers[0].sockets.census(ipv6: ipv6)["TIME-WAIT"] == 1
        && client.sockets.census(ipv6: ipv6).isEmpty
    }
  }

  /// How often the client has sent a segment again.
  func retransmissions() throws -> Int { try client.counters.read()["Tcp.RetransSegs"] ?? 0 }

  private var client: Node { testbed.clients[0].node }
}
