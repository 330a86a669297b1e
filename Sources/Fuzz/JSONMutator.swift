/// Changes JSON so that it mostly stays JSON: numbers to their extremes, texts to odd ones, values away, twice, or in
/// each other's place.
enum JSONMutator {
  private enum Kind { case number, text, key, word, container }

  private static let numbers = [
    "0", "-1", "1", "2", "-0", "60", "1000", "2147483647", "2147483648", "-2147483648", "-2147483649",
    "4294967295", "4294967296", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "1e19", "-1e19", "1e308", "1e400",
    "-1e400", "0.1", "1.5", "-0.0", "5e-324", "1e-400", "0.30000000000000004",
  ]

  private static let texts = [
    "", "a", "\\u0000", "\\u001b[31m", "\\u001b]8;;x\\u0007", "a\\nok 2 forged", "\\u202e", "\\ud83d\\ude00",
    "\\ud800",
    "..", "../../x", "/", "javascript:alert(1)", "'; touch y; '", "]]>", "</script>", "<b>", "::error::x",
    "%0A", "host",
    "hop", "server", "server.1", "server.9223372036854775807", "all", "198.18.0.2:99999999999999999999", ":",
    "::1",
    "198.18.0.2:-1", "TcpExt.PAWSEstab", "predicted by time-wait", "+", "+9223372036854775808", "ETIMEDOUT",
    "|", "```", "#", "a=b,c=d", "x/y=z", "\\u2028",
  ]

  /// One change.
  static func change(_ bytes: inout [UInt8], by dice: inout Dice) {
    let values = values(in: bytes)
    guard !values.isEmpty, !dice.once(in: 12) else { return ByteMutator.change(&bytes, by: &dice) }
    let (range, kind) = dice.pick(values)
    switch dice.below(8) {
    case 0...3:
      // What it is, at an extreme.
      switch kind {
      case .number: replace(range, dice.pick(numbers), in: &bytes)
      case .text, .key: replace(range, "\"\(text(&dice))\"", in: &bytes)
      case .word: replace(range, dice.pick(["true", "false", "null"]), in: &bytes)
      case .container: replace(range, dice.pick(["[]", "{}", "[[]]", "null", "0"]), in: &bytes)
      }
    case 4: replace(range, dice.pick(["null", "0", "\"\"", "[]", "{}", "true"]), in: &bytes)
    case 5:
      // Away, with the comma before it or behind it.
      var range = range
      if range.upperBound < bytes.count, bytes[range.upperBound] == UInt8(ascii: ",") {
        range = range.lowerBound..<range.upperBound + 1
      } else if range.lowerBound > 0, bytes[range.lowerBound - 1] == UInt8(ascii: ",") {
        range = range.lowerBound - 1..<range.upperBound
      }
      bytes.removeSubrange(range)
    case 6:
      // In the place of another.
      let piece = Array(bytes[range])
      bytes.replaceSubrange(dice.pick(values).range, with: piece)
    default:
      // Once more, and sometimes often.
      let piece = [UInt8(ascii: ",")] + Array(bytes[range])
      let times = piece.count < 200 && dice.once(in: 8) ? 200 : 1
      for _ in 0..<times { bytes.insert(contentsOf: piece, at: range.upperBound) }
    }
  }

  private static func text(_ dice: inout Dice) -> String {
    dice.once(in: 40)
      ? String(repeating: dice.pick(["a", "\\u0001", "é", "x,"]), count: 5_000) : dice.pick(texts)
  }

  private static func replace(_ range: Range<Int>, _ text: String, in bytes: inout [UInt8]) {
    bytes.replaceSubrange(range, with: Array(text.utf8))
  }

  /// Where the values and keys are, whatever else is wrong.
  private static func values(in bytes: [UInt8]) -> [(range: Range<Int>, kind: Kind)] {
    var found: [(Range<Int>, Kind)] = []
    var open: [Int] = []
    var at = 0
    while at < bytes.count {
      let start = at
      switch bytes[at] {
      case UInt8(ascii: "\""):
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
          at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
        }
        at = min(at + 1, bytes.count)
        found.append((start..<at, at < bytes.count && bytes[at] == UInt8(ascii: ":") ? .key : .text))
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        while at < bytes.count,
          (0x30...0x39).contains(bytes[at]) || [0x2b, 0x2d, 0x2e, 0x45, 0x65].contains(bytes[at])
        {
          at += 1
        }
        found.append((start..<at, .number))
      case UInt8(ascii: "a")...UInt8(ascii: "z"):
        while at < bytes.count, (0x61...0x7a).contains(bytes[at]) { at += 1 }
        found.append((start..<at, .word))
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        open.append(at)
        at += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        at += 1
        if let begin = open.popLast() { found.append((begin..<at, .container)) }
      default: at += 1
      }
    }
    return found
  }
}
