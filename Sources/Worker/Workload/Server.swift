import Evidence
import Linux
import Model
import SystemPackage

/// One server's listeners and accepted connections.
final class Server {
  private let loop: EventLoop
  private let network: Network
  private let node: Node
  private var listeners: [TCP.Socket] = []
  private var ports: [Int] = []
  /// Connections that stay open, by the attempt that made them.
  private(set) var open: [Int: Connection] = [:]
  /// The client's address as accept(2) gave it, by attempt.
  private(set) var peers: [Int: String] = [:]
  /// Its own address on that connection, by attempt.
  private(set) var locals: [Int: String] = [:]
  /// Bytes read on open connections, by attempt, beyond the greeting.
  private(set) var received: [Int: Int] = [:]
  /// What ended connections, by attempt, and was no FIN: ECONNRESET where the other end sent a RST.
  private(set) var failures: [Int: Errno] = [:]
  /// How ends went here that neither closed nor were ended, by attempt: ``Attempt/aborted``, ``Attempt/vanished``.
  private(set) var ownEnds: [Int: String] = [:]
  /// The other ends of connections that were no attempt's.
  private(set) var strangers: Set<String> = []
  /// Attempts whose client's FIN was read.
  private(set) var ended: Set<Int> = []
  /// Accepted connections that are to be closed, by either end, and are not yet.
  private(set) var closing = 0
  /// Whether connections that wait are taken: accept(2).
  private(set) var accepts = true
  /// Connections that may wait for accept(2).
  private var backlog = 4096
  /// Whether what is accepted has SO_KEEPALIVE.
  private var keepalive = false
  /// Whether two listeners stand on each port.
  private var isShared = false

  final class Connection {
    let socket: TCP.Socket
    var greeting: [UInt8] = []
    var attempt: Int?
    /// Whether a FIN of the client's is to be left without one of ours.
    var staysOnEnd = false
    /// Whether it has no attempt's number.
    fileprivate var isStranger = false
    /// Whether it counts as ``Server/closing``.
    fileprivate var isClosing = true
    init(socket: TCP.Socket) { self.socket = socket }
  }
  private var accepted: [ObjectIdentifier: Connection] = [:]

  /// The node's name.
  let name: String

  /// Listens on every port of the case.
  init(on node: Node, network: Network, loop: EventLoop) throws {
    self.loop = loop
    self.network = network
    self.node = node
    name = node.name
    guard let role = network.host(node.name)?.server else { return }
    ports = Array(role.ports)
    guard role.isListening else { return }
    try listen()
  }

  // MARK: listeners

  /// Whether it listens at all.
  var isListening: Bool { !listeners.isEmpty }

  /// Opens a listener on every port, unless there are.
  func listen() throws {
    guard listeners.isEmpty else { return }
    do {
      listeners = try node.namespace.run {
        try (isShared ? ports + ports : ports).map { port in
          let listener = try TCP.listen(
            on: SocketAddress.any(port: port, ipv6: network.family == .ipv6), backlog: backlog,
            isShared: isShared)
          if keepalive { try TCP.setKeepalive(listener) }
          return listener
        }
      }
    } catch {
      throw Failure(error, stage: "listen", object: node.name)
    }
    watch()
  }

  /// Closes the listeners: what waits for accept(2) is reset (`inet_csk_listen_stop`).
  func stopListening() {
    for listener in listeners {
      loop.forget(listener)
      TCP.close(listener)
    }
    listeners = []
  }

  /// New listeners, one or two on each port: SO_REUSEPORT is to be set before bind(2).
  func setShared(_ isShared: Bool) throws {
    self.isShared = isShared
    stopListening()
    try listen()
  }

  /// Closes the listeners at which connections wait; the others have their ports. How many were closed.
  func retire() throws -> Int {
    let leaving = try listeners.filter { try TCP.info($0).unacknowledged > 0 }
    for listener in leaving {
      loop.forget(listener)
      TCP.close(listener)
    }
    listeners.removeAll { !$0.isOpen }
    return leaving.count
  }

  /// Takes connections, or leaves them waiting.
  func setAccepting(_ accepts: Bool) {
    self.accepts = accepts
    watch()
  }

  /// listen(2) once more.
  func setBacklog(_ backlog: Int) throws {
    self.backlog = backlog
    do { try listeners.forEach { try TCP.setBacklog($0, backlog) } } catch {
      throw Failure(error, stage: "listen", object: node.name)
    }
  }

  /// SO_KEEPALIVE of the listeners, and so of what they accept.
  func setKeepalive(_ keepalive: Bool) throws {
    self.keepalive = keepalive
    do { try listeners.forEach { try TCP.setKeepalive($0, keepalive) } } catch {
      throw Failure(error, stage: "listen", object: node.name)
    }
  }

  /// Connections that wait for accept(2): `Recv-Q` of a listener in `ss -tln`.
  func waiting() throws -> Int { try listeners.reduce(0) { try $0 + TCP.info($1).unacknowledged } }

  private func watch() {
    for listener in listeners {
      if accepts {
        loop.watch(listener, Poll.readable) { [unowned self] in try accept(listener) }
      } else {
        loop.forget(listener)
      }
    }
  }

  // MARK: open connections

  /// The socket of a connection that stays open; nil where it is closed.
  func socket(attempt: Int) -> TCP.Socket? { open[attempt].flatMap { $0.socket.isOpen ? $0.socket : nil } }

