import CLinux
import Glibc
import SystemPackage

/// One TCP segment that no socket has made: what `packetdrill` injects, or `hping3 -S -s PORT -M SEQ -L ACK`.
public struct ForgedSegment: Sendable {
  /// The control bits of RFC 9293, section 3.1, by their values in the header's byte 13.
  public struct Flags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let fin = Flags(rawValue: 0x01)
    public static let syn = Flags(rawValue: 0x02)
    public static let rst = Flags(rawValue: 0x04)
    public static let psh = Flags(rawValue: 0x08)
    public static let ack = Flags(rawValue: 0x10)
    public static let urg = Flags(rawValue: 0x20)
    public static let ece = Flags(rawValue: 0x40)
    public static let cwr = Flags(rawValue: 0x80)

    /// Reads what tcpdump writes between brackets: `S`, `S.`, `F.`, `R`, `P.`, `.`; nil for any other letter, and for
    /// one that stands there twice.
    public init?(tcpdump text: String) {
      let letters: [Character: Flags] = [
        "F": .fin, "S": .syn, "R": .rst, "P": .psh, ".": .ack, "U": .urg, "E": .ece, "W": .cwr,
      ]
      self = []
      for letter in text {
        guard let flag = letters[letter], insert(flag).inserted else { return nil }
      }
    }
  }

  /// RFC 7323: TSval and TSecr, in ticks of the sender's clock and of the receiver's.
  public struct Timestamps: Sendable, Equatable {
    public var value: UInt32
    public var echo: UInt32

    public init(value: UInt32, echo: UInt32) { (self.value, self.echo) = (value, echo) }
  }

  /// Address and port that it claims to come from.
  public var source: SocketAddress
  /// Where it goes; of the same family.
  public var destination: SocketAddress
  public var flags: Flags
  public var sequence: UInt32
  /// Written whether or not ``Flags/ack`` is set.
  public var acknowledgement: UInt32
  /// As in the header, not scaled.
  public var window: UInt16
  /// Maximum segment size, bytes; nil for no option.
  public var maximumSegmentSize: UInt16?
  /// Shift of the window, 0 to 14; nil for no option.
  public var windowScale: UInt8?
  /// SACK-permitted.
  public var selectiveAcknowledgement: Bool
  /// Nil for no option.
  public var timestamps: Timestamps?
  /// At most 1,400 bytes, so that it fits any link of the lab whole.
  public var payload: [UInt8]
  /// Time to live, or hop limit.
  public var hops: UInt8 = 64

  /// A bare segment; what else it has is set afterwards.
  public init(
    from source: SocketAddress, to destination: SocketAddress, _ flags: Flags, sequence: UInt32,
    acknowledgement: UInt32 = 0, window: UInt16 = 65_535, maximumSegmentSize: UInt16? = nil,
    windowScale: UInt8? = nil, selectiveAcknowledgement: Bool = false, timestamps: Timestamps? = nil,
    payload: [UInt8] = []
  ) {
    self.source = source
    self.destination = destination
    self.flags = flags
    self.sequence = sequence
    self.acknowledgement = acknowledgement
    self.window = window
    self.maximumSegmentSize = maximumSegmentSize
    self.windowScale = windowScale
    self.selectiveAcknowledgement = selectiveAcknowledgement
    self.timestamps = timestamps
    self.payload = payload
  }

  /// The packet: IP header without options or extensions, TCP header, payload; every checksum right.
  /// - Throws: EINVAL where the two addresses are of different families, EMSGSIZE for a payload that is too long.
  public func packet() throws -> [UInt8] {
    guard source.isIPv6 == destination.isIPv6 else {
      throw SystemError(
        stage: "forge", object: "\(source) > \(destination)", errno: .invalidArgument,
        detail: "addresses of two families")
    }
    guard payload.count <= 1_400 else {
      throw SystemError(
        stage: "forge", object: "\(source) > \(destination)", errno: .messageTooLong,
        detail: "\(payload.count) bytes; at most 1,400")
    }
    var segment = header() + payload
    let pseudo =
      source.address + destination.address + Self.big(UInt32(segment.count)) + Self.big(UInt32(IPPROTO_TCP))
    segment.replaceSubrange(16..<18, with: Self.big(Self.checksum(pseudo + segment)))
    return ip(carrying: segment.count) + segment
  }

  /// The TCP header with a checksum of 0. Options stand as Linux writes them (`tcp_options_write`), so that what reads
  /// them at fixed places finds them: in a SYN, MSS, then SACK-permitted beside the timestamps; else NOP NOP timestamps.
  private func header() -> [UInt8] {
    var options: [UInt8] = []
    if let maximumSegmentSize { options += [2, 4] + Self.big(maximumSegmentSize) }
    if let timestamps {
      options += selectiveAcknowledgement ? [4, 2] : [1, 1]
      options += [8, 10] + Self.big(timestamps.value) + Self.big(timestamps.echo)
    } else if selectiveAcknowledgement {
      options += [1, 1, 4, 2]
    }
    if let windowScale { options += [1, 3, 3, windowScale] }
    return Self.big(source.port) + Self.big(destination.port) + Self.big(sequence)
      + Self.big(acknowledgement) + [UInt8((20 + options.count) / 4) << 4, flags.rawValue] + Self.big(window)
      + [0, 0, 0, 0] + options
  }

  private func ip(carrying length: Int) -> [UInt8] {
    if source.isIPv6 {
      return [0x60, 0, 0, 0] + Self.big(UInt16(length)) + [UInt8(IPPROTO_TCP), hops] + source.address
        + destination.address
    }
    // Don't fragment, as TCP has it.
    var header: [UInt8] =
      [0x45, 0] + Self.big(UInt16(20 + length)) + [0, 0, 0x40, 0, hops, UInt8(IPPROTO_TCP), 0, 0]
      + source.address + destination.address
    header.replaceSubrange(10..<12, with: Self.big(Self.checksum(header)))
    return header
  }

  /// RFC 1071.
  private static func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for at in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[at]) << 8 | (at + 1 < bytes.count ? UInt32(bytes[at + 1]) : 0)
    }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(sum)
  }

  private static func big(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
  }
}

