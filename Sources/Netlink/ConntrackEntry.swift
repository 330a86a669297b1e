import CLibNL
import Glibc
import Linux

/// One tracked connection: a line of `conntrack -L -o extended`.
public struct ConntrackEntry: Sendable, Equatable {
  /// One direction's addresses and ports. For ICMP, the ports are 0.
  public struct Tuple: Sendable, Hashable, CustomStringConvertible {
    public var source: String
    public var sourcePort: Int
    public var destination: String
    public var destinationPort: Int

    /// `198.18.0.2:40112 > 198.18.0.1:8000`
    public var description: String {
      SocketAddress.text(source, port: sourcePort) + " > "
        + SocketAddress.text(destination, port: destinationPort)
    }
  }

  /// `IPS_...` of include/uapi/linux/netfilter/nf_conntrack_common.h.
  public struct Status: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A packet of the other direction was seen: not `[UNREPLIED]`.
    public static let seenReply = Status(rawValue: 1 << 1)
    /// Not among the first to go where the table is full: `[ASSURED]`.
    public static let assured = Status(rawValue: 1 << 2)
    /// In the table, not only on a packet's way.
    public static let confirmed = Status(rawValue: 1 << 3)
    /// Its source is translated.
    public static let sourceNAT = Status(rawValue: 1 << 4)
    /// Its destination is translated.
    public static let destinationNAT = Status(rawValue: 1 << 5)
    /// Its sequence numbers are shifted.
    public static let sequenceAdjusted = Status(rawValue: 1 << 6)
    /// Going.
    public static let dying = Status(rawValue: 1 << 9)
    /// Its timeout stands still.
    public static let fixedTimeout = Status(rawValue: 1 << 10)
  }

  /// `tcp`, `udp`, `icmp`, `icmpv6`, or the protocol's number.
  public var transport: String
  /// As the first packet came.
  public var original: Tuple
  /// As its answers come: `original` the other way round where nothing is translated.
  public var reply: Tuple
  /// Of TCP, as `/proc/net/nf_conntrack` writes it: `NONE`, `SYN_SENT`, `SYN_RECV`, `ESTABLISHED`, `FIN_WAIT`,
  /// `CLOSE_WAIT`, `LAST_ACK`, `TIME_WAIT`, `CLOSE`, `SYN_SENT2`; nil for any other protocol.
  public var state: String?
  /// Seconds until it is forgotten.
  public var timeout: Int
  public var status: Status
  /// Mark, 0 for none.
  public var mark: UInt32
  /// Zone, 0 for the usual one.
  public var zone: UInt16
  /// No other entry has it at the same time.
  public var id: UInt32

  /// `tcp ESTABLISHED 198.18.0.2:40112 > 198.18.0.1:8000, 198.18.0.1:8000 > 198.18.0.2:40112 ASSURED`
  public var words: String {
    ([transport, state].compactMap { $0 } + ["\(original), \(reply)"]
      + (status.contains(.assured) ? ["ASSURED"] : [])
      + (status.contains(.seenReply) ? [] : ["UNREPLIED"])).joined(separator: " ")
  }
}

extension ConntrackEntry {
  /// Nil for what is no entry of IP (`ctnetlink_fill_info`).
  init?(_ payload: UnsafeRawBufferPointer) {
    guard let header = payload.structure(nfgenmsg.self),
      [AF_INET, AF_INET6].contains(Int32(header.nfgen_family))
    else { return nil }
    var original: (Tuple, UInt8)?
    var reply: (Tuple, UInt8)?
    self.init(
      transport: "", original: .nowhere, reply: .nowhere, state: nil, timeout: 0, status: [], mark: 0,
      zone: 0, id: 0)
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<nfgenmsg>.size) {
      switch type {
      case 1: original = Self.tuple(value)  // CTA_TUPLE_ORIG
      case 2: reply = Self.tuple(value)  // CTA_TUPLE_REPLY
      case 3: status = Status(rawValue: Self.big(value) ?? 0)  // CTA_STATUS
      case 4: state = Self.state(value)  // CTA_PROTOINFO
      case 7: timeout = Int(Self.big(value) ?? 0)  // CTA_TIMEOUT
      case 8: mark = Self.big(value) ?? 0  // CTA_MARK
      case 12: id = Self.big(value) ?? 0  // CTA_ID
      case 18: zone = value.number(at: 0).map { UInt16(bigEndian: $0) } ?? 0  // CTA_ZONE
      default: break
      }
    }
    guard let original, let reply else { return nil }
    (self.original, self.reply) = (original.0, reply.0)
    transport = Self.names[original.1] ?? "\(original.1)"
  }

  private static func big(_ value: UnsafeRawBufferPointer) -> UInt32? {
    value.number(at: 0).map { UInt32(bigEndian: $0) }
  }

  /// Protocols by number; the other way round for requests.
  static let names: [UInt8: String] = [1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"]

  /// The addresses, the ports, and the protocol's number.
  private static func tuple(_ bytes: UnsafeRawBufferPointer) -> (Tuple, UInt8)? {
    var tuple = Tuple.nowhere
    var transport: UInt8?
    for (type, value) in NetlinkAttributes(bytes, from: 0) {
      for (inner, value) in NetlinkAttributes(value, from: 0) {
        switch (type, inner) {
        // CTA_TUPLE_IP: CTA_IP_V4_SRC, CTA_IP_V6_SRC and the same for the destination.
        case (1, 1), (1, 3): tuple.source = address(value) ?? ""
        case (1, 2), (1, 4): tuple.destination = address(value) ?? ""
        // CTA_TUPLE_PROTO: CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT.
        case (2, 1): transport = value.first
        case (2, 2): tuple.sourcePort = value.number(at: 0).map { Int(UInt16(bigEndian: $0)) } ?? 0
        case (2, 3): tuple.destinationPort = value.number(at: 0).map { Int(UInt16(bigEndian: $0)) } ?? 0
        default: break
        }
      }
    }
    guard let transport, !tuple.source.isEmpty, !tuple.destination.isEmpty else { return nil }
    return (tuple, transport)
  }

  private static func address(_ bytes: UnsafeRawBufferPointer) -> String? {
    bytes.count == 4 || bytes.count == 16
      ? SocketAddress.text(of: Array(bytes), isIPv4: bytes.count == 4) : nil
  }

  private static func state(_ bytes: UnsafeRawBufferPointer) -> String? {
    // CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE
    for (type, value) in NetlinkAttributes(bytes, from: 0) where type == 1 {
      for (type, value) in NetlinkAttributes(value, from: 0) where type == 1 {
        guard let number = value.first, states.indices.contains(Int(number)) else { return nil }
        return states[Int(number)]
      }
    }
    return nil
  }

  /// `enum tcp_conntrack`, as `tcp_conntrack_names` has them.
  private static let states = [
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
    "SYN_SENT2",
  ]
}

