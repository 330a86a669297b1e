import Model

/// What a client says first on a connection: one letter for who closes, then the attempt's number,
/// so that the server finds the attempt whatever the NAT made of the port.
struct Greeting {
  static let length = 5
  let closes: Step.Closer
  let attempt: Int

  init(closes: Step.Closer, attempt: Int) {
    self.closes = closes
    self.attempt = attempt
  }

  /// Reads five bytes; nil for anything else.
  init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.length, let closes = Self.letters.first(where: { $0.letter == bytes[0] }) else {
      return nil
    }
    self.closes = closes.closer
    attempt = bytes[1...].reduce(0) { $0 << 8 | Int($1) }
  }

  var bytes: [UInt8] {
    let letter = Self.letters.first { $0.closer == closes }?.letter ?? 0
    return [letter] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: attempt >> $0) }
  }

  private static let letters: [(closer: Step.Closer, letter: UInt8)] = [
    (.client, UInt8(ascii: "C")), (.server, UInt8(ascii: "S")), (.nobody, UInt8(ascii: "N")),
  ]
}