/// Sends whole packets from the namespace in which it was opened, as if the node had made them itself.
///
/// IPPROTO_RAW takes the IP header from us, for IPv6 too (`inet6_create`). The packet is routed by its destination, and
/// passes OUTPUT and POSTROUTING and connection tracking as any other (`raw_send_hdrinc`, `rawv6_send_hdrinc`:
/// NF_INET_LOCAL_OUT). Nobody checks its source: it may be any other node's. No socket of the node knows of it.
///
/// Where the next hop's link-layer address is not known yet, it waits for that, and is lost where nobody answers. For
/// IPv6, with a source that is not the node's, the question itself needs the interface's own link-local address, which
/// is tentative for more than a second after the link came up (`ndisc_send_ns`): have a packet pass before.
public final class RawSender {
  private let descriptor: Int32

  /// Opens in the calling thread's namespace and stays there. Needs CAP_NET_RAW.
  public init(ipv6: Bool) throws {
    descriptor = try SystemError.check(
      clinux_raw_socket(ipv6 ? AF_INET6 : AF_INET), "socket", "IPPROTO_RAW")
  }

  deinit { close(descriptor) }

  /// Sends one segment.
  /// - Throws: what routing and the firewall say: ENETUNREACH, EHOSTUNREACH, EPERM for a DROP in OUTPUT.
  public func send(_ segment: ForgedSegment) throws {
    let packet = try segment.packet()
    // A port would be taken for the protocol.
    let address = try SocketAddress(
      SocketAddress.text(of: segment.destination.address, isIPv4: !segment.destination.isIPv6), port: 0)
    let sent = address.withPointer { pointer, length in
      sendto(descriptor, packet, packet.count, Int32(MSG_NOSIGNAL), pointer, length)
    }
    try SystemError.check(libc: sent, "sendto", "\(segment.source) > \(segment.destination)")
  }
}
