import CLinux
import Glibc
import SystemPackage

/// What else can be done with a connection, or to it.
extension TCP {
  /// Gives a socket its own address before it connects, with SO_REUSEADDR, so that a port can be taken again while its
  /// last connection is in TIME_WAIT: `nc -s ADDRESS -p PORT`.
  ///
  /// The port is chosen here and not in connect(2) (IP_BIND_ADDRESS_NO_PORT is off), so a port that is taken is
  /// said at once: EADDRINUSE.
  public static func bind(_ socket: Socket, to address: SocketAddress) throws {
    var one: Int32 = 1
    setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
    try SystemError.check(
      libc: address.withPointer { Glibc.bind(socket.descriptor, $0, $1) }, "bind", "\(address)")
  }

  /// Has the kernel ask for a sign of life where nothing has passed for `tcp_keepalive_time`: SO_KEEPALIVE, socket(7). What
  /// a listener accepts has it too (`tcp_create_openreq_child`).
  public static func setKeepalive(_ socket: Socket, _ keepalive: Bool = true) throws {
    var value: Int32 = keepalive ? 1 : 0
    try SystemError.check(
      libc: setsockopt(socket.descriptor, SOL_SOCKET, SO_KEEPALIVE, &value, 4), "SO_KEEPALIVE", "\(value)")
  }

  /// How often a SYN is sent again before connect(2) gives up: TCP_SYNCNT, tcp(7), in place of `tcp_syn_retries`.
  public static func setSYNRetries(_ socket: Socket, _ retries: Int32) throws {
    var value = retries
    try SystemError.check(
      libc: setsockopt(socket.descriptor, Int32(IPPROTO_TCP), TCP_SYNCNT, &value, 4), "TCP_SYNCNT",
      "\(retries)")
  }

  /// Changes how many connections may wait for accept(2): listen(2) once more, on a socket that listens already. The
  /// kernel holds `backlog` + 1 of them (`sk_acceptq_is_full`), at most `net.core.somaxconn` + 1.
  public static func setBacklog(_ listener: Socket, _ backlog: Int) throws {
    try SystemError.check(
      libc: Glibc.listen(listener.descriptor, Int32(clamping: backlog)), "listen", "\(backlog)")
  }

  /// Half-close: sends a FIN, and can still receive. shutdown(2), SHUT_WR.
  /// - Throws: ENOTCONN where there is no connection any more.
  public static func shutdownWriting(_ socket: Socket) throws {
    try SystemError.check(
      libc: Glibc.shutdown(socket.descriptor, Int32(SHUT_WR)), "shutdown", "SHUT_WR")
  }

  /// Ends a connection with a RST at once, whatever it has sent or received: SO_LINGER of 0 s, and close(2)
  /// (`__tcp_close`: `sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime`). Nothing is left on this side.
  /// Equivalent to `ss -K`, but for the counter: this is TcpExt.TCPAbortOnData.
  public static func abort(_ socket: Socket) throws {
    try SystemError.check(clinux_tcp_set_abort(socket.descriptor), "SO_LINGER", "0 s")
    close(socket)
  }

  /// Forgets a connection without a packet, as a reboot does: TCP_REPAIR, and close(2).
  ///
  /// In repair mode `__tcp_close` calls `tcp_disconnect`, which sends no RST (3.5). What the peer sends from then on
  /// is answered with a RST by the kernel, for there is no such connection.
  /// - Throws: EPERM without CAP_NET_ADMIN over the namespace, and for a listener.
  public static func vanish(_ socket: Socket) throws {
    try SystemError.check(clinux_tcp_set_silent(socket.descriptor), "TCP_REPAIR", "on")
    close(socket)
  }

  /// Where a connection stands.
  public struct Position: Sendable, Equatable {
    /// Sequence number of the next byte that the program writes (`write_seq`): SND.NXT where nothing waits to be sent.
    public var nextToWrite: UInt32
    /// Sequence number that is expected from the peer (`rcv_nxt`): what an ACK says.
    public var nextExpected: UInt32
    /// The connection's clock now: the TSval of a segment that it sends, in ticks. Pacing dates segments ahead
    /// (`tcp_wstamp_ns`), so the last one on the wire may be a tick or two later: to forge the next one, take the later
    /// of both, or PAWS refuses it. Of no meaning where the connection has no timestamps.
    public var timestamp: UInt32
  }

  /// Where a connection stands, without a packet: TCP_QUEUE_SEQ of both queues in TCP_REPAIR, left again without a
  /// window probe, and TCP_TIMESTAMP.
  /// - Throws: EPERM without CAP_NET_ADMIN over the namespace, and for a listener; EINVAL below 4.19, where repair
  ///   mode cannot be left without a probe.
  public static func position(_ socket: Socket) throws -> Position {
    var position = Position(nextToWrite: 0, nextExpected: 0, timestamp: 0)
    try SystemError.check(
      clinux_tcp_positions(socket.descriptor, &position.nextToWrite, &position.nextExpected), "TCP_QUEUE_SEQ",
      "socket")
    try SystemError.check(
      clinux_tcp_timestamp(socket.descriptor, &position.timestamp), "getsockopt", "TCP_TIMESTAMP")
    return position
  }

  /// What the kernel knows of a connection: `ss -ti`.
  public struct Info: Sendable, Equatable {
    /// By `ss`'s names: `ESTAB`, `SYN-SENT`, `FIN-WAIT-2`, ...; `UNCONN` once it has ended.
    public var state: String
    /// Segments that are sent and not acknowledged; of a listener, the connections that wait for accept(2).
    public var unacknowledged: Int
    /// How often the oldest of them was sent again in a row; 0 after an ACK. Of a SYN too.
    public var retransmits: Int
    /// How often a window that is shut was probed without an answer.
    public var probes: Int
    /// Segments sent again since the connection began.
    public var totalRetransmits: Int
    /// Retransmission timeout, microseconds.
    public var retransmissionTimeout: Int
    /// Smoothed round trip time, microseconds.
    public var roundTrip: Int
    /// Whether both ends agreed on timestamps.
    public var hasTimestamps: Bool
  }

  /// TCP_INFO, tcp(7).
  public static func info(_ socket: Socket) throws -> Info {
    var info = clinux_tcp_info()
    try SystemError.check(clinux_tcp_info(socket.descriptor, &info), "getsockopt", "TCP_INFO")
    return Info(
      state: TCPState.name(info.state) ?? "UNKNOWN", unacknowledged: Int(info.unacked),
      retransmits: Int(info.retransmits), probes: Int(info.probes),
      totalRetransmits: Int(info.total_retransmits), retransmissionTimeout: Int(info.rto),
      roundTrip: Int(info.rtt), hasTimestamps: info.options & 1 != 0)
  }
}

/// The states of a TCP socket.
public enum TCPState {
  /// By number, as `ss` names them (include/net/tcp_states.h); 12 is a SYN_RECV that has no socket of its own yet.
  public static let names = [
    "UNKNOWN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "UNCONN",
    "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "SYN-RECV",
  ]

  /// The name of a number; nil where no kernel that the lab knows has it.
  public static func name(_ number: UInt8) -> String? {
    names.indices.contains(Int(number)) ? names[Int(number)] : nil
  }
}
