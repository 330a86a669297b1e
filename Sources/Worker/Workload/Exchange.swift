import Model

/// What a client says first on a connection: one letter for who closes and how, then the attempt's number,
/// so that the server finds the attempt whatever the NAT made of the port.
struct Greeting {
  static let length = 5
  let closes: Step.Closer
  /// Whether who closes does so by a RST.
  let aborts: Bool
  let attempt: Int

  init(closes: Step.Closer, aborts: Bool = false, attempt: Int) {
    self.closes = closes
    self.aborts = aborts
    self.attempt = attempt
  }

  /// Reads five bytes; nil for anything else.
  init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.length, let known = Self.letters.first(where: { $0.letter == bytes[0] }) else {
      return nil
    }
    closes = known.closer
    aborts = known.aborts
    attempt = bytes[1...].reduce(0) { $0 << 8 | Int($1) }
  }

  var bytes: [UInt8] {
    let letter = Self.letters.first { $0.closer == closes && $0.aborts == aborts }?.letter ?? 0
    return [letter] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: attempt >> $0) }
  }

  private static let letters: [(closer: Step.Closer, aborts: Bool, letter: UInt8)] = [
    (.client, false, UInt8(ascii: "C")), (.server, false, UInt8(ascii: "S")),
    (.both, false, UInt8(ascii: "B")), (.nobody, false, UInt8(ascii: "N")),
    (.client, true, UInt8(ascii: "c")), (.server, true, UInt8(ascii: "s")),
  ]
}
