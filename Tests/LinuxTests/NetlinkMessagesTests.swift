import Netlink
import Testing

/// What a kernel answers is read as bytes that may be anything.
@Suite struct NetlinkMessagesTests {
  private static func message(
    _ type: UInt16, flags: UInt16 = 0, _ payload: [UInt8], claims: UInt32? = nil
  ) -> [UInt8] {
    let length = claims ?? UInt32(16 + payload.count)
    let header = little(length) + little(type) + little(flags) + little(UInt32(7)) + little(UInt32(0))
    return header + payload + [UInt8](repeating: 0, count: -payload.count & 3)
  }

  private static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
    little(UInt16(4 + value.count)) + little(type) + value + [UInt8](repeating: 0, count: -value.count & 3)
  }

  private static func little(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  /// A refusal in the kernel's words, a TIME_WAIT socket, conntrack's statistics of one processor.
  static let answers: [[UInt8]] = [
    message(
      2, flags: 0x300,
      little(Int32(-101)) + [UInt8](repeating: 0, count: 16) + attribute(1, Array("no way\0".utf8))),
    message(
      20,
      [10, 6, 0, 0] + [UInt8](repeating: 1, count: 48) + little(UInt32(59_000))
        + [UInt8](repeating: 0, count: 16)),
    message(0x105, [0, 0, 0, 0] + attribute(9, [0, 0, 1, 2]) + attribute(10, [0, 0, 0, 1])),
  ]

  @Test func wholeAnswersAreRead() throws {
    let read = NetlinkMessages.everyReading(of: Self.answers.flatMap { $0 })
    #expect(read.contains { $0.hasSuffix("Network is unreachable (no way)") || $0.contains("no way") })
    #expect(read.contains { $0.contains("TIME-WAIT") && $0.contains("milliseconds: 59000") })
    #expect(read.contains("insert_failed 258"))
    #expect(read.contains("drop 1"))
  }

  /// Each was a read past the end, or an overflow.
  @Test(arguments: [
    (message(2, []), "an ack without a code"),
    (message(2, [0xff]), "an ack without a code"),
    (message(2, little(Int32.min)), "netlink(request)"),
    (message(2, flags: 0x200, little(Int32(-1)) + little(UInt32.max)), "netlink(request)"),
  ])
  func anAckThatIsCutShortIsAnError(bytes: [UInt8], words: String) {
    #expect(NetlinkMessages.everyReading(of: bytes).contains { $0.contains(words) })
  }

  @Test(arguments: [15, 0, .max] as [UInt32])
  func aLengthThatCannotBeEndsTheReading(claims: UInt32) {
    #expect(NetlinkMessages.everyReading(of: Self.message(20, [1, 2, 3, 4], claims: claims)).isEmpty)
  }

  /// Real answers with bytes changed, cut or repeated, and noise.
  @Test func arbitraryBytesAreRead() {
    var random = SystemRandomNumberGenerator()
    var found = 0
    for round in 0..<2_000 {
      var bytes =
        round % 4 == 0
        ? (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        : Self.answers.shuffled().flatMap { $0 }
      for _ in 0..<Int.random(in: 0...8, using: &random) where !bytes.isEmpty {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0...bytes.count, using: &random)) }
      found += NetlinkMessages.everyReading(of: bytes).count
    }
    #expect(found > 2_000, "most of what is read is no message, and nothing was tried")
  }
}
