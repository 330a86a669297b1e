import Judging
import Model

/// What chance made of one case, over seeds: each thing that its attempts did, how often, and from which seed it can be had.
public struct SeedTable: Sendable {
  /// One thing that happened.
  public struct Row: Sendable, Equatable {
    /// `early connected, late dropped`, each label's attempts together.
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

  /// What attempts of one label did that did not all do the same.
  public struct Outcomes: Sendable, Equatable {
    public var label: String
    public var word: String
    public var share: Share

    public init(label: String, word: String, share: Share) {
      (self.label, self.word, self.share) = (label, word, share)
    }
  }

  /// The most frequent first.
  public let rows: [Row]
  /// By label in the order in which they came, the most frequent first.
  public let outcomes: [Outcomes]
  /// Seeds that were judged.
  public let count: Int

  /// Takes what was judged of one case on one kernel; others have no say in a share.
  public init(_ entries: some Sequence<Results.Entry>) {
    var rows: [String: Row] = [:]
    var labels: [String] = []
    var words: [String: [String: Int]] = [:]
    var count = 0
    for entry in entries {
      guard let seed = entry.seed, [.pass, .fail].contains(entry.verdict) else { continue }
      count += 1
      var own: [(label: String, words: [String])] = []
      for attempt in entry.attempts {
        let (label, word) = (attempt.attempt.label, attempt.word)
        words[label, default: [:]][word, default: 0] += 1
        if !labels.contains(label) { labels.append(label) }
        if let index = own.firstIndex(where: { $0.label == label }) {
          if !own[index].words.contains(word) { own[index].words.append(word) }
        } else {
          own.append((label, [word]))
        }
      }
      let what = own.map { "\($0.label) \($0.words.sorted().joined(separator: " and "))" }
        .joined(separator: ", ")
      let passes = entry.verdict == .pass
      // What fails is a row of its own: its seed is what is looked for.
      let key = "\(passes) \(what)"
      var row = rows[key] ?? Row(what: what, count: 0, seed: seed, passes: passes)
      row.count += 1
      row.seed = min(row.seed, seed)
      rows[key] = row
    }
    self.rows = rows.values.sorted { ($1.count, $0.what) < ($0.count, $1.what) }
    self.count = count
    outcomes = labels.flatMap { label -> [Outcomes] in
      let own = words[label] ?? [:]
      guard own.count > 1 else { return [] }
      let all = own.values.reduce(0, +)
      return own.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        .map { Outcomes(label: label, word: $0.key, share: Share($0.value, of: all)) }
    }
  }

  /// A line per row, then what each label's attempts did.
  public var lines: [String] {
    rows.map { row in
      "\(Share(row.count, of: count).words)  \(row.passes ? "pass" : "fail")  \(row.what)  seed \(row.seed)"
    } + outcomes.map { "\($0.label) \($0.word): \($0.share.words)" }
  }
}
