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
    connection, queue, link, neighbour, service, server,
    message(0x300, [2, 0, 0, 3] + attribute(1, [0, 0, 1, 7, 8, 0, 4])),
  ]

  private static func nest(_ type: UInt16, _ parts: [UInt8]...) -> [UInt8] {
    attribute(type | 0x8000, parts.flatMap { $0 })
  }

  private static func tuple(_ type: UInt16, _ one: UInt8, _ other: UInt8, _ ports: [UInt8]) -> [UInt8] {
    nest(
      type, nest(1, attribute(1, [198, 18, 0, one]), attribute(2, [198, 18, 0, other])),
      nest(2, attribute(1, [6]), attribute(2, Array(ports[..<2])), attribute(3, Array(ports[2...]))))
  }

  /// An entry of conntrack, a netem with a rate, a link, a neighbour, a service of IPVS and a server of one.
  private static let connection = message(
    0x100,
    [2, 0, 0, 0] + tuple(1, 2, 1, [0x9c, 0xb0, 0x1f, 0x40]) + tuple(2, 1, 2, [0x1f, 0x40, 0x9c, 0xb0])
      + attribute(3, [0, 0, 0, 0x0e]) + nest(4, nest(1, attribute(1, [3]))) + attribute(7, [0, 0, 0, 100]))

  private static let queue = message(
    36,
    [0, 0, 0, 0] + little(UInt32(100)) + little(UInt32(0x8001_0000)) + little(UInt32.max) + little(UInt32(2))
      + attribute(1, Array("netem\0".utf8))
      + attribute(
        2,
        [312_500, 50, 429_496_730, 1, 0, 0].flatMap { little(UInt32($0)) }
          + attribute(3, little(UInt32(1_073_741_824)) + little(UInt32(0)))
          + attribute(6, little(UInt32(125_000)) + [UInt8](repeating: 0, count: 12)))
      + attribute(7, attribute(3, [1, 2, 7].flatMap { little(UInt32($0)) })))

  private static let link = message(
    16,
    [0, 0, 1, 0] + little(UInt32(100)) + little(UInt32(0x1_1043)) + little(UInt32(0))
      + attribute(1, [2, 0, 0, 0, 0, 9]) + attribute(3, Array("eth0\0".utf8)) + attribute(16, [6]))

  private static let neighbour = message(
    28, [2, 0, 0, 0] + little(UInt32(100)) + little(UInt16(2)) + [0, 1] + attribute(1, [198, 18, 0, 77]))

  private static let service = message(
    0x20,
    [1, 1, 0, 0]
      + nest(
        1, attribute(1, little(UInt16(2))),
        attribute(3, [198, 18, 0, 100] + [UInt8](repeating: 0, count: 12)), attribute(4, [0, 80]),
        attribute(6, Array("wrr\0".utf8)), attribute(7, little(UInt32(0x1b)) + little(UInt32.max)),
        attribute(8, little(UInt32(60)))))

  private static let server = message(
    0x20,
    [5, 1, 0, 0]
      + nest(
        2, attribute(1, [198, 18, 0, 101] + [UInt8](repeating: 0, count: 12)), attribute(2, [0x1f, 0x90]),
        attribute(3, little(UInt32(0))), attribute(4, little(UInt32(9))), attribute(7, little(UInt32(4)))))

  @Test func listsAreRead() throws {
    let read = NetlinkMessages.everyReading(of: Self.answers.flatMap { $0 }).joined(separator: "\n")
    for words in [
      "ESTABLISHED", "198.18.0.2:40112 > 198.18.0.1:8000", "drops: 7", "delay: 20", "loss: 10.0",
      "reorder: 25.0",
      "rate: Optional(1000000)", "name: \"eth0\"", "hasCarrier: true", "[198, 18, 0, 77]",
      "scheduler: \"wrr\"",
      "persistence: Optional(60)", "address: \"198.18.0.101\", port: 8080", "weight: 9, active: 4",
    ] {
      #expect(read.contains(words), "\(words) is not in \(read)")
    }
  }

  @Test func wholeAnswersAreRead() throws {
    let read = NetlinkMessages.everyReading(of: Self.answers.flatMap { $0 })
    #expect(read.contains { $0.hasSuffix("Network is unreachable (no way)") || $0.contains("no way") })
    #expect(read.contains { $0.contains("TIME-WAIT") && $0.contains("milliseconds: 59000") })
    #expect(read.contains("insert_failed 258"))
    #expect(read.contains("drop 1"))
    #expect(read.contains("packet 263"))
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
