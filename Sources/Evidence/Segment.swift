#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A TCP segment, decoded from a captured packet.
public struct Segment: Sendable, Equatable {
  /// TCP flags (RFC 9293, section 3.1).
  public struct Flags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let fin = Flags(rawValue: 0x01)
    public static let syn = Flags(rawValue: 0x02)
    public static let rst = Flags(rawValue: 0x04)
    public static let psh = Flags(rawValue: 0x08)
    public static let ack = Flags(rawValue: 0x10)
  }

  /// The node whose interface saw it.
  public var node: String
  /// Nanoseconds since 1970.
  public var time: Int64
  /// Whether that node sent it.
  public var outgoing: Bool
  /// `198.18.0.2` or `2001:2::2`.
  public var source: String
  public var sourcePort: Int
  public var destination: String
  public var destinationPort: Int
  public var sequence: UInt32
  public var acknowledgement: UInt32
  public var flags: Flags
  public var window: Int
  /// Bytes of data.
  public var payload: Int
  /// Whether it came inside another IP packet (IPIP).
  public var tunnelled: Bool
  /// Timestamp option (RFC 7323); nil without one.
  public var tsval: UInt32?
  public var tsecr: UInt32?
  /// Maximum segment size, on a SYN; nil without one.
  public var mss: Int?
  /// Window scale shift, on a SYN; nil without one.
  public var windowScale: Int?
  /// Whether it permits SACK, on a SYN.
  public var permitsSACK = false

  /// A first SYN or its retransmission, not a SYN-ACK.
  public var isSYN: Bool { flags.contains(.syn) && !flags.contains(.ack) }
  public var isSYNACK: Bool { flags.contains(.syn) && flags.contains(.ack) }

  /// Decodes Ethernet, IPv4 or IPv6 without extension headers, perhaps another of either in it (IPIP), TCP;
  /// nil for anything else.
  public init?(_ packet: Packet) {
    let bytes = [UInt8](packet.bytes)
    func u16(_ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
    func u32(_ at: Int) -> UInt32 { UInt32(u16(at)) << 16 | UInt32(u16(at + 2)) }
    guard bytes.count >= 14 else { return nil }
    /// The IP header at an offset: the protocol within, where that begins, where the packet ends.
    func header(at: Int, version: Int) -> (next: Int, inner: Int, end: Int)? {
      if version == 4 {
        guard bytes.count >= at + 20 else { return nil }
        return (Int(bytes[at + 9]), at + Int(bytes[at] & 0xf) * 4, at + u16(at + 2))
      }
      guard bytes.count >= at + 40 else { return nil }
      return (Int(bytes[at + 6]), at + 40, at + 40 + u16(at + 4))
    }
    var (at, version) = (14, u16(12) == 0x0800 ? 4 : 6)
    guard [0x0800, 0x86dd].contains(u16(12)), var found = header(at: at, version: version) else { return nil }
    // 4: IPv4 in IP, 41: IPv6 in IP.
    if found.next == 4 || found.next == 41 {
      (at, version) = (found.inner, found.next == 4 ? 4 : 6)
      guard let inner = header(at: at, version: version) else { return nil }
      found = inner
      tunnelled = true
    } else {
      tunnelled = false
    }
    guard found.next == 6 else { return nil }
    if version == 4 {
      source = bytes[at + 12..<at + 16].map(String.init).joined(separator: ".")
      destination = bytes[at + 16..<at + 20].map(String.init).joined(separator: ".")
    } else {
      source = Self.ipv6(bytes[at + 8..<at + 24])
      destination = Self.ipv6(bytes[at + 24..<at + 40])
    }
    let (tcp, end) = (found.inner, found.end)
    guard bytes.count >= tcp + 20 else { return nil }
    let length = Int(bytes[tcp + 12] >> 4) * 4
    guard length >= 20, bytes.count >= tcp + length else { return nil }
    node = packet.node
    time = packet.time
    outgoing = packet.outgoing
    sourcePort = u16(tcp)
    destinationPort = u16(tcp + 2)
    sequence = u32(tcp + 4)
    acknowledgement = u32(tcp + 8)
    flags = Flags(rawValue: bytes[tcp + 13])
    window = u16(tcp + 14)
    payload = max(0, end - tcp - length)
    at = tcp + 20
    while at < tcp + length {
      let kind = bytes[at]
      if kind == 0 { break }
      if kind == 1 {
        at += 1
        continue
      }
      guard at + 1 < tcp + length, bytes[at + 1] >= 2 else { break }
      if kind == 8, bytes[at + 1] == 10, at + 10 <= tcp + length {
        tsval = u32(at + 2)
        tsecr = u32(at + 6)
      }
      if kind == 2, bytes[at + 1] == 4, at + 4 <= tcp + length { mss = u16(at + 2) }
      if kind == 3, bytes[at + 1] == 3, at + 3 <= tcp + length { windowScale = Int(bytes[at + 2]) }
      if kind == 4, bytes[at + 1] == 2 { permitsSACK = true }
      at += Int(bytes[at + 1])
    }
  }

  /// RFC 5952, as `inet_ntop` writes it.
  static func ipv6(_ bytes: ArraySlice<UInt8>) -> String {
    let start = bytes.startIndex
    return ipv6(
      groups: (0..<8).map { UInt16(bytes[start + 2 * $0]) << 8 | UInt16(bytes[start + 2 * $0 + 1]) })
  }

  /// The same of its eight groups.
  package static func ipv6(groups: [UInt16]) -> String {
    var best = 0..<0
    var index = 0
    while index < 8 {
      var last = index
      while last < 8, groups[last] == 0 { last += 1 }
      if last - index > max(best.count, 1) { best = index..<last }
      index = max(last, index + 1)
    }
    let hex = { (range: Range<Int>) in groups[range].map { String($0, radix: 16) }.joined(separator: ":") }
    return best.isEmpty ? hex(0..<8) : hex(0..<best.lowerBound) + "::" + hex(best.upperBound..<8)
  }
}

/// Sequence and timestamp comparison modulo 2^32 (RFC 9293 section 3.4, RFC 7323 section 5.2).
public enum Modular {
  /// Whether `a` lies before `b`.
  public static func before(_ a: UInt32, _ b: UInt32) -> Bool { Int32(bitPattern: a &- b) < 0 }
  /// Whether `a` lies after `b`.
  public static func after(_ a: UInt32, _ b: UInt32) -> Bool { before(b, a) }
}
