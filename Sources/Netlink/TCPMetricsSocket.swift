import CLibNL
import Glibc
import Linux

/// What the kernel remembers of other hosts, in the namespace in which it was opened: `ip tcp_metrics`.
public final class TCPMetricsSocket {
  private let socket: Socket
  private let family: Int32

  /// The last timestamp that was seen of a host: what `tcp_tw_recycle` holds a SYN against (until 4.11).
  public struct Stamp: Sendable, Equatable {
    /// The host's address.
    public var remote: String
    /// Ours; nil where the kernel keys by the remote address only (3.10).
    public var local: String?
    /// TSval of the last segment that had one.
    public var tsval: UInt32
    /// Seconds since it was stored.
    public var age: Int
  }

  /// Opens in the calling thread's namespace and stays there.
  public init() throws {
    socket = try Socket(protocol: NETLINK_GENERIC, bus: "NETLINK_GENERIC")
    family = try socket.genericFamily("tcp_metrics")
  }

  /// `ip tcp_metrics show`, the entries that have a timestamp. None from 4.12 on.
  public func stamps() throws -> [Stamp] {
    var stamps: [Stamp] = []
    try socket.dump(try request(1, flags: Int32(NLM_F_DUMP), "ip tcp_metrics show")) { payload in
      if let stamp = Self.stamp(in: payload) { stamps.append(stamp) }
    }
    return stamps
  }

  /// The entry that an answer tells; nil where it has no timestamp.
  static func stamp(in payload: UnsafeRawBufferPointer) -> Stamp? {
    var remote: String?
    var local: String?
    var tsval: UInt32?
    var age = 0
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<genlmsghdr>.size) {
      switch type {
      case 1, 2: remote = address(value)  // TCP_METRICS_ATTR_ADDR_IPV4, _IPV6
      case 11, 12: local = address(value)  // TCP_METRICS_ATTR_SADDR_IPV4, _IPV6
      case 4: tsval = value.number(at: 0)  // TCP_METRICS_ATTR_TW_TSVAL
      case 5: age = Int(value.number(at: 0, as: Int32.self) ?? 0)  // TCP_METRICS_ATTR_TW_TS_STAMP
      default: break
      }
    }
    guard let remote, let tsval else { return nil }
    return Stamp(remote: remote, local: local, tsval: tsval, age: age)
  }

  /// `ip tcp_metrics flush`
  public func flush() throws { try socket.commit([try request(2, flags: 0, "ip tcp_metrics flush")]) }

  private func request(_ command: UInt8, flags: Int32, _ name: String) throws -> Socket.Message {
    var header = genlmsghdr()
    header.cmd = command
    header.version = 1
    return try Socket.message(family, flags: flags, header: header, name: name)
  }

  private static func address(_ bytes: UnsafeRawBufferPointer) -> String? {
    bytes.count == 4 || bytes.count == 16
      ? SocketAddress.text(of: Array(bytes), isIPv4: bytes.count == 4) : nil
  }
}
