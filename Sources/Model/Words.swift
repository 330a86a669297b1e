/// What text and names in a lab file are made of.
public enum Words {
  /// Whether a character steers a terminal, a line or the direction of reading instead of being read: C0, DEL, C1, line
  /// and paragraph separators, the marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm
  /// (UAX 9), byte order marks, annotations and tags.
  public static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1f, 0x7f...0x9f, 0x2028, 0x2029: true
    case 0x061c, 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069: true
    case 0xfeff, 0xfff9...0xfffb, 0xe0000...0xe007f: true
    default: false
    }
  }

  /// Whether a text can be a name, a word of commands and files: ASCII letters, digits, `_` and `-`, the first of them
  /// a letter or a digit, ``Bounds/name`` at most.
  public static func isName(_ text: String) -> Bool {
    func isWord(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
      case UInt8(ascii: "0")...UInt8(ascii: "9"): true
      default: false
      }
    }
    guard let first = text.utf8.first, isWord(first), text.utf8.count <= Bounds.name else { return false }
    return text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
  }

  /// The alphabet of ``isName(_:)`` in words.
  public static let alphabet =
    "letters, digits, _ and -, the first a letter or a digit, \(Bounds.name) at most"

  /// `U+202E`
  public static func code(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
