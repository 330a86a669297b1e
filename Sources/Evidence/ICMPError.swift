/// An ICMP or ICMPv6 error about a TCP segment, decoded from a captured packet (RFC 792, RFC 4443).
public struct ICMPError: Sendable, Equatable {
  /// The node whose interface saw it.
  public var node: String
  /// Nanoseconds since 1970.
  public var time: Int64
  /// Whether that node sent it.
  public var outgoing: Bool
  /// Who says it.
  public var source: String
  /// Whom it is told.
  public var destination: String
  /// ICMP_DEST_UNREACH is 3, ICMPV6_DEST_UNREACH 1.
  public var type: Int
  public var code: Int
  /// The segment that it is about.
  public var segmentSource: String
  public var segmentSourcePort: Int
  public var segmentDestination: String
  public var segmentDestinationPort: Int
  public var sequence: UInt32
  /// Whether it is ICMP, and not ICMPv6.
  public private(set) var isIPv4: Bool

  /// Decodes Ethernet, IPv4 or IPv6 without extension headers, ICMP, and the first bytes of a TCP segment in it; nil
  /// for anything else, and for what is no error (echo, neighbours).
  public init?(_ packet: Packet) {
    let bytes = [UInt8](packet.bytes)
    func u16(_ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
    guard bytes.count >= 14 else { return nil }
    guard let outer = Header(bytes, at: 14, version: u16(12) == 0x0800 ? 4 : u16(12) == 0x86dd ? 6 : 0) else {
      return nil
    }
    // ICMP: unreachable, source quench, time exceeded, parameter problem. ICMPv6: below 128 are errors.
    guard bytes.count >= outer.inner + 8 else { return nil }
    let type = Int(bytes[outer.inner])
    switch outer.next {
    case 1 where [3, 4, 11, 12].contains(type): isIPv4 = true
    case 58 where (1...127).contains(type): isIPv4 = false
    default: return nil
    }
    guard let inner = Header(bytes, at: outer.inner + 8, version: isIPv4 ? 4 : 6), inner.next == 6,
      bytes.count >= inner.inner + 8
    else { return nil }
    node = packet.node
    time = packet.time
    outgoing = packet.outgoing
    (source, destination) = (outer.source, outer.destination)
    self.type = type
    code = Int(bytes[outer.inner + 1])
    (segmentSource, segmentDestination) = (inner.source, inner.destination)
    (segmentSourcePort, segmentDestinationPort) = (u16(inner.inner), u16(inner.inner + 2))
    sequence = UInt32(u16(inner.inner + 4)) << 16 | UInt32(u16(inner.inner + 6))
  }

  /// What connect(2) makes of it while it waits (`tcp_v4_err`, `tcp_v6_err`); nil where it goes on.
  public var errno: String? {
    func named(_ names: [String?]) -> String? { names.indices.contains(code) ? names[code] : nil }
    return switch (isIPv4, type) {
    case (true, 3): named(Self.unreachable)
    case (true, 12), (false, 4): "EPROTO"
    case (true, 11), (false, 3): "EHOSTUNREACH"
    case (false, 1): named(Self.unreachable6)
    default: nil
    }
  }

  /// By code: `icmp_err_convert`, net/ipv4/icmp.c. That a packet was too long ends nothing.
  private static let unreachable: [String?] = [
    "ENETUNREACH", "EHOSTUNREACH", "ENOPROTOOPT", "ECONNREFUSED", nil, "EOPNOTSUPP", "ENETUNREACH",
    "EHOSTDOWN",
    "ENONET", "ENETUNREACH", "EHOSTUNREACH", "ENETUNREACH", "EHOSTUNREACH", "EHOSTUNREACH", "EHOSTUNREACH",
    "EHOSTUNREACH",
  ]
  /// By code: `tab_unreach`, net/ipv6/icmp.c.
  private static let unreachable6: [String?] = [
    "ENETUNREACH", "EACCES", "EHOSTUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "EACCES", "EACCES",
  ]

  /// `icmp type 3 code 3`
  public var words: String { "\(isIPv4 ? "icmp" : "icmp6") type \(type) code \(code)" }
}

/// An IP header: who, to whom, which protocol and where that begins.
private struct Header {
  var source: String
  var destination: String
  var next: Int
  var inner: Int

  init?(_ bytes: [UInt8], at: Int, version: Int) {
    switch version {
    case 4:
      guard bytes.count >= at + 20 else { return nil }
      source = bytes[at + 12..<at + 16].map(String.init).joined(separator: ".")
      destination = bytes[at + 16..<at + 20].map(String.init).joined(separator: ".")
      (next, inner) = (Int(bytes[at + 9]), at + Int(bytes[at] & 0xf) * 4)
    case 6:
      guard bytes.count >= at + 40 else { return nil }
      source = Segment.ipv6(bytes[at + 8..<at + 24])
      destination = Segment.ipv6(bytes[at + 24..<at + 40])
      (next, inner) = (Int(bytes[at + 6]), at + 40)
    default: return nil
    }
  }
}
