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
  let remote: SocketAddress
  let isn: UInt32?
  /// Ticks that the socket adds to the kernel's clock; nil where something else does, or nothing.
  let clock: UInt32?
  private var socket: TCP.Socket?
  private var address: SocketAddress?
  var local: String? { address?.description }
  private(set) var began: Int64 = 0
  private(set) var calls = 0
  /// Bytes read beyond the answer to the greeting.
  private(set) var received = 0
  /// What ended the connection after its outcome was known, and was no FIN: ECONNRESET where the other end sent a RST.
  private(set) var failure: Errno?
  private let loop: EventLoop
  private let time: CaseClock
  private let node: Node
  private let again: Int
  private let ended: (ClientConnection, Errno?) throws -> Void
  private var answered = false
  private(set) var closed = false

  /// `ended` is called once, when the outcome is known: nil where a byte went each way.
  init(
    attempt: Int, step: Int, label: String, client: Int, node: Node, remote: SocketAddress, isn: UInt32?,
    clock: UInt32?, closes: Step.Closer, again: Int, loop: EventLoop, time: CaseClock,
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
    self.again = again
    self.loop = loop
    self.time = time
    self.ended = ended
  }

  /// Calls `connect()`; after EADDRNOTAVAIL again every 20 ms while `again` lasts.
  func start() throws {
    if began == 0 { began = time.now }
    calls += 1
    let socket: TCP.Socket
    let result: Errno?
    do {
      (socket, result) = try node.namespace.run {
        let socket = try TCP.socket(ipv6: remote.isIPv6)
        if let clock { try TCP.setClock(socket, ticks: clock) }
        if let isn { try TCP.pinSequence(socket, isn) }
        return (socket, TCP.connect(socket, to: remote))
      }
      self.socket = socket
    } catch {
      throw Failure(error, stage: "connect (attempt \(attempt))", object: node.name)
    }
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
    if let errno = TCP.send(socket, Greeting(closes: closes, attempt: attempt).bytes) {
      return try end(errno)
    }
    loop.watch(socket, Poll.readable) { [unowned self] in try readable() }
  }

  private func readable() throws {
    while let socket, socket.isOpen {
      switch TCP.receive(socket, upTo: 64) {
      case .wouldBlock: return
      case .failed(let errno):
        guard answered else { return try end(errno) }
        failure = errno
        return close()
      case .end:
        return answered ? close() : try end(.connectionReset)
      case .bytes(let bytes):
        if answered {
          received += bytes.count
        } else {
          answered = true
          received += bytes.count - 1
          try ended(self, nil)
          if closes == .client { return close() }
        }
      }
    }
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
    close()
    try ended(self, errno)
  }

  private func close() {
    guard !closed else { return }
    closed = true
    guard let socket else { return }
    loop.forget(socket)
    TCP.close(socket)
  }
}
