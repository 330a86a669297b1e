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
  private var held: [UInt32] = []
  private static let accept: UInt32 = 1  // NF_ACCEPT

  /// Readable when packets have come.
  public var fileDescriptor: Int32 { socket.fileDescriptor }

  /// Takes a queue. Of a packet nothing but its number is told.
  ///
  /// - Throws: EBUSY where somebody has it, EOPNOTSUPP or EINVAL where the kernel has no such subsystem.
  public init(_ number: UInt16) throws {
    socket = try Socket(protocol: NETLINK_NETFILTER, bus: "NETLINK_NETFILTER")
    self.number = number
    let bind: [UInt8] = [UInt8(NFQNL_CFG_CMD_BIND.rawValue), 0, 0, 0]
    // struct nfqnl_msg_config_params: how many bytes, and what.
    let parameters: [UInt8] = [0, 0, 0, 0, UInt8(NFQNL_COPY_META.rawValue)]
    try socket.commit([
      try message(NFQNL_MSG_CONFIG, NFQA_CFG_CMD.rawValue, bind, "queue \(number)"),
      try message(NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS.rawValue, parameters, "queue \(number)"),
    ])
  }

  /// How many packets are held by now.
  public func count() throws -> Int {
    try read()
    return held.count
  }

  /// Lets every packet that is held go on with the hook's next rule, in the order in which they came. Each goes its way,
  /// as far as that is, before the next one does: `nf_reinject` runs in this call.
  ///
  /// - Returns: how many.
  @discardableResult public func release() throws -> Int {
    try read()
    let all = held
    held = []
    for id in all {
      let verdict = Self.bigEndian(Self.accept) + Self.bigEndian(id)
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
      let id = Self.packet(in: message.payload)
    else { return }
    held.append(id)
  }

  /// The number of a packet, as the kernel tells that it has come; nil for what tells of none.
  static func packet(in payload: UnsafeRawBufferPointer) -> UInt32? {
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<nfgenmsg>.size)
    where type == UInt16(NFQA_PACKET_HDR.rawValue) {
      return value.number(at: 0, as: UInt32.self).map(UInt32.init(bigEndian:))
    }
    return nil
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
