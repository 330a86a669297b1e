import Evidence
import Linux
import Model
import SystemPackage

/// One connection attempt, from `connect()` to its outcome and, where somebody closes, to the last FIN.
final class ClientConnection {
  let attempt: Int
  let step: Int
  let label: String
  let client: Int
  let closes: Step.Closer
  /// Whether who closes does so by a RST.
  let aborts: Bool
  let remote: SocketAddress
  let isn: UInt32?
  /// Ticks that the socket adds to the kernel's clock; nil where something else does, or nothing.
  let clock: UInt32?
  /// The port that it is to come from; 0 where the kernel may choose.
  let port: Int
  private(set) var socket: TCP.Socket?
  private var address: SocketAddress?
  var local: String? { address?.description }
  private(set) var began: Int64 = 0
  private(set) var calls = 0
  /// Bytes read beyond the answer to the greeting.
  private(set) var received = 0
  /// What ended the connection after its outcome was known, and was no FIN: ECONNRESET where the other end sent a RST.
  private(set) var failure: Errno?
  /// Whether the server's FIN was read after the outcome was known.
  private(set) var sawEnd = false
  /// Whether a FIN of the server's is to be left without one of ours.
  var staysOnEnd = false
  /// The server's byte has come.
  private(set) var answered = false
  /// How this end went that neither closed nor was ended: ``Attempt/aborted``, ``Attempt/vanished``.
  private(set) var ownEnd: String?
  private let loop: EventLoop
  private let time: CaseClock
  private let node: Node
  private let again: Int
  private let keepalive: Bool
  private let ended: (ClientConnection, Errno?) throws -> Void
  private var isOver = false
  private(set) var closed = false

  /// `ended` is called once, when the outcome is known: nil where a byte went each way.
  init(
    attempt: Int, step: Int, label: String, client: Int, node: Node, remote: SocketAddress, isn: UInt32?,
    clock: UInt32?, closes: Step.Closer, aborts: Bool = false, port: Int = 0, again: Int,
    keepalive: Bool = false, loop: EventLoop, time: CaseClock,
    ended: @escaping (ClientConnection, Errno?) throws -> Void
  ) {
    self.attempt = attempt
    self.step = step
    self.label = label
    self.client = client
    self.node = node
    self.remote = remote
    self.isn = isn
    self.clock = clock
    self.closes = closes
    self.aborts = aborts
    self.port = port
    self.again = again
    self.keepalive = keepalive
    self.loop = loop
    self.time = time
    self.ended = ended
  }

  /// Calls `connect()`; after EADDRNOTAVAIL again every 20 ms while `again` lasts.
  func start() throws {
    let result: Errno?
    do {
      let socket = try prepare()
      result = TCP.connect(socket, to: remote)
    } catch let error as SystemError where port != 0 && error.stage == "bind" {
      return try end(error.errno)
    }
    try begun(result)
  }

  /// Makes the socket, in the client's namespace.
  func prepare() throws -> TCP.Socket {
    if began == 0 { began = time.now }
    calls += 1
    do {
      let socket = try node.namespace.run {
        let socket = try TCP.socket(ipv6: remote.isIPv6)
        if let clock { try TCP.setClock(socket, ticks: clock) }
        if keepalive { try TCP.setKeepalive(socket) }
        if let isn { try TCP.pinSequence(socket, isn) }
        if port != 0 { try TCP.bind(socket, to: .any(port: port, ipv6: remote.isIPv6)) }
        return socket
      }
      self.socket = socket
      return socket
    } catch let error as SystemError where port != 0 && error.stage == "bind" {
      throw error
    } catch {
      throw Failure(error, stage: "connect (attempt \(attempt))", object: node.name)
    }
  }

  /// Goes on with what `connect()` has answered.
  func begun(_ result: Errno?) throws {
    guard let socket else { return }
    switch result {
    case nil, .nowInProgress:
      address = TCP.localAddress(socket)
      loop.watch(socket, Poll.writable) { [unowned self] in try connected() }
    case .addressNotAvailable where time.now - began < Int64(again) * 1_000_000:
      TCP.close(socket)
      loop.after(milliseconds: 20) { [self] in try start() }
    case let errno?:
      try end(errno)
    }
  }

