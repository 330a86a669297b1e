import Judging
import Model

extension Results {
  /// Seeds that a case was run from.
  public struct Seeds: Codable, Sendable, Equatable, CustomStringConvertible {
    public var first, last: UInt64
    /// How many of them were judged.
    public var judged: Int

    /// `1-20`
    public var description: String { "\(first)-\(last)" }
  }

  /// The results of one case on one kernel from several seeds.
  public struct OfSeeds: Sendable {
    /// By seed, and no other.
    public var entries: [Entry]
    /// What was asked over all of them; nil for nothing.
    public var over: Entry?

    /// What chance made of it.
    public var table: SeedTable { SeedTable(entries) }

    var seeds: Seeds {
      Seeds(
        first: entries.first?.seed ?? 0, last: entries.last?.seed ?? 0,
        judged: entries.count { [.pass, .fail].contains($0.verdict) })
    }
  }

  /// Each case that was run from several seeds, kernel by kernel, in the order of the cases.
  public var ofSeeds: [OfSeeds] {
    var places: [PlannedRun.Place: Int] = [:]
    var all: [OfSeeds] = []
    for entry in cases where entry.seed != nil || entry.over != nil {
      let place = PlannedRun.Place(id: entry.id, kernel: entry.kernel)
      let index = places[place] ?? all.count
      if index == all.count { all.append(OfSeeds(entries: [])) }
      places[place] = index
      if entry.over == nil { all[index].entries.append(entry) } else { all[index].over = entry }
    }
    for index in all.indices { all[index].entries.sort { $0.seed ?? 0 < $1.seed ?? 0 } }
    return all.filter { $0.entries.count > 1 }
  }

  /// Asks anew what is asked of cases over the seeds that they were run from, each an entry of its own behind all others.
  mutating func judgeOverSeeds() {
    cases.removeAll { $0.over != nil }
    let asked = ofSeeds.filter { $0.entries[0].shares?.isEmpty == false && $0.seeds.judged > 1 }
    guard !asked.isEmpty else { return }
    cases += asked.map { Entry(over: $0) }
    summary.count(cases)
  }
}

extension Results.Entry {
  /// Which result of a run it is.
  public var place: PlannedRun.Place { .init(id: id, kernel: kernel, seed: seed) }

  /// What people call it: the case's name, and with which seed, where somebody asked for one.
  public var words: String {
    if let over { return "\(id) over seeds \(over)" }
    return place.words
  }

  /// By what it is known again, on another kernel or in another run.
  public var key: String { over == nil ? words : "\(id) over seeds" }

  /// What was judged over seeds that share their rule.
  fileprivate init(over group: Results.OfSeeds) {
    let judged = group.entries.filter { [.pass, .fail].contains($0.verdict) }
    let judgement = judge(shares: group.entries[0].shares ?? [:], of: judged.flatMap(\.attempts))
    self = group.entries[0]
    (seed, over, exact, fits, again, observation, capture) = (nil, group.seeds, nil, nil, nil, nil, nil)
    (unmet, known) = (nil, nil)
    (attempts, counters, settings, timings) = ([], [:], [:], [])
    (verdict, reason, witnesses) = (judgement.verdict, judgement.reason, judgement.witnesses)
    seconds = group.entries.reduce(0) { $0 + $1.seconds }
  }
}
