import Model

/// Two lists of cases held against each other: what differs, and what nothing can be said of.
public struct Comparison: Sendable {
  /// What differs between cases that were judged on both sides, or on one and skipped on the other.
  public let differences: [Difference]
  /// How many were judged on both sides.
  public let compared: Int
  /// Cases that both sides skipped.
  public let skipped: [String]
  /// Cases of which nothing can be said, and why: on one side they are not there, were not judged, or the lab broke.
  public let incomparable: [(id: String, why: String)]

  /// What each side's kernel has, where that is known.
  private let kernels: [String: Kernel]

  /// One side: what it is called, and its cases.
  public struct Side {
    /// What its cases are shown under.
    public var name: String
    /// Cases that came to something.
    public var entries: [Results.Entry]
    /// Cases that did not, and why.
    public var missing: [PlannedRun.Place: String]
    /// The kernel that they ran on; nil where nobody knows.
    public var kernel: Kernel?

    /// Makes a side.
    public init(
      name: String, entries: [Results.Entry], missing: [PlannedRun.Place: String] = [:],
      on kernel: Kernel? = nil
    ) {
      self.name = name
      self.entries = entries
      self.missing = missing
      self.kernel = kernel
    }

    /// The cases of one kernel in results.
    public init(name: String, _ results: Results, kernel: String) {
      self.name = name
      self.kernel = results.kernels[kernel]
      entries = results.cases.filter { $0.kernel == kernel }
      missing = Dictionary(
        (results.notJudged ?? []).filter { $0.kernel == kernel }.map { ($0.place, $0.reason) }
      ) { first, _ in first }
    }
  }

  /// Compares, in the order of the first side.
  public init(_ first: Side, _ second: Side) {
    let sides = [first, second]
    // What either side has from several seeds is compared seed by seed; else one run of a case is as good as another.
    var runs: [[String: Int]] = [[:], [:]]
    for (index, side) in sides.enumerated() {
      for place in Set(side.entries.filter { $0.over == nil }.map(\.place)).union(side.missing.keys) {
        runs[index][place.id, default: 0] += 1
      }
    }
    func key(_ place: PlannedRun.Place) -> String {
      runs.contains { $0[place.id] ?? 0 > 1 } ? place.words : place.id
    }
    func key(_ entry: Results.Entry) -> String { entry.over == nil ? key(entry.place) : entry.key }
    let missing = sides.map { side in
      Dictionary(side.missing.map { (key($0), $1) }) { first, _ in first }
    }
    let known = sides.map { side in Dictionary(side.entries.map { (key($0), $0) }) { first, _ in first } }
    var order: [String] = []
    var seen: Set<String> = []
    for id in sides.indices.flatMap({ sides[$0].entries.map(key) + missing[$0].keys.sorted() })
    where seen.insert(id).inserted {
      order.append(id)
    }
    var held: [Results.Entry] = []
    var (compared, skipped): (Int, [String]) = (0, [])
    var incomparable: [(id: String, why: String)] = []
    for id in order {
      var causes: [String?] = []
      var own: [Results.Entry] = []
      for (index, side) in sides.enumerated() {
        guard var entry = known[index][id] else {
          causes.append(missing[index][id] ?? "not there")
          continue
        }
        causes.append(entry.verdict == .error ? "the lab broke: \(entry.reason)" : nil)
        entry.kernel = side.name
        if key(entry) == entry.id { entry.seed = nil }
        own.append(entry)
      }
      if causes[0] == causes[1], let both = causes[0] {
        incomparable.append((id, "on both sides \(both)"))
      } else if causes.contains(where: { $0 != nil }) {
        let words = zip(sides, causes).compactMap { side, cause in cause.map { "\(side.name): \($0)" } }
        incomparable.append((id, words.joined(separator: "; ")))
      } else if own.allSatisfy({ $0.verdict == .skip }) {
        skipped.append(id)
      } else {
        if own.allSatisfy({ $0.verdict != .skip }) { compared += 1 }
        held += own
      }
    }
    differences = Difference.all(held, between: sides.map(\.name), skips: true)
    (self.compared, self.skipped, self.incomparable) = (compared, skipped, incomparable)
    kernels = Dictionary(sides.compactMap { side in side.kernel.map { (side.name, $0) } }) { first, _ in first
    }
  }

  /// Whether both sides do the same, as far as anything was compared at all, and nothing is left in the dark.
  public var isAlike: Bool { differences.isEmpty && incomparable.isEmpty && compared > 0 }

  /// Whether neither side has a case.
  public var isEmpty: Bool { differences.isEmpty && incomparable.isEmpty && skipped.isEmpty && compared == 0 }

  /// What to say: the differences, what could not be compared, and over how many cases that holds.
  public var lines: [String] {
    var lines: [String] = []
    if !differences.isEmpty { lines += Difference.lines(differences, kernels: kernels) }
    // Of one kernel twice no lab file says why.
    if Set(kernels.values.map(\.release)).count == 2 { lines += Difference.unexplained(differences, kernels) }
    if !incomparable.isEmpty {
      lines.append("\(Self.cases(incomparable.count)) could not be compared")
      var groups: [(why: String, ids: [String])] = []
      for (id, why) in incomparable {
        if let index = groups.firstIndex(where: { $0.why == why }) {
          groups[index].ids.append(id)
        } else {
          groups.append((why, [id]))
        }
      }
      for (why, ids) in groups.prefix(20) {
        lines.append("    \(ids[0])\(ids.count > 1 ? " and \(ids.count - 1) more" : ""): \(why)")
      }
      if groups.count > 20 {
        let rest = groups.dropFirst(20).reduce(0) { $0 + $1.ids.count }
        lines.append("    and \(Self.cases(rest)) for \(groups.count - 20) other reasons")
      }
    }
    if !skipped.isEmpty { lines.append("\(Self.cases(skipped.count)) skipped on both sides") }
    if compared == 0 {
      lines.append("nothing was compared: no case was judged on both sides")
    } else if differences.isEmpty {
      lines.append(
        incomparable.isEmpty
          ? "no difference in \(Self.cases(compared))"
          : "\(Self.cases(compared)) alike, the rest is not known")
    }
    return lines
  }

  private static func cases(_ count: Int) -> String { "\(count) \(count == 1 ? "case" : "cases")" }
}
