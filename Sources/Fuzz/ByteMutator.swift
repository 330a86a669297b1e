/// Changes bytes without knowing what they mean.
enum ByteMutator {
  /// Numbers at which arithmetic turns: of 8, 16, 32 and 64 bits.
  static let extremes: [UInt64] = [
    0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000,
    0xffff_fffc, 0xffff_fffd, 0xffff_ffff, 0x1_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, .max,
  ]

  /// One change.
  static func change(_ bytes: inout [UInt8], by dice: inout Dice) {
    guard !bytes.isEmpty else {
      bytes = [UInt8(truncatingIfNeeded: dice.next())]
      return
    }
    switch dice.below(8) {
    case 0: bytes[dice.below(bytes.count)] ^= 1 << UInt8(dice.below(8))
    case 1: bytes[dice.below(bytes.count)] = UInt8(truncatingIfNeeded: dice.next())
    case 2:
      write(
        dice.pick(extremes), dice.pick([1, 2, 4, 8]), dice.once(in: 2), at: dice.below(bytes.count),
        in: &bytes)
    case 3: bytes.removeSubrange(dice.range(in: bytes.count))
    case 4:
      bytes.insert(contentsOf: Array(bytes[dice.range(in: bytes.count)]), at: dice.below(bytes.count + 1))
    case 5: bytes.removeSubrange(dice.below(bytes.count)...)
    case 6:
      let piece = Array(bytes[dice.range(in: bytes.count)])
      let at = dice.below(bytes.count)
      for (offset, byte) in piece.enumerated() where at + offset < bytes.count { bytes[at + offset] = byte }
    default:
      let count = 1 + dice.below(16)
      bytes.insert(
        contentsOf: (0..<count).map { _ in UInt8(truncatingIfNeeded: dice.next()) },
        at: dice.below(bytes.count + 1))
    }
  }

  /// Writes a number's low bytes over what is there, as far as there is something.
  static func write(_ number: UInt64, _ size: Int, _ isBigEndian: Bool, at: Int, in bytes: inout [UInt8]) {
    for index in 0..<size where at + index < bytes.count {
      let shift = UInt64(8 * (isBigEndian ? size - 1 - index : index))
      bytes[at + index] = UInt8(truncatingIfNeeded: number >> shift)
    }
  }

  /// A number of bytes that are there.
  static func read(_ size: Int, _ isBigEndian: Bool, at: Int, in bytes: [UInt8]) -> Int {
    var number: UInt64 = 0
    for index in 0..<size where at + index < bytes.count {
      let shift = UInt64(8 * (isBigEndian ? size - 1 - index : index))
      number |= UInt64(bytes[at + index]) << shift
    }
    return Int(truncatingIfNeeded: number)
  }
}
