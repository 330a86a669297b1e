/// A pattern with `*` (anything) and `?` (one character).
public struct Glob: Sendable {
  private let pattern: [Character]

  /// Takes the pattern as written.
  public init(_ pattern: String) { self.pattern = Array(pattern) }

  /// Whether all of the text matches.
  public func matches(_ text: String) -> Bool {
    let text = Array(text)
    // The usual two-pointer walk: on a mismatch, let the last star take one character more.
    var (p, t, star, mark) = (0, 0, -1, 0)
    while t < text.count {
      if p < pattern.count, pattern[p] == "*" {
        (star, mark) = (p, t)
        p += 1
      } else if p < pattern.count, pattern[p] == "?" || pattern[p] == text[t] {
        p += 1
        t += 1
      } else if star >= 0 {
        mark += 1
        (p, t) = (star + 1, mark)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == "*" }
  }
}

/// What was probably meant.
public enum Nearest {
  /// The candidate with the fewest insertions, deletions, replacements and exchanges of neighbours; nil where none is
  /// near: one slip in a word of three or four letters, one more for every four further ones.
  public static func to(_ word: String, among candidates: some Sequence<String>) -> String? {
    let word = Array(word.unicodeScalars.prefix(longest + 1))
    guard word.count <= longest else { return nil }
    var best: (candidate: String, distance: Int)?
    for candidate in candidates {
      let other = Array(candidate.unicodeScalars.prefix(longest + 1))
      let slips = (max(word.count, other.count) + 1) / 4
      guard other.count <= longest, abs(word.count - other.count) <= slips else { continue }
      let distance = distance(word, other)
      if distance <= slips, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.candidate
  }

  /// Nobody mistypes one letter of so many.
  private static let longest = 200

  /// Levenshtein's, with neighbours that change places as one (optimal string alignment).
  static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
    var before = [Int](repeating: 0, count: b.count + 1)
    var row = Array(0...b.count)
    for i in a.indices {
      var next = [i + 1] + [Int](repeating: 0, count: b.count)
      for j in b.indices {
        var least = min(next[j] + 1, row[j + 1] + 1, row[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, before[j - 1] + 1) }
        next[j + 1] = least
      }
      (before, row) = (row, next)
    }
    return row[b.count]
  }
}
