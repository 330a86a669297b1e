import Judging
import Model

/// A run that was kept, against which another is held: what `--baseline` names. What failed in it, and fails in the same
/// way now, is known (``Results/Entry/known``); what was required and not judged, there neither, no longer counts; all
/// else that is bad is new. An error of the lab is never known.
///
/// The same way is the same outcomes by the same mechanisms with the same counters moved (``Difference/Behaviour``), on
/// the kernel of the same name, from the same seed where cases have seeds on both sides.
public struct Baseline: Sendable {
  /// As it was named.
  public let name: String
  private let entries: [Key: Results.Entry]
  /// What was not judged in it, in words; nil where all was.
  private let unfinished: String?

  private struct Key: Hashable {
    var kernel: String
    var id: String
    /// Nil where any does.
    var seed: UInt64?
    var isOver: Bool

    init(_ entry: Results.Entry, seed: UInt64?) {
      (kernel, id, self.seed, isOver) = (entry.kernel, entry.id, seed, entry.over != nil)
    }
  }

  /// - Parameter name: the folder, for what is said of it.
  public init(_ results: Results, name: String) {
    self.name = name
    unfinished = results.unfinished
    var entries: [Key: Results.Entry] = [:]
    for entry in results.cases {
      entries[Key(entry, seed: entry.seed)] = entry
      // The first run of a case stands for it where it has another seed here.
      if entries[Key(entry, seed: nil)] == nil { entries[Key(entry, seed: nil)] = entry }
    }
    self.entries = entries
  }

  private func then(_ entry: Results.Entry) -> Results.Entry? {
    entries[Key(entry, seed: entry.seed)] ?? entries[Key(entry, seed: nil)]
  }

  /// What became of a case since.
  private enum Change: CaseIterable {
    case passedThere, otherwise, notJudgedThere, brokeThere, skippedNow, passesNow

    var words: String {
      switch self {
      case .passedThere: "passed there, and no longer"
      case .otherwise: "failed there, and in another way now"
      case .notJudgedThere: "bad, and not judged there"
      case .brokeThere: "bad, and broke there"
      case .skippedNow: "judged there, and skipped now"
      case .passesNow: "failed or broke there, and passing now"
      }
    }
  }

  /// Nil where nothing has changed.
  private func change(_ now: Results.Entry) -> Change? {
    guard let then = then(now) else { return now.standing.isBad ? .notJudgedThere : nil }
    switch (then.verdict, now.standing) {
    case (_, .known), (.skip, .skipped), (.pass, .passed), (.skip, .passed): return nil
    case (_, .skipped): return .skippedNow
    case (.fail, .passed), (.error, .passed): return .passesNow
    case (.skip, _): return .notJudgedThere
    case (.pass, _): return .passedThere
    case (.error, _): return .brokeThere
    case (.fail, _): return .otherwise
    }
  }

  /// Marks what is so in this run too.
  ///
  /// - Returns: what is to be said: what is new and of which kind, what has gone.
  func mark(_ cases: inout [Results.Entry]) -> [String] {
    var unmet = 0
    for index in cases.indices {
      guard cases[index].standing == .failed, let then = then(cases[index]) else { continue }
      if cases[index].unmet != nil {
        guard then.unmet == cases[index].unmet else { continue }
        cases[index].unmet = nil
        unmet += 1
      } else if then.verdict == .fail, Difference.Behaviour(then) == Difference.Behaviour(cases[index]) {
        cases[index].known = .init(until: nil, reason: "it failed so in \(name) too")
      }
    }
    var remarks = unfinished.map { ["\(name) is \($0)"] } ?? []
    let own = Set(cases.map { Key($0, seed: nil) })
    let gone = entries.filter { $0.key.seed == nil && !own.contains($0.key) }.map(\.value)
    guard gone.isEmpty || cases.contains(where: { then($0) != nil }) else {
      return remarks + ["\(name) has none of these cases on these kernels: whatever failed is new"]
    }
    func say(_ entries: [Results.Entry], _ words: String) {
      guard let first = entries.first else { return }
      remarks.append(
        "against \(name): \(entries.count) \(words): \(first.id) on \(first.kernel)"
          + (entries.count == 1 ? "" : " and \(entries.count - 1) more"))
    }
    let changes = cases.map(change)
    for change in Change.allCases {
      say(zip(cases, changes).filter { $0.1 == change }.map(\.0), change.words)
    }
    if unmet > 0 { remarks.append("against \(name): \(unmet) required and not judged, as there") }
    say(gone.sorted { ($0.kernel, $0.id) < ($1.kernel, $1.id) }, "there, and not in this run")
    return remarks
  }
}
