import Judging
import Model

/// What chance made of one case, over seeds: each thing that its attempts did, how often, and from which seed it can be had.
public struct SeedTable: Sendable {
  /// One thing that happened.
  public struct Row: Sendable, Equatable {
    /// `early connected, late dropped`, each step's attempts together.
    public var what: String
    public var count: Int
    /// The first seed that does it.
    public var seed: UInt64
    /// Whether the case passes so.
    public var passes: Bool

    public init(what: String, count: Int, seed: UInt64, passes: Bool) {
      (self.what, self.count, self.seed, self.passes) = (what, count, seed, passes)
    }
  }

  /// The most frequent first.
  public let rows: [Row]
  /// Seeds that were judged.
  public let count: Int

  /// Takes what was judged; others have no say in a share.
  public init(_ results: [CaseResult]) {
    var rows: [String: Row] = [:]
    var count = 0
    for result in results {
      guard let seed = result.exact?.seed, [.pass, .fail].contains(result.judgement.verdict) else { continue }
      count += 1
      var words: [String] = []
      for attempt in result.judgement.attempts {
        let word = "\(attempt.attempt.label) \(attempt.word)"
        if words.last != word { words.append(word) }
      }
      let what = words.joined(separator: ", ")
      let passes = result.judgement.verdict == .pass
      var row = rows[what] ?? Row(what: what, count: 0, seed: seed, passes: passes)
      row.count += 1
      row.seed = min(row.seed, seed)
      row.passes = row.passes && passes
      rows[what] = row
    }
    self.rows = rows.values.sorted { ($1.count, $0.what) < ($0.count, $1.what) }
    self.count = count
  }

  /// Where a share lies with 95 % (Wilson 1927): of `count` in `all`, from 0 to 1.
  ///
  /// It needs no many and no few: 0 of 10 is 0 to 0.28.
  public static func interval(_ count: Int, of all: Int) -> ClosedRange<Double> {
    guard all > 0 else { return 0...1 }
    let (z, n) = (1.959964, Double(all))
    let share = Double(count) / n
    let centre = share + z * z / (2 * n)
    let reach = z * ((share * (1 - share) + z * z / (4 * n)) / n).squareRoot()
    let scale = 1 + z * z / n
    let low = max(0, (centre - reach) / scale)
    return low...max(low, min(1, (centre + reach) / scale))
  }

  /// A line per row, as columns.
  public var lines: [String] {
    rows.map { row in
      let range = Self.interval(row.count, of: count)
      func percent(_ share: Double) -> Int { Int((share * 100).rounded()) }
      return "\(row.count) of \(count)  \(percent(Double(row.count) / Double(max(1, count)))) % "
        + "(\(percent(range.lowerBound)) to \(percent(range.upperBound)))  \(row.passes ? "pass" : "fail")  "
        + "\(row.what)  seed \(row.seed)"
    }
  }
}