  /// Bytes that were sent on an open connection and are not yet acknowledged; nil where it is closed here.
  func unacknowledged(attempt: Int) throws -> Int? {
    try socket(attempt: attempt).map { try TCP.unacknowledged($0) }
  }

  /// What the kernel knows of an open connection: `ss -ti`.
  func info(attempt: Int) throws -> TCP.Info? { try socket(attempt: attempt).map { try TCP.info($0) } }

  /// One byte to the client of an open connection.
  func send(attempt: Int) -> Errno? {
    guard let connection = open[attempt] else { return .socketNotConnected }
    return TCP.send(connection.socket, [UInt8(ascii: "d")])
  }

  /// Whether what comes on an open connection is lost.
  func setDeaf(_ isDeaf: Bool, attempt: Int) throws {
    try socket(attempt: attempt).map { try TCP.setDeaf($0, isDeaf) }
  }

  /// Whether a FIN of the client's on an open connection is to be left without one of ours.
  func setStaysOnEnd(_ stays: Bool, attempt: Int) { open[attempt]?.staysOnEnd = stays }

  /// close(2) of an open connection.
  func close(attempt: Int) { open[attempt].map(close) }

  /// A FIN, and what the client sends is still read: shutdown(2).
  func shutdown(attempt: Int) throws {
    guard let socket = socket(attempt: attempt) else { return }
    do { try TCP.shutdownWriting(socket) } catch let error as SystemError
      where error.errno == .socketNotConnected
    {
      // It was reset meanwhile, and that is read next.
    }
  }

  /// A RST: SO_LINGER of 0 s.
  func abort(attempt: Int) throws { try open[attempt].map { try abort($0) } }

  /// No packet at all, as after a reboot.
  func vanish(attempt: Int) throws {
    guard let connection = open[attempt] else { return }
    ownEnds[attempt] = Attempt.vanished
    try close(connection, by: TCP.vanish)
  }

  /// Nobody waits for these to close any more: what ends them may never come.
  func release() {
    for connection in accepted.values where connection.isClosing {
      connection.isClosing = false
      closing -= 1
    }
  }

  // MARK: serving

  private func accept(_ listener: TCP.Socket) throws {
    while listener.isOpen, let socket = try TCP.accept(listener) {
      let connection = Connection(socket: socket)
      accepted[ObjectIdentifier(connection)] = connection
      closing += 1
      loop.watch(socket, Poll.readable) { [unowned self] in try serve(connection) }
    }
  }

  private func serve(_ connection: Connection) throws {
    while connection.socket.isOpen {
      switch TCP.receive(connection.socket, upTo: 64) {
      case .wouldBlock: return
      case .end:
        if let attempt = connection.attempt { ended.insert(attempt) }
        guard connection.staysOnEnd else { return close(connection) }
        // Nothing more will come but a RST.
        return loop.watch(connection.socket, 0) { [unowned self] in broken(connection) }
      case .failed(let errno):
        if let attempt = connection.attempt { failures[attempt] = errno }
        return close(connection)
      case .bytes(let bytes):
        guard connection.attempt == nil else {
          received[connection.attempt ?? 0, default: 0] += bytes.count
          continue
        }
        if connection.isStranger {
          _ = TCP.send(connection.socket, bytes)
          continue
        }
        connection.greeting += bytes
        guard connection.greeting.count >= Greeting.length else { continue }
        guard let greeting = Greeting(Array(connection.greeting.prefix(Greeting.length))),
          greeting.attempt < Bounds.attempts
        else {
          meet(connection)
          continue
        }
        // What waited for accept(2) may have said more.
        let more = connection.greeting.count - Greeting.length
        if more > 0 { received[greeting.attempt, default: 0] += more }
        connection.attempt = greeting.attempt
        peers[greeting.attempt] = TCP.peerAddress(connection.socket)?.description
        locals[greeting.attempt] = TCP.localAddress(connection.socket)?.description
        _ = TCP.send(connection.socket, [UInt8(ascii: "k")])
        switch greeting.closes {
        case .client: break
        case .nobody, .both:
          open[greeting.attempt] = connection
          connection.isClosing = false
          closing -= 1
        case .server: return greeting.aborts ? try abort(connection) : close(connection)
        }
      }
    }
  }

  /// What greets otherwise is a program of the case's (``Exec``): it hears what it says.
  private func meet(_ connection: Connection) {
    connection.isStranger = true
    connection.isClosing = false
    closing -= 1
    if let peer = TCP.peerAddress(connection.socket)?.description { strangers.insert(peer) }
    _ = TCP.send(connection.socket, connection.greeting)
  }

  /// The client has closed, and now it or something on the way says more.
  private func broken(_ connection: Connection) {
    if let attempt = connection.attempt, let errno = TCP.pendingError(connection.socket) {
      failures[attempt] = errno
    }
    close(connection)
  }

  private func close(_ connection: Connection) {
    loop.forget(connection.socket)
    TCP.close(connection.socket)
    forget(connection)
  }

  private func abort(_ connection: Connection) throws {
    if let attempt = connection.attempt { ownEnds[attempt] = Attempt.aborted }
    try close(connection, by: TCP.abort)
  }

  private func close(_ connection: Connection, by end: (TCP.Socket) throws -> Void) throws {
    loop.forget(connection.socket)
    try end(connection.socket)
    forget(connection)
  }

  private func forget(_ connection: Connection) {
    accepted[ObjectIdentifier(connection)] = nil
    if let attempt = connection.attempt { open[attempt] = nil }
    if connection.isClosing { closing -= 1 }
  }
}
