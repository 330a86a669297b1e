import CLibNL
import Glibc
import Linux
import SystemPackage

/// The messages of one datagram that came from a netlink socket (netlink(7)), read in order.
///
/// Total: whatever the bytes are, each message and each number is within them or not there. What is left after a
/// header that claims more than there is, or less than itself, is not read (`nlmsg_ok`).
public struct NetlinkMessages: Sequence, IteratorProtocol {
  /// One message, without its header. It lives as long as the bytes that it was read from.
  public struct Message {
    /// `NLMSG_DONE`, `NLMSG_ERROR`, or the protocol's own.
    public let type: Int32
    /// `NLM_F_...`
    public let flags: UInt16
    /// The number of the request that it answers.
    public let sequence: UInt32
    /// What follows the header.
    public let payload: UnsafeRawBufferPointer
  }

  private let bytes: UnsafeRawBufferPointer
  private var at = 0

  /// Reads what is there; the bytes must outlive it.
  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The next message; nil where no whole one follows.
  public mutating func next() -> Message? {
    guard let length: UInt32 = bytes.number(at: at), let type: UInt16 = bytes.number(at: at + 4),
      let flags: UInt16 = bytes.number(at: at + 6), let sequence: UInt32 = bytes.number(at: at + 8),
      let payload = bytes.slice(at + 16, until: at + Int(length))
    else { return nil }
    at += (Int(length) + 3) & ~3
    return Message(type: Int32(type), flags: flags, sequence: sequence, payload: payload)
  }

  /// Reads bytes as every kind of answer that the lab asks for, whatever they are meant as, and says what was found:
  /// a line each. For those who hold the reading against arbitrary bytes.
  public static func everyReading(of bytes: [UInt8]) -> [String] {
    bytes.withUnsafeBytes { bytes in
      NetlinkMessages(bytes).flatMap { message -> [String] in
        let payload = message.payload
        var found = ["type \(message.type)"]
        if let error = message.error(named: "request") { found.append("\(error)") }
        if let socket = SocketDiag.Answer(payload, family: UInt8(AF_INET6)) { found.append("\(socket)") }
        for (name, value) in ConntrackSocket.statistics(in: payload) { found.append("\(name) \(value)") }
        if let stamp = TCPMetricsSocket.stamp(in: payload) { found.append("\(stamp)") }
        if let entry = SocketDiag.Entry(payload) { found.append("\(entry)") }
        if let entry = ConntrackEntry(payload) { found.append("\(entry)") }
        if let qdisc = RouteSocket.qdisc(in: payload) { found.append("\(qdisc)") }
        if let link = RouteSocket.link(in: payload) { found.append("\(link)") }
        if let neighbour = RouteSocket.neighbour(in: payload) { found.append("\(neighbour.address)") }
        if let service = IPVSSocket.service(in: payload) { found.append("\(service)") }
        if let server = IPVSSocket.server(in: payload, isIPv6: false) { found.append("\(server)") }
        if let packet = PacketQueue.packet(in: payload) { found.append("packet \(packet.id)") }
        if RouteSocket.saysReady(payload) { found.append("ready") }
        if RouteSocket.saysLocal(payload) { found.append("local") }
        return found
      }
    }
  }
}

extension NetlinkMessages.Message {
  /// The error in an ack, with the extended ack's text; nil where all went well. An ack that is too short to hold a
  /// code says that nothing went well: EBADMSG.
  func error(named name: String) -> SystemError? {
    guard let code: Int32 = payload.number(at: 0) else {
      return SystemError(stage: "netlink", object: name, errno: .badMessage, detail: "an ack without a code")
    }
    guard code < 0 else { return nil }
    var text: String?
    let (capped, attributes) = (UInt16(0x100), UInt16(0x200))  // NLM_F_CAPPED, NLM_F_ACK_TLVS
    // struct nlmsgerr: the code, then the request's header, then its body unless capped.
    if flags & attributes != 0, let request: UInt32 = payload.number(at: 4) {
      let start = flags & capped != 0 ? 20 : 4 + ((Int(request) + 3) & ~3)
      for (type, value) in NetlinkAttributes(payload, from: start) where type == 1 {  // NLMSGERR_ATTR_MSG
        text = String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
    // -(-2^31) is no Int32; no errno is that large, so it is told as it came.
    return SystemError(stage: "netlink", object: name, errno: Errno(rawValue: 0 &- code), detail: text)
  }
}

/// The attributes of a payload from an offset on (`struct nlattr`), in order. Total, as ``NetlinkMessages`` is.
struct NetlinkAttributes: Sequence, IteratorProtocol {
  private let bytes: UnsafeRawBufferPointer
  private var at: Int

  init(_ payload: UnsafeRawBufferPointer, from start: Int) { (bytes, at) = (payload, start) }

  mutating func next() -> (type: UInt16, value: UnsafeRawBufferPointer)? {
    guard let length: UInt16 = bytes.number(at: at), let type: UInt16 = bytes.number(at: at + 2),
      let value = bytes.slice(at + 4, until: at + Int(length))
    else { return nil }
    at += (Int(length) + 3) & ~3
    // NLA_F_NESTED and NLA_F_NET_BYTEORDER are no part of the type.
    return (type & 0x3fff, value)
  }
}

extension UnsafeRawBufferPointer {
  /// The number that lies at an offset, in this machine's byte order; nil where it does not lie within.
  func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type = Number.self) -> Number? {
    guard offset >= 0, count - offset >= MemoryLayout<Number>.size else { return nil }
    return loadUnaligned(fromByteOffset: offset, as: Number.self)
  }

  /// The structure at the beginning; nil where it is not all there.
  func structure<Structure: BitwiseCopyable>(_ type: Structure.Type = Structure.self) -> Structure? {
    count >= MemoryLayout<Structure>.size ? loadUnaligned(as: Structure.self) : nil
  }

  /// The bytes between two offsets; nil where those are not in order and within.
  func slice(_ start: Int, until end: Int) -> UnsafeRawBufferPointer? {
    start >= 0 && start <= end && end <= count ? UnsafeRawBufferPointer(rebasing: self[start..<end]) : nil
  }
}
