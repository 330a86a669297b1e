/// How often: `2`, or `1-3` where not even the source says it exactly.
public struct Amount: Notation {
  /// At least and at most.
  public let range: ClosedRange<Int>

  /// More is damage, or an attack.
  private static let most = 1_000_000_000

  /// Exactly so much.
  public init(_ number: Int) { range = number...number }
  /// Both ends count.
  public init(_ range: ClosedRange<Int>) { self.range = range }

  /// Reads `2` or `1-3`.
  public init(text: String) throws(NotationError) {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map(Self.number)
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1] else {
      throw NotationError("\"\(text)\" is no number: write 2, or 1-3 for a range")
    }
    guard first <= last else { throw NotationError("\"\(text)\" is empty: \(first) is more than \(last)") }
    range = first...last
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text),
      number <= most
    else { return nil }
    return number
  }

  /// As written.
  public var description: String {
    range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
  }

  /// `x2`; nil for a word that does not begin like that.
  static func times(_ word: Substring) throws(NotationError) -> Amount? {
    guard word.first == "x", let digit = word.dropFirst().first, digit.isNumber else { return nil }
    return try Amount(text: String(word.dropFirst()))
  }
}
