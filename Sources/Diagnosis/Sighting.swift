import Evidence

/// An IPv4 address, or an IPv6 one, in two words.
struct Address: Hashable, Comparable, CustomStringConvertible {
  var high: UInt64
  var low: UInt64

  /// ::ffff:0:0/96 (RFC 4291, 2.5.5.2).
  private static let mapped: UInt64 = 0xffff_0000_0000

  init(ipv4: UInt32) { (high, low) = (0, Self.mapped | UInt64(ipv4)) }
  init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

  var isIPv4: Bool { high == 0 && low >> 32 == Self.mapped >> 32 }

  static func < (a: Address, b: Address) -> Bool { (a.high, a.low) < (b.high, b.low) }

  /// `198.18.0.2`, and RFC 5952 for IPv6.
  var description: String {
    if isIPv4 { return (0..<4).map { String(low >> (24 - 8 * $0) & 0xff) }.joined(separator: ".") }
    return Segment.ipv6(
      groups: [high, low].flatMap { word in
        (0..<4).map { UInt16(truncatingIfNeeded: word >> (48 - 16 * $0)) }
      })
  }
}

/// An address and a port.
struct Endpoint: Hashable, Comparable, CustomStringConvertible {
  var address: Address
  var port: UInt16

  static func < (a: Endpoint, b: Endpoint) -> Bool { (a.address, a.port) < (b.address, b.port) }

  /// `198.18.0.2:40000`, `[2001:2::2]:40000`
  var description: String { address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}

/// A TCP segment as some interface saw it.
struct Sighting {
  struct Flags: OptionSet {
    let rawValue: UInt8
    static let fin = Flags(rawValue: 0x01)
    static let syn = Flags(rawValue: 0x02)
    static let rst = Flags(rawValue: 0x04)
    static let ack = Flags(rawValue: 0x10)
  }

  var time: Int64 = 0
  var interface = 0
  var outgoing: Bool?
  var source: Endpoint
  var destination: Endpoint
  var sequence: UInt32 = 0
  var acknowledgement: UInt32 = 0
  var flags: Flags = []
  var payload = 0
  /// Hop limit of IPv6.
  var ttl: UInt8 = 0
  /// Of IPv4; 0 for IPv6.
  var identification: UInt16 = 0
  /// nil without the option, and where the capture was cut before it.
  var tsval: UInt32?
  var tsecr: UInt32?
  var scales = false
  var permitsSACK = false

  var isSYN: Bool { flags.contains(.syn) && !flags.contains(.ack) }
  var isSYNACK: Bool { flags.contains([.syn, .ack]) }
  var isReset: Bool { flags.contains(.rst) }
  /// Neither data nor anything else.
  var isBareAck: Bool { payload == 0 && flags.contains(.ack) && flags.isDisjoint(with: [.syn, .fin, .rst]) }
  /// The sequence number behind it.
  var next: UInt32 {
    sequence &+ UInt32(truncatingIfNeeded: payload) &+ (flags.contains(.syn) ? 1 : 0)
      &+ (flags.contains(.fin) ? 1 : 0)
  }
}

/// An ICMP error about a TCP segment.
struct Complaint {
  var time: Int64
  /// Who says it.
  var from: Address
  var isIPv4: Bool
  var type: UInt8
  var code: UInt8
  /// The ends of the segment that it is about.
  var source: Endpoint
  var destination: Endpoint
  var sequence: UInt32

  /// `port unreachable`, `administratively prohibited` (RFC 792, RFC 1812, RFC 4443).
  var words: String { Self.words(isIPv4: isIPv4, type: type, code: code) }

  static func words(isIPv4: Bool, type: UInt8, code: UInt8) -> String {
    let names: [UInt8: String] =
      isIPv4
      ? [
        0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
        4: "fragmentation needed", 9: "network prohibited", 10: "host prohibited",
        13: "administratively prohibited",
      ]
      : [
        0: "no route", 1: "administratively prohibited", 3: "address unreachable", 4: "port unreachable",
        5: "source address failed policy", 6: "route rejected",
      ]
    if type == (isIPv4 ? 3 : 1), let name = names[code] { return "ICMP \(name)" }
    if type == (isIPv4 ? 11 : 3) { return "ICMP time exceeded" }
    return "ICMP type \(type) code \(code)"
  }

  /// Whether a connect(2) that waits ends by it (icmp_err_convert, net/ipv4/icmp.c; tcp_v4_err).
  var ends: Bool {
    if isIPv4 { return type == 3 && code != 4 }
    return type == 1 || type == 4
  }
}
