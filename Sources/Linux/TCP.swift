import CLinux
import Glibc
import SystemPackage

/// Non-blocking TCP sockets, made in the namespace that the calling thread is in.
public enum TCP {
  /// A socket, open for as long as the instance lives or until ``TCP/close(_:)``. It owns its descriptor: after that
  /// every call on it fails with EBADF, and none reaches what the kernel has given the same number since.
  public final class Socket {
    /// For poll(2), which looks at nothing below 0; -1 once closed.
    public private(set) var descriptor: Int32

    fileprivate init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { close() }

    /// Whether it was not closed.
    public var isOpen: Bool { descriptor >= 0 }

    fileprivate func close() {
      guard isOpen else { return }
      Glibc.close(descriptor)
      descriptor = -1
    }
  }

  /// A socket that does not block and is closed on exec.
  public static func socket(ipv6: Bool) throws -> Socket {
    Socket(
      owning: try SystemError.check(
        libc: Glibc.socket(
          ipv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0),
        "socket", ipv6 ? "AF_INET6" : "AF_INET"))
  }

  /// A listener with SO_REUSEADDR; with SO_REUSEPORT too where several are to share the port.
  public static func listen(on address: SocketAddress, backlog: Int, isShared: Bool = false) throws -> Socket
  {
    let socket = try socket(ipv6: address.isIPv6)
    let descriptor = socket.descriptor
    var one: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
    if isShared { setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, 4) }
    try SystemError.check(libc: address.withPointer { Glibc.bind(descriptor, $0, $1) }, "bind", "\(address)")
    try SystemError.check(libc: Glibc.listen(descriptor, Int32(backlog)), "listen", "\(address)")
    return socket
  }

  /// The next waiting connection; nil if there is none.
  public static func accept(_ listener: Socket) throws -> Socket? {
    let result = clinux_accept(listener.descriptor)
    if result >= 0 { return Socket(owning: result) }
    switch Errno(rawValue: -result) {
    case .wouldBlock, .interrupted, .connectionAbort: return nil
    case let errno: throw SystemError(stage: "accept", object: "listener", errno: errno)
    }
  }

  /// nil where it connected at once; EINPROGRESS is the usual answer.
  public static func connect(_ socket: Socket, to address: SocketAddress) -> Errno? {
    address.withPointer { Glibc.connect(socket.descriptor, $0, $1) } < 0 ? .current : nil
  }

  /// Takes the pending error: SO_ERROR.
  public static func pendingError(_ socket: Socket) -> Errno? {
    var error: Int32 = 0
    var size: socklen_t = 4
    guard getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 else { return .current }
    return error == 0 ? nil : Errno(rawValue: error)
  }

  /// Its own address; nil before it has one.
  public static func localAddress(_ socket: Socket) -> SocketAddress? { address(socket, getsockname) }

  /// The other end's address; nil before it is connected.
  public static func peerAddress(_ socket: Socket) -> SocketAddress? { address(socket, getpeername) }

  private static func address(
    _ socket: Socket,
    _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> SocketAddress? {
    var address = SocketAddress()
    let result = withUnsafeMutablePointer(to: &address.storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        call(socket.descriptor, $0, &address.length)
      }
    }
    return result == 0 ? address : nil
  }

  /// Sends a few bytes, which always fit an empty buffer.
  public static func send(_ socket: Socket, _ bytes: [UInt8]) -> Errno? {
    Glibc.send(socket.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count ? nil : .current
  }

  /// Bytes that were sent and are not yet acknowledged: SIOCOUTQ, tcp(7).
  public static func unacknowledged(_ socket: Socket) throws -> Int {
    Int(try SystemError.check(clinux_tcp_unacknowledged(socket.descriptor), "SIOCOUTQ", "socket"))
  }

  /// What a read gave.
  public enum Received {
    case bytes([UInt8])
    case wouldBlock
    /// The peer's FIN.
    case end
    case failed(Errno)
  }

  /// Reads what is there.
  public static func receive(_ socket: Socket, upTo count: Int) -> Received {
    var buffer = [UInt8](repeating: 0, count: count)
    let length = recv(socket.descriptor, &buffer, count, 0)
    if length > 0 { return .bytes(Array(buffer[..<length])) }
    if length == 0 { return .end }
    let errno = Errno.current
    return errno == .wouldBlock || errno == .interrupted ? .wouldBlock : .failed(errno)
  }

  /// close(2): sends a FIN, or a RST if data was left unread. Once; a second time it does nothing.
  public static func close(_ socket: Socket) { socket.close() }

  /// Chooses the initial sequence number of a socket that is not yet connected.
  ///
  /// TCP_REPAIR, TCP_QUEUE_SEQ of the send queue, and out of repair mode again (tcp(7), since 3.5; needs
  /// CAP_NET_ADMIN in the namespace). `tcp_v4_connect` keeps a `write_seq` that is not 0.
  public static func pinSequence(_ socket: Socket, _ sequence: UInt32) throws {
    try SystemError.check(
      clinux_tcp_pin_sequence(socket.descriptor, sequence), "TCP_REPAIR", "sequence \(sequence)")
  }

  /// Has a socket's TSvals be the kernel's clock plus an offset, and takes that off the TSecrs that it reads.
  ///
  /// TCP_REPAIR and TCP_TIMESTAMP, 3.9 to 4.9; from 4.10 on `tcp_v4_connect` chooses an offset of its own.
  public static func setClock(_ socket: Socket, ticks: UInt32) throws {
    let reference = try self.socket(ipv6: false)
    defer { close(reference) }
    try SystemError.check(
      clinux_tcp_set_clock(socket.descriptor, reference.descriptor, ticks), "TCP_TIMESTAMP",
      "\(ticks) ticks")
  }

  /// The TSval that a socket without an offset would send now: the kernel's own clock, in ticks.
  /// `getsockopt(TCP_TIMESTAMP)` of a fresh socket, since 3.9.
  public static func clock() throws -> UInt32 {
    let socket = try socket(ipv6: false)
    defer { close(socket) }
    var ticks: UInt32 = 0
    try SystemError.check(clinux_tcp_timestamp(socket.descriptor, &ticks), "getsockopt", "TCP_TIMESTAMP")
    return ticks
  }
}

extension SocketAddress {
  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }
}
