import CLibNL
import Glibc
import Linux

/// Packets that a rule hands to a program (`queue`, `-j NFQUEUE`): each stays where it is, within its hook, until it is
/// let go (nfnetlink, subsystem queue; net/netfilter/nfnetlink_queue.c).
///
/// It is in force in the namespace in which it was opened, as long as the instance lives; what it still holds then is
/// dropped (`nfqnl_flush`). A rule with `bypass` lets packets pass where nobody has its queue.
public final class PacketQueue {
  private let socket: Socket
  private let number: UInt16
  private var held: [Held] = []

  /// A packet that is held: its number, and what is the same when it is sent again.
  struct Held: Equatable {
    var id: UInt32
    /// Addresses, ports and sequence number; nil for what is no TCP.
    var segment: [UInt8]?
  }
  private static let accept: UInt32 = 1  // NF_ACCEPT

  /// Readable when packets have come.
  public var fileDescriptor: Int32 { socket.fileDescriptor }

  /// Takes a queue. Of a packet its number and headers are told.
  ///
  /// - Throws: EBUSY where somebody has it, EOPNOTSUPP or EINVAL where the kernel has no such subsystem.
  public init(_ number: UInt16) throws {
    socket = try Socket(protocol: NETLINK_NETFILTER, bus: "NETLINK_NETFILTER")
    self.number = number
    let bind: [UInt8] = [UInt8(NFQNL_CFG_CMD_BIND.rawValue), 0, 0, 0]
    // struct nfqnl_msg_config_params: how many bytes, and what.
    let parameters: [UInt8] = [0, 0, 0, 80, UInt8(NFQNL_COPY_PACKET.rawValue)]
    try socket.commit([
      try message(NFQNL_MSG_CONFIG, NFQA_CFG_CMD.rawValue, bind, "queue \(number)"),
      try message(NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS.rawValue, parameters, "queue \(number)"),
    ])
  }

  /// How many packets are held by now, and how many of these are an earlier one again.
  public func count() throws -> (packets: Int, again: Int) {
    try read()
    let segments = held.compactMap(\.segment)
    return (held.count, segments.count - Set(segments).count)
  }

  /// Lets every packet that is held go on with the hook's next rule, in the order in which they came. Each goes its way,
  /// as far as that is, before the next one does: `nf_reinject` runs in this call.
  ///
  /// - Returns: how many.
  @discardableResult public func release() throws -> Int {
    try read()
    let all = held
    held = []
    for packet in all {
      let verdict = Self.bigEndian(Self.accept) + Self.bigEndian(packet.id)
      try socket.request(try message(NFQNL_MSG_VERDICT, NFQA_VERDICT_HDR.rawValue, verdict, "verdict"))
    }
    // The acks are there, since the kernel has done as it was told; packets may be among them.
    var refused: SystemError?
    try socket.drain { message in
      refused = refused ?? (message.type == NLMSG_ERROR ? message.error(named: "verdict") : nil)
      take(message)
    }
    if let refused { throw refused }
    return all.count
  }

  private func read() throws { try socket.drain { take($0) } }

  private func take(_ message: NetlinkMessages.Message) {
    guard message.type == Int32(NFNL_SUBSYS_QUEUE) << 8 | Int32(NFQNL_MSG_PACKET.rawValue),
      let packet = Self.packet(in: message.payload)
    else { return }
    held.append(packet)
  }

  /// A packet, as the kernel tells that it has come; nil for what tells of none.
  static func packet(in payload: UnsafeRawBufferPointer) -> Held? {
    var id: UInt32?
    var segment: [UInt8]?
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<nfgenmsg>.size) {
      switch UInt32(type) {
      case NFQA_PACKET_HDR.rawValue: id = value.number(at: 0, as: UInt32.self).map(UInt32.init(bigEndian:))
      case NFQA_PAYLOAD.rawValue: segment = Self.segment(Array(value))
      default: break
      }
    }
    return id.map { Held(id: $0, segment: segment) }
  }

  /// Addresses, ports and sequence number of a packet that begins with its IP header (RFC 791, RFC 8200, RFC 9293).
  static func segment(_ packet: [UInt8]) -> [UInt8]? {
    guard let first = packet.first else { return nil }
    let (addresses, next, start): (Range<Int>, Int, Int) =
      switch first >> 4 {
      case 4: (12..<20, 9, Int(first & 0xf) * 4)
      case 6: (8..<40, 6, 40)
      default: (0..<0, 0, .max)
      }
    guard start <= packet.count - 8, start >= addresses.upperBound, packet[next] == UInt8(IPPROTO_TCP) else {
      return nil
    }
    return Array(packet[addresses] + packet[start..<start + 8])
  }

  private func message<Kind: RawRepresentable>(
    _ kind: Kind, _ attribute: UInt32, _ value: [UInt8], _ name: String
  ) throws -> Socket.Message where Kind.RawValue == UInt32 {
    var header = nfgenmsg()
    header.res_id = number.bigEndian
    let type = Int32(NFNL_SUBSYS_QUEUE) << 8 | Int32(kind.rawValue)
    let message = try Socket.message(type, flags: 0, header: header, name: name)
    _ = value.withUnsafeBytes { nla_put(message.pointer, Int32(attribute), Int32($0.count), $0.baseAddress) }
    return message
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian, Array.init)
  }
}
