import Testing

@testable import Netlink

/// What makes a packet the same when it is sent again.
@Suite struct HeldSegmentTests {
  private let ports: [UInt8] = [0x9c, 0x40, 0x1f, 0x40]

  private func ipv4(_ sequence: UInt8, ttl: UInt8 = 64, id: UInt8 = 1, options: Int = 0) -> [UInt8] {
    let header = [0x45 + UInt8(options), 0, 0, 60, 0, id, 0, 0, ttl, 6, 0, 0, 198, 18, 0, 2, 198, 19, 0, 2]
    return header + [UInt8](repeating: 1, count: options * 4) + ports + [0, 0, 0, sequence] + [0, 0, 0, 0]
  }

  @Test func sentAgainItIsTheSame() {
    let first = PacketQueue.segment(ipv4(7))
    #expect(first == [198, 18, 0, 2, 198, 19, 0, 2] + ports + [0, 0, 0, 7])
    #expect(PacketQueue.segment(ipv4(7, ttl: 3, id: 9)) == first)
    #expect(PacketQueue.segment(ipv4(7, options: 2)) == first)
    #expect(PacketQueue.segment(ipv4(8)) != first)
  }

  @Test func ofIPv6TooAndOfNothingElse() {
    let addresses = (0..<32).map { UInt8($0) }
    let ipv6: [UInt8] = [0x60, 0, 0, 0, 0, 40, 6, 64] + addresses + ports + [0, 0, 0, 7]
    #expect(PacketQueue.segment(ipv6) == addresses + ports + [0, 0, 0, 7])
    var udp = ipv6
    udp[6] = 17
    #expect(PacketQueue.segment(udp) == nil)
    for count in 0..<ipv6.count { #expect(PacketQueue.segment(Array(ipv6[..<count])) == nil) }
    // A header that is shorter than a header.
    #expect(PacketQueue.segment([0x41] + ipv4(7).dropFirst()) == nil)
  }
}
