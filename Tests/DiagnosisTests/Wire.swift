import Diagnosis

/// Packets and capture files by hand, of every shape that tcpdump writes.
enum Wire {
  static func big(_ number: Int, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * (size - 1 - $0))) }
  }
  static func little(_ number: Int, _ size: Int) -> [UInt8] { big(number, size).reversed() }

  static let client: [UInt8] = [10, 1, 0, 2]
  static let server: [UInt8] = [10, 2, 0, 2]

  /// A TCP header with a timestamp, and a payload.
  static func tcp(
    from: Int, to: Int, seq: Int, ack: Int, flags: Int, tsval: Int = 7, tsecr: Int = 0, payload: Int = 0
  ) -> [UInt8] {
    big(from, 2) + big(to, 2) + big(seq, 4) + big(ack, 4) + [0x80, UInt8(flags)] + big(64_240, 2) + big(0, 4)
      + [1, 1, 8, 10] + big(tsval, 4) + big(tsecr, 4) + [UInt8](repeating: 0x61, count: payload)
  }

  static func ipv4(
    _ source: [UInt8], _ destination: [UInt8], _ content: [UInt8], proto: UInt8 = 6, ttl: UInt8 = 64,
    id: Int = 1
  ) -> [UInt8] {
    [0x45, 0] + big(20 + content.count, 2) + big(id, 2) + [0x40, 0, ttl, proto, 0, 0] + source + destination
      + content
  }

  static func ipv6(_ source: [UInt8], _ destination: [UInt8], _ content: [UInt8], next: UInt8 = 6) -> [UInt8]
  {
    let prefix: [UInt8] = [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 8)
    return [0x60, 0, 0, 0] + big(content.count, 2) + [next, 64] + prefix + source + prefix + destination
      + content
  }

  /// A link type, and what is before IP on it.
  struct Link {
    var name: String
    var number: Int
    /// By version, 4 or 6, and by whether the capturing machine sends.
    var header: @Sendable (Int, Bool) -> [UInt8]
    /// What comes around the packet inside that.
    var wrap: @Sendable ([UInt8]) -> [UInt8] = { $0 }

    static func type(_ version: Int) -> [UInt8] { version == 4 ? [8, 0] : [0x86, 0xdd] }
    private static let addresses = [UInt8](repeating: 2, count: 12)

    static let all: [Link] = [
      Link(name: "Ethernet", number: 1) { version, _ in addresses + type(version) },
      Link(name: "VLAN", number: 1) { version, _ in addresses + [0x81, 0, 0, 5] + type(version) },
      Link(name: "QinQ", number: 1) { version, _ in
        addresses + [0x88, 0xa8, 0, 6, 0x81, 0, 0, 5] + type(version)
      },
      Link(name: "MPLS", number: 1) { _, _ in addresses + [0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64] },
      Link(name: "PPPoE", number: 1) { version, _ in
        addresses + [0x88, 0x64, 0x11, 0, 0, 1, 0, 99, 0, version == 4 ? 0x21 : 0x57]
      },
      Link(name: "SLL", number: 113) { version, sends in
        [0, sends ? 4 : 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0] + type(version)
      },
      Link(name: "SLL2", number: 276) { version, sends in
        type(version) + [0, 0, 0, 0, 0, 3, 0, 1, sends ? 4 : 0, 6, 2, 2, 2, 2, 2, 2, 0, 0]
      },
      Link(name: "RAW", number: 101) { _, _ in [] },
      Link(name: "DLT_RAW", number: 12) { _, _ in [] },
      Link(name: "NULL", number: 0) { version, _ in [version == 4 ? 2 : 10, 0, 0, 0] },
      Link(name: "LOOP", number: 108) { version, _ in [0, 0, 0, version == 4 ? 2 : 24] },
      Link(name: "PPP", number: 9) { version, _ in [0xff, 3, 0, version == 4 ? 0x21 : 0x57] },
      Link(
        name: "IPIP", number: 1, header: { _, _ in addresses + [8, 0] },
        wrap: { ipv4([192, 0, 2, 1], [192, 0, 2, 2], $0, proto: $0[0] >> 4 == 4 ? 4 : 41) }),
      Link(
        name: "GRE", number: 1, header: { _, _ in addresses + [8, 0] },
        wrap: {
          ipv4(
            [192, 0, 2, 1], [192, 0, 2, 2], [0x20, 0] + type(Int($0[0] >> 4)) + big(1, 4) + $0, proto: 47)
        }),
    ]
  }

  struct Packet {
    var microseconds: Int
    var fromClient: Bool
    var bytes: [UInt8]
  }

  /// TCP between port 40000 of the client and 8000 of the server.
  private static func content(
    _ fromClient: Bool, seq: Int, ack: Int, _ flags: Int, tsval: Int, tsecr: Int, payload: Int
  ) -> [UInt8] {
    tcp(
      from: fromClient ? 40_000 : 8000, to: fromClient ? 8000 : 40_000, seq: seq, ack: ack, flags: flags,
      tsval: tsval, tsecr: tsecr, payload: payload)
  }

  /// One more packet of a conversation in IPv4.
  static func say(
    _ packets: inout [Packet], _ time: Int, _ fromClient: Bool, seq: Int, ack: Int, _ flags: Int, tsval: Int,
    tsecr: Int, payload: Int = 0, ttl: UInt8 = 64
  ) {
    let content = content(fromClient, seq: seq, ack: ack, flags, tsval: tsval, tsecr: tsecr, payload: payload)
    let (from, to) = fromClient ? (client, server) : (server, client)
    packets.append(
      Packet(
        microseconds: time, fromClient: fromClient,
        bytes: ipv4(from, to, content, ttl: ttl, id: packets.count + 1)))
  }

  /// Of a conversation with a server that has been closed before it: a SYN whose timestamp is older meets TIME_WAIT.
  static func clash(_ version: Int, connects: Bool = true) -> [Packet] {
    var packets: [Packet] = []
    func say(
      _ time: Int, _ fromClient: Bool, seq: Int, ack: Int, _ flags: Int, tsval: Int, tsecr: Int,
      payload: Int = 0
    ) {
      let content = content(
        fromClient, seq: seq, ack: ack, flags, tsval: tsval, tsecr: tsecr, payload: payload)
      let (a, b) = fromClient ? (client, server) : (server, client)
      packets.append(
        Packet(
          microseconds: time, fromClient: fromClient,
          bytes: version == 4
            ? ipv4(a, b, content, ttl: fromClient ? 63 : 64, id: packets.count + 1) : ipv6(a, b, content)))
    }
    say(0, true, seq: 100, ack: 0, 0x02, tsval: 900_000, tsecr: 0)
    say(100, false, seq: 500, ack: 101, 0x12, tsval: 1, tsecr: 900_000)
    say(200, true, seq: 101, ack: 501, 0x10, tsval: 900_000, tsecr: 1)
    say(300, true, seq: 101, ack: 501, 0x18, tsval: 900_000, tsecr: 1, payload: 200)
    say(400, false, seq: 501, ack: 301, 0x11, tsval: 2, tsecr: 900_000)
    say(500, true, seq: 301, ack: 502, 0x11, tsval: 900_001, tsecr: 2)
    say(600, false, seq: 502, ack: 302, 0x10, tsval: 3, tsecr: 900_001)
    say(10_000, true, seq: 70_000, ack: 0, 0x02, tsval: 300_000, tsecr: 0)
    say(10_100, false, seq: 502, ack: 302, 0x10, tsval: 4, tsecr: 900_001)
    say(10_200, true, seq: 302, ack: 0, 0x04, tsval: 0, tsecr: 0)
    if connects {
      say(22_000, true, seq: 70_000, ack: 0, 0x02, tsval: 300_012, tsecr: 0)
      say(22_100, false, seq: 9000, ack: 70_001, 0x12, tsval: 9, tsecr: 300_012)
      say(22_200, true, seq: 70_001, ack: 9001, 0x10, tsval: 300_012, tsecr: 9)
      say(22_300, true, seq: 70_001, ack: 9001, 0x18, tsval: 300_012, tsecr: 9, payload: 10)
      say(22_400, false, seq: 9001, ack: 70_011, 0x18, tsval: 10, tsecr: 300_012, payload: 10)
    }
    return packets
  }

  enum File: String, CaseIterable {
    case pcap, pcapNanoseconds, pcapBig, pcapNanosecondsBig, pcapng, pcapngBig, pcapngTicks
  }

  /// A capture file.
  static func file(_ kind: File, _ link: Link, _ packets: [Packet], version: Int, snap: Int = 65_535)
    -> [UInt8]
  {
    let isBig = [.pcapBig, .pcapNanosecondsBig, .pcapngBig].contains(kind)
    let isNano = [.pcapNanoseconds, .pcapNanosecondsBig].contains(kind)
    func n(_ number: Int, _ size: Int) -> [UInt8] { isBig ? big(number, size) : little(number, size) }
    func frame(_ packet: Packet) -> (kept: [UInt8], whole: Int) {
      let whole = link.header(version, !packet.fromClient) + link.wrap(packet.bytes)
      return (Array(whole.prefix(snap)), whole.count)
    }
    if [.pcapng, .pcapngBig, .pcapngTicks].contains(kind) {
      func block(_ type: Int, _ body: [UInt8]) -> [UInt8] {
        let padded = body + [UInt8](repeating: 0, count: -body.count & 3)
        return n(type, 4) + n(padded.count + 12, 4) + padded + n(padded.count + 12, 4)
      }
      // 2^-20 s, and microseconds where nothing is said.
      let options = kind == .pcapngTicks ? n(9, 2) + n(1, 2) + [0x94, 0, 0, 0] + n(0, 4) : []
      var bytes = block(
        0x0a0d_0d0a, n(0x1a2b_3c4d, 4) + n(1, 2) + n(0, 2) + [UInt8](repeating: 0xff, count: 8))
      bytes += block(5, [1, 2, 3, 4])
      bytes += block(1, n(link.number, 2) + n(0, 2) + n(snap, 4) + options)
      for packet in packets {
        let (kept, whole) = frame(packet)
        let time = packet.microseconds + 1_700_000_000_000_000
        let ticks = kind == .pcapngTicks ? time / 1_000_000 << 20 + time % 1_000_000 << 20 / 1_000_000 : time
        bytes += block(
          6, n(0, 4) + n(ticks >> 32, 4) + n(ticks & 0xffff_ffff, 4) + n(kept.count, 4) + n(whole, 4) + kept)
      }
      return bytes
    }
    var bytes =
      n(isNano ? 0xa1b2_3c4d : 0xa1b2_c3d4, 4) + n(2, 2) + n(4, 2) + n(0, 8) + n(snap, 4) + n(link.number, 4)
    for packet in packets {
      let (kept, whole) = frame(packet)
      bytes +=
        n(1_700_000_000, 4) + n(packet.microseconds * (isNano ? 1000 : 1), 4) + n(kept.count, 4) + n(whole, 4)
        + kept
    }
    return bytes
  }

  /// What diagnose makes of a capture.
  static func answer(_ captures: [UInt8]..., pieces: Int = 1000, at place: View? = nil) throws -> Answer {
    var incident = Incident(at: place)
    for (index, bytes) in captures.enumerated() {
      var stream = Incident.CaptureStream(file: "\(index)")
      for start in stride(from: 0, to: bytes.count, by: pieces) {
        try bytes[start..<min(start + pieces, bytes.count)].withUnsafeBytes { try stream.add($0) }
      }
      incident.add(stream, file: "\(index)")
    }
    return incident.answer()
  }
}
