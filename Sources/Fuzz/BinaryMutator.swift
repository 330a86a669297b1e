/// Changes binary formats where it hurts: the numbers that say how long something is, where it lies, how many there are.
enum BinaryMutator {
  /// A place at which a number lies.
  typealias Field = (at: Int, size: Int, isBigEndian: Bool)

  /// One change; most often of a field.
  static func change(_ bytes: inout [UInt8], _ fields: [Field], by dice: inout Dice) {
    guard !fields.isEmpty, !dice.once(in: 3) else { return ByteMutator.change(&bytes, by: &dice) }
    let (at, size, isBigEndian) = dice.pick(fields)
    let now = ByteMutator.read(size, isBigEndian, at: at, in: bytes)
    let number: UInt64 =
      switch dice.below(4) {
      case 0: dice.pick(ByteMutator.extremes)
      case 1: UInt64(truncatingIfNeeded: now &+ dice.below(17) &- 8)
      case 2: UInt64(truncatingIfNeeded: now &+ bytes.count)
      default: UInt64(dice.below(max(1, bytes.count)))
      }
    ByteMutator.write(number, size, isBigEndian, at: at, in: &bytes)
  }

  /// pcapng: types, lengths at both ends, options, interface numbers, times.
  static func capture(_ bytes: [UInt8]) -> [Field] {
    var fields: [Field] = []
    var at = 0
    while at + 12 <= bytes.count, fields.count < 4_000 {
      let length = ByteMutator.read(4, false, at: at + 4, in: bytes)
      guard length >= 12, at + length <= bytes.count else { break }
      fields += [(at, 4, false), (at + 4, 4, false), (at + length - 4, 4, false)]
      for offset in stride(from: 8, to: min(length - 4, 28), by: 4) { fields.append((at + offset, 4, false)) }
      for offset in stride(from: 28, to: min(length - 4, 120), by: 2) {
        fields.append((at + offset, 2, true))
      }
      at += length
    }
    return fields
  }

  /// pcap: the file's header, each packet's, and what its links and protocols begin with.
  static func savefile(_ bytes: [UInt8]) -> [Field] {
    var fields: [Field] = stride(from: 0, to: 24, by: 4).map { ($0, 4, false) }
    let isBig = bytes.starts(with: [0xa1])
    var at = 24
    while at + 16 <= bytes.count, fields.count < 4_000 {
      let count = ByteMutator.read(4, isBig, at: at + 8, in: bytes)
      for offset in stride(from: 0, to: 16, by: 4) { fields.append((at + offset, 4, isBig)) }
      for offset in stride(from: 0, to: min(count, 96), by: 2) { fields.append((at + 16 + offset, 2, true)) }
      guard count >= 0, count < bytes.count else { break }
      at += 16 + count
    }
    return fields.filter { $0.at < bytes.count }
  }

  /// ELF64 headers, program headers and section headers; the setup header of a bzImage.
  static func image(_ bytes: [UInt8]) -> [Field] {
    var fields: [Field] = []
    for at in [0x1f1, 0x1fe, 0x202, 0x206, 0x20e, 0x211, 0x230, 0x236, 0x248, 0x24c, 0x258, 0x260] {
      fields.append((at, 4, false))
    }
    for at in stride(from: 0x10, to: 0x40, by: 2) { fields.append((at, 2, false)) }
    for at in stride(from: 0x18, to: 0x34, by: 8) { fields.append((at, 8, false)) }
    for table in [(0x20, 0x36, 0x38), (0x28, 0x3a, 0x3c)] {
      let begin = ByteMutator.read(8, false, at: table.0, in: bytes)
      let size = max(1, ByteMutator.read(2, false, at: table.1, in: bytes))
      let count = ByteMutator.read(2, false, at: table.2, in: bytes)
      guard begin >= 0, begin < bytes.count else { continue }
      for index in 0..<min(count, 40) {
        for offset in stride(from: 0, to: min(size, 64), by: 4) {
          fields.append((begin + index * size + offset, offset >= 8 ? 8 : 4, false))
        }
      }
    }
    return fields.filter { $0.at >= 0 && $0.at < bytes.count }
  }

  /// Netlink: headers, then attributes by their lengths.
  static func netlink(_ bytes: [UInt8]) -> [Field] {
    var fields: [Field] = []
    var at = 0
    while at + 16 <= bytes.count {
      let length = ByteMutator.read(4, false, at: at, in: bytes)
      guard length >= 16, at + length <= bytes.count else { break }
      fields += [(at, 4, false), (at + 4, 2, false), (at + 6, 2, false)]
      for offset in stride(from: 16, to: length, by: 4) {
        fields += [(at + offset, 2, false), (at + offset, 4, false)]
      }
      at += (length + 3) & ~3
    }
    return fields
  }

  /// tar: sizes, kinds and sums of 512-byte headers; then the sums are made right again, or nothing would be read.
  static func archive(_ bytes: [UInt8]) -> [Field] {
    stride(from: 0, to: bytes.count, by: 512).flatMap { block -> [Field] in
      [0, 100, 124, 128, 132, 134, 156, 157, 257, 345].map { (block + $0, 1, false) }
    }
  }

  /// Sums of headers as tar wants them: of all that have a kind, most of the time.
  static func repair(archive bytes: inout [UInt8], by dice: inout Dice) {
    guard !dice.once(in: 10) else { return }
    for block in stride(from: 0, to: bytes.count - 511, by: 512) where bytes[block + 257] == UInt8(ascii: "u")
    {
      for offset in 148..<156 { bytes[block + offset] = 0x20 }
      let sum = bytes[block..<block + 512].reduce(0) { $0 + Int($1) }
      let digits = Array(String(sum, radix: 8).utf8)
      let text = [UInt8](repeating: 0x30, count: max(0, 6 - digits.count)) + digits + [0, 0x20]
      for (offset, byte) in text.enumerated() { bytes[block + 148 + offset] = byte }
    }
  }
}