extension ConntrackEntry.Tuple {
  fileprivate static let nowhere = Self(source: "", sourcePort: 0, destination: "", destinationPort: 0)
}

extension ConntrackSocket {
  /// `conntrack -L -o extended`: every connection of IPv4 and IPv6, in the order of the kernel's table.
  public func entries() throws -> [ConntrackEntry] {
    var entries: [ConntrackEntry] = []
    let request = try message(IPCTNL_MSG_CT_GET, flags: Int32(NLM_F_DUMP), "conntrack -L")
    try socket.dump(request) { payload in
      if let entry = ConntrackEntry(payload) { entries.append(entry) }
    }
    return entries
  }

  /// Forgets a connection: `conntrack -D -p tcp --orig-src .. --orig-dst .. --orig-port-src .. --orig-port-dst ..`
  ///
  /// By its tuple and its number, so that none is meant that has come in its place. Whether it was still there.
  @discardableResult public func delete(_ entry: ConntrackEntry) throws -> Bool {
    try delete(entry.original, transport: entry.transport, zone: entry.zone, id: entry.id)
  }

  /// The same by the addresses and ports of the first packet, for TCP.
  @discardableResult public func delete(_ original: ConntrackEntry.Tuple) throws -> Bool {
    try delete(original, transport: "tcp", zone: 0, id: nil)
  }

  private func delete(
    _ tuple: ConntrackEntry.Tuple, transport: String, zone: UInt16, id: UInt32?
  ) throws -> Bool {
    let name = "conntrack -D \(transport) \(tuple)"
    let isIPv6 = tuple.source.contains(":")
    let addresses = try [tuple.source, tuple.destination].map { try SocketAddress($0, port: 0).address }
    let number = ConntrackEntry.names.first { $0.value == transport }?.key ?? UInt8(transport) ?? 0
    let message = try message(IPCTNL_MSG_CT_DELETE, flags: 0, family: isIPv6 ? AF_INET6 : AF_INET, name)
    let pointer = message.pointer
    let outer = nla_nest_start(pointer, 1)  // CTA_TUPLE_ORIG
    let ip = nla_nest_start(pointer, 1)  // CTA_TUPLE_IP
    for (index, var bytes) in addresses.enumerated() {
      nla_put(pointer, Int32((isIPv6 ? 3 : 1) + index), Int32(bytes.count), &bytes)
    }
    nla_nest_end(pointer, ip)
    let proto = nla_nest_start(pointer, 2)  // CTA_TUPLE_PROTO
    nla_put_u8(pointer, 1, number)
    nla_put_u16(pointer, 2, UInt16(clamping: tuple.sourcePort).bigEndian)
    nla_put_u16(pointer, 3, UInt16(clamping: tuple.destinationPort).bigEndian)
    nla_nest_end(pointer, proto)
    nla_nest_end(pointer, outer)
    if zone != 0 { nla_put_u16(pointer, 18, zone.bigEndian) }
    if let id { nla_put_u32(pointer, 12, id.bigEndian) }
    do { try socket.commit([message]) } catch let error as SystemError
      where error.errno == .noSuchFileOrDirectory
    {
      return false
    }
    return true
  }

  /// How many connections there are: `conntrack -C`, `net.netfilter.nf_conntrack_count`.
  public func count() throws -> Int {
    var count: UInt32?
    let request = try message(IPCTNL_MSG_CT_GET_STATS, flags: 0, "conntrack -C")
    try socket.get(request) { payload in
      for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<nfgenmsg>.size) where type == 1 {
        count = value.number(at: 0).map { UInt32(bigEndian: $0) }  // CTA_STATS_GLOBAL_ENTRIES
      }
    }
    return Int(count ?? 0)
  }

  /// How many there may be, in all namespaces of the kernel each: `net.netfilter.nf_conntrack_max`, of the namespace
  /// that the calling thread is in. One setting for the whole kernel; only the first namespace may write it.
  public static func maximum() throws -> Int { Int(try Sysctl.read("net/netfilter/nf_conntrack_max")) ?? 0 }
}