  private func connected() throws {
    guard let socket else { return }
    if let errno = TCP.pendingError(socket) { return try end(errno) }
    isConnected = true
    if let errno = TCP.send(socket, Greeting(closes: closes, aborts: aborts, attempt: attempt).bytes) {
      return try end(errno)
    }
    loop.watch(socket, Poll.readable) { [unowned self] in try readable() }
  }

  /// The handshake is done.
  private(set) var isConnected = false

  private func readable() throws {
    while let socket, socket.isOpen {
      switch TCP.receive(socket, upTo: 64) {
      case .wouldBlock: return
      case .failed(let errno):
        guard isOver else { return try end(errno) }
        failure = errno
        return close()
      case .end:
        guard isOver else { return try end(.connectionReset) }
        sawEnd = true
        guard staysOnEnd else { return close() }
        // Nothing more will come but a RST.
        return loop.watch(socket, 0) { [unowned self] in broken() }
      case .bytes(let bytes):
        if answered {
          received += bytes.count
        } else {
          answered = true
          received += bytes.count - 1
          let isLate = isOver
          isOver = true
          if !isLate { try ended(self, nil) }
          if closes == .client { return aborts ? try abort() : close() }
        }
      }
    }
  }

  /// The peer has closed, and now it or something on the way says more.
  private func broken() {
    guard let socket, let errno = TCP.pendingError(socket) else { return close() }
    failure = errno
    close()
  }

  /// The handshake is done, and the server's program does not answer: that is its outcome. An answer that comes later
  /// is read all the same.
  func giveUpOnAnswer() throws {
    guard !isOver else { return }
    isOver = true
    try ended(self, nil)
  }

  /// What the kernel knows of it: `ss -ti`; nil where it is closed here.
  func info() throws -> TCP.Info? {
    guard let socket, socket.isOpen else { return nil }
    return try TCP.info(socket)
  }

  /// A FIN, and what the server sends is still read: shutdown(2).
  func shutdown() throws {
    guard let socket, socket.isOpen else { return }
    do { try TCP.shutdownWriting(socket) } catch let error as SystemError
      where error.errno == .socketNotConnected
    {
      // It was reset meanwhile, and that is read next.
    }
  }

  /// A RST, whatever was sent or read: SO_LINGER of 0 s.
  func abort() throws {
    guard !closed else { return }
    closed = true
    guard let socket else { return }
    loop.forget(socket)
    ownEnd = Attempt.aborted
    try TCP.abort(socket)
  }

  /// No packet at all, as after a reboot.
  func vanish() throws {
    guard !closed else { return }
    closed = true
    guard let socket else { return }
    loop.forget(socket)
    ownEnd = Attempt.vanished
    try TCP.vanish(socket)
  }

  /// One byte to the server. ENOTCONN where the connection is closed here, whatever closed it.
  func send() -> Errno? {
    guard let socket, socket.isOpen else { return .socketNotConnected }
    return TCP.send(socket, [UInt8(ascii: "D")])
  }

  /// Bytes that were sent and are not yet acknowledged; nil where the connection is closed here.
  func unacknowledged() throws -> Int? {
    guard let socket, socket.isOpen else { return nil }
    return try TCP.unacknowledged(socket)
  }

  /// Whether the kernel still holds the connection, though this closed it: in LAST-ACK, until the server's last ACK
  /// is there.
  func lingers() throws -> Bool {
    guard closed, let address else { return false }
    return try node.sockets.knows(local: address, remote: remote)
  }

  private func end(_ errno: Errno) throws {
    isOver = true
    close()
    try ended(self, errno)
  }

  /// close(2): a FIN, or a RST where something was not read.
  func close() {
    guard !closed else { return }
    closed = true
    guard let socket else { return }
    loop.forget(socket)
    TCP.close(socket)
  }
}
