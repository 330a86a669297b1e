import Evidence
import Linux
import Model
import Netlink

/// What TCP and NAT make of new connections and of closing ones.
extension Probe {
  /// Can a socket be taken into repair mode whose peer has closed (`tcp_can_repair_sock`)?
  static func repairClosing() throws {
    let (node, listener, socket) = try loopback(backlog: 8)
    defer { for socket in [listener, socket] { TCP.close(socket) } }
    try wait(for: "a connection on loopback") {
      guard let accepted = try TCP.accept(listener) else { return false }
      TCP.close(accepted)
      return true
    }
    try wait(for: "its FIN") { if case .end = TCP.receive(socket, upTo: 1) { true } else { false } }
    try node.namespace.run { try TCP.vanish(socket) }
  }

  /// Is a SYN dropped where the queue to accept is full?
  ///
  /// `tcp_conn_request` dropped it only where two young requests were waiting too, until 5ea8ea2cb7f1 (4.10): before, it is
  /// answered, the client takes itself for connected, and its ACK is dropped (`tcp_v4_syn_recv_sock`).
  static func dropAtFullQueue() throws {
    // A backlog of 1 has room for two: sk_acceptq_is_full is more than that.
    let (node, listener, first) = try loopback(backlog: 1)
    var others: [TCP.Socket] = []
    defer { for socket in [listener, first] + others { TCP.close(socket) } }
    let address = try SocketAddress("127.0.0.1", port: Network.serverPort)
    for _ in 0..<2 {
      let socket = try node.namespace.run { try TCP.socket(ipv6: false) }
      _ = TCP.connect(socket, to: address)
      others.append(socket)
    }
    try wait(for: "a SYN, or its ACK, to find the queue full") {
      try node.counters.read()["TcpExt.ListenOverflows"] ?? 0 > 0
    }
    guard TCP.peerAddress(others[1]) == nil else {
      throw Failure(
        stage: "listen", object: "a full queue to accept",
        cause: "a SYN is answered, and the ACK of it is dropped (before 5ea8ea2cb7f1, 4.10)")
    }
  }

  /// Does a SYN that was answered by the ACK of an older connection follow at once (TCP_TIMEOUT_MIN in
  /// `tcp_rcv_synsent_state_process`, 9603d47bad46, 5.6), and not a second later?
  static func promptSYN() throws {
    let node = try Node(name: "probe")
    node.routes.setLoopbackUp()
    try node.routes.commit()
    try node.capture("lo")
    let address = try SocketAddress("127.0.0.1", port: Network.serverPort)
    let own = try SocketAddress("127.0.0.1", port: 41000)
    func socket() throws -> TCP.Socket {
      let socket = try TCP.socket(ipv6: false)
      try TCP.bind(socket, to: own)
      _ = TCP.connect(socket, to: address)
      return socket
    }
    try node.namespace.run {
      let listener = try TCP.listen(on: address, backlog: 8)
      defer { TCP.close(listener) }
      func accept(_ what: String) throws -> TCP.Socket? {
        var accepted: TCP.Socket?
        try wait(for: what) {
          accepted = try TCP.accept(listener)
          return accepted != nil
        }
        return accepted
      }
      // Its client is gone without a word, so that the next SYN from its port meets an open connection.
      let first = try socket()
      let open = try accept("a connection on loopback")
      try TCP.vanish(first)
      let second = try socket()
      let accepted = try accept("a connection from the same port")
      for end in [second] { TCP.close(end) }
      for end in [open, accepted] { if let end { TCP.close(end) } }
    }
    var times: [UInt32: [Int64]] = [:]
    try node.captures.last?.socket.drain { time, outgoing, length, bytes in
      let packet = Packet(
        node: "probe", interface: "lo", time: time, outgoing: outgoing, length: length, bytes: .init(bytes))
      if let segment = Segment(packet), segment.isSYN, segment.outgoing {
        times[segment.sequence, default: []].append(time)
      }
    }
    guard let sent = times.values.first(where: { $0.count == 2 }) else {
      throw Failure(
        stage: "probe", object: "a SYN that meets an open connection", cause: "it was not sent twice")
    }
    // A timer of a second is never early, but by a tick of HZ=100.
    guard sent[1] - sent[0] < 900_000_000 else {
      throw Failure(
        stage: "connect", object: "a SYN that an ACK of an older connection has answered",
        cause: "it is sent again by its timer, a second later (before 9603d47bad46, 5.6)")
    }
  }

