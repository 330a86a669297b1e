import Evidence
import Foundation
import Model
import Testing

/// Packets to bytes and back.
@Suite struct PcapngTests {
  static let packets = [
    Packet(
      node: "early", interface: "eth0", time: 1_763_900_000_123_456_789, outgoing: true, length: 74,
      bytes: Data((0..<74).map { UInt8($0) })),
    Packet(node: "server", interface: "srv", time: 5, outgoing: false, length: 1500, bytes: Data([1, 2, 3])),
    Packet(node: "early", interface: "eth0", time: 6, outgoing: false, length: 0, bytes: Data()),
  ]

  static func written() -> Data {
    var writer = Pcapng.Writer(.init(comment: "a case\nits settings", system: "Linux 4.9.115"))
    for (index, packet) in packets.enumerated() {
      writer.add(packet, comment: index == 1 ? "SYN, dropped: PAWSPassive +1" : nil)
    }
    return writer.take()
  }

  @Test(arguments: [1, 7, 4096]) func howeverItIsCutItComesBackTheSame(piece: Int) throws {
    let bytes = Self.written()
    var reader = Pcapng.Reader()
    var packets: [Packet] = []
    for start in stride(from: 0, to: bytes.count, by: piece) {
      packets += try reader.add(Data(bytes[start..<min(start + piece, bytes.count)]))
    }
    #expect(packets == Self.packets)
  }

  /// What is spoilt is an error and no crash, wherever it is.
  @Test func aSpoiltByteIsAnErrorOrAnotherPacketAndNeverACrash() {
    let bytes = Self.written()
    var refused = 0
    for at in bytes.indices {
      var spoilt = bytes
      spoilt[at] ^= 0xff
      var reader = Pcapng.Reader()
      do { _ = try reader.add(spoilt) } catch { refused += 1 }
    }
    #expect(refused > 50)
  }
}
