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
  /// The candidate with the fewest insertions, deletions and replacements; nil if all are far off.
  public static func to(_ word: String, among candidates: some Sequence<String>) -> String? {
    candidates.map { ($0, distance(word, $0)) }
      .filter { $0.1 <= max(2, max($0.0.count, word.count) / 2) }
      .min { $0.1 < $1.1 }?.0
  }

  /// Levenshtein's.
  public static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var row = Array(0...b.count)
    for i in a.indices {
      var (diagonal, left) = (row[0], i + 1)
      row[0] = left
      for j in b.indices {
        let value = min(left + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        (diagonal, row[j + 1], left) = (row[j + 1], value, value)
      }
    }
    return row[b.count]
  }
}