  /// Is a SYN sent a third time where `tcp_syn_retries` is 2?
  ///
  /// `tcp_write_timeout` also asks of a SYN whether its time is over since a41e8a88b06e (5.4, 4.19.77), and
  /// `retransmits_timed_out` took 200 ms for its first timer, which is 1 s, until 3256a2d6ab1f (5.4, 4.19.208): after 3 s it
  /// is given up, and with the default of 6 after 31 s.
  static func keepSYNRetries() throws {
    let node = try Node(name: "probe")
    node.routes.setLoopbackUp()
    node.routes.addRoute(to: "192.0.2.0/24", .via(nil, index: 1))
    try node.routes.commit()
    // What loops back with the route that it left by is thrown away in silence (dst_discard).
    let socket = try node.namespace.run {
      let socket = try TCP.socket(ipv6: false)
      // Of the socket, for tcp_syn_retries is one per kernel in old ones.
      try TCP.setSYNRetries(socket, 2)
      try TCP.bind(socket, to: try SocketAddress("127.0.0.1", port: 41000))
      _ = TCP.connect(socket, to: try SocketAddress("192.0.2.1", port: Network.serverPort))
      return socket
    }
    defer { TCP.close(socket) }
    var isOver = false
    try wait(for: "a SYN to be sent for the third time, or given up") {
      isOver = TCP.pendingError(socket) != nil
      return try isOver || node.counters.read()["TcpExt.TCPSynRetrans"] ?? 0 > 1
    }
    guard !isOver else {
      throw Failure(
        stage: "connect", object: "a SYN with tcp_syn_retries=2",
        cause: "it is sent twice, and given up after 3 s (a41e8a88b06e without 3256a2d6ab1f)")
    }
  }

  /// Does `--random` draw a port for each connection?
  ///
  /// Kernels up to 4.19 hash the addresses and the server's port (`secure_ipv4_port_ephemeral`, by
  /// `nf_nat_l4proto_unique_tuple`): all connections of a NAT to a server begin to look at one port. 5.4 draws
  /// (`prandom_u32`).
  static func drawPorts(on kernel: Kernel) throws {
    let one = try OneClient(.snat, hop: Hop(nat: .snat, ports: 32768...60999, random: .random), on: kernel)
    var ports: [Int] = []
    var sockets: [TCP.Socket] = []
    defer { for socket in sockets { TCP.close(socket) } }
    for port in 41000..<41004 {
      guard case .accepted(let socket, let server) = try one.ask("a connection through a NAT", from: port)
      else { continue }
      sockets += [socket, server]
      if let peer = TCP.peerAddress(server) { ports.append(Int(peer.port)) }
    }
    // One after the other where the first is taken, and so on round the range.
    guard ports.count == 4,
      !zip(ports, ports.dropFirst()).allSatisfy({ $1 == $0 + 1 || $1 < $0 && $1 == 32768 })
    else {
      throw Failure(
        stage: "NAT", object: "--random",
        cause: "ports \(ports.map(String.init).joined(separator: ", ")): a hash of the addresses, "
          + "the same for every client (nf_nat_l4proto_unique_tuple, up to 4.19)")
    }
  }

  /// Does a NAT give its only port again at once when the time of the entry that has it is over?
  ///
  /// `nf_nat_l4proto_unique_tuple` asked of every port but the last whether it is taken (`++i != range_size &&`), until
  /// a504b703bb1d (5.0 and stable kernels); and only who asks (`nf_conntrack_tuple_taken`) removes what is over, for
  /// `__nf_conntrack_confirm` does not look at the time.
  static func freeExpired(on kernel: Kernel) throws {
    // A closed connection's entry is over as soon as it is closed.
    let one = try OneClient(
      .snat, hop: Hop(ports: 40000...40000), settings: [Network.hop: ["nf_conntrack_tcp_timeout_close": "0"]],
      on: kernel)
    guard case .accepted(let socket, let server) = try one.ask("a connection through a NAT") else {
      throw Failure(stage: "probe", object: "a connection through a NAT", cause: "it was refused")
    }
    try TCP.abort(socket)
    try wait(for: "its RST") { if case .failed = TCP.receive(server, upTo: 1) { true } else { false } }
    TCP.close(server)
    let isDropped = {
      try one.testbed.nodes.contains { try $0.conntrack?.statistics()["insert_failed"] ?? 0 > 0 }
    }
    if case .accepted(let socket, let server) = try one.ask(
      "a connection from another port", from: 41001, unless: isDropped)
    {
      for end in [socket, server] { TCP.close(end) }
    }
    guard try !isDropped() else {
      throw Failure(
        stage: "NAT", object: "its only port, of a connection whose time is over",
        cause: "the entry has it until conntrack's collector comes by (gc_worker, before a504b703bb1d, 5.0)")
    }
  }

  /// Does a namespace without rules pass a connection on of which conntrack knows nothing (0c66dc1ea3f0, 4.10)?
  static func passUntracked() throws {
    let (node, listener, socket) = try loopback(backlog: 8)
    defer { for socket in [listener, socket] { TCP.close(socket) } }
    try node.openConntrack()
    try wait(for: "a connection on loopback") {
      guard let accepted = try TCP.accept(listener) else { return false }
      TCP.close(accepted)
      return true
    }
    guard try node.conntrack?.entries().isEmpty != false else {
      throw Failure(
        stage: "conntrack", object: "a namespace without rules",
        cause: "its connections are tracked too (before 0c66dc1ea3f0, 4.10)")
    }
  }

  /// A listener on loopback and a socket that connects to it.
  private static func loopback(backlog: Int) throws -> (node: Node, listener: TCP.Socket, client: TCP.Socket)
  {
    let node = try Node(name: "probe")
    node.routes.setLoopbackUp()
    try node.routes.commit()
    let address = try SocketAddress("127.0.0.1", port: Network.serverPort)
    return try node.namespace.run {
      let listener = try TCP.listen(on: address, backlog: backlog)
      let client = try TCP.socket(ipv6: false)
      _ = TCP.connect(client, to: address)
      return (node, listener, client)
    }
  }
}
