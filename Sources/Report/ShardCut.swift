import Evidence
import Judging
import Model

/// A whole run cut into shards: what every shard knows of all the others, kept in its `run.json`, so that what is put
/// together again can be held against it.
///
/// It is a function of the names of cases, kernels and seeds, of how long each took before, and of nothing that happens
/// while shards run. What is to be run stands in one line: kernel by kernel, so that a shard boots few of them, and
/// within a kernel by the hash of each case's name, so that slow files are spread. The line is cut where the recorded
/// seconds are even: a shard has no more and no less than its share, but for half a case at each end.
public struct ShardCut: Codable, Sendable, Equatable {
  /// Every case of the run, in its order.
  public var ids: [String]
  /// The kernels that were named, in their order; none where each case is to find its own.
  public var kernels: [String]
  /// The first and the last seed, where every case is run from several.
  public var seeds: [UInt64]?
  /// Where shards begin in the line, and where it ends.
  public var cuts: [Int]
  /// What `--require` said: it is asked of the whole.
  public var required: [String]?
  /// SHA-256 of the worker: shards of two different ones make no run.
  public var worker: String?
  /// Which shards' cases the folder has.
  public var shards: [Int]

  /// One thing that is to be run: a case, on a kernel where one was named, from a seed where there are several.
  public struct Unit: Sendable, Hashable {
    public var id: String
    public var kernel: String?
    public var seed: UInt64?

    public init(id: String, kernel: String? = nil, seed: UInt64? = nil) {
      (self.id, self.kernel, self.seed) = (id, kernel, seed)
    }
  }

  /// How many shards there are.
  public var count: Int { cuts.count - 1 }

  /// Cuts a run.
  ///
  /// - Parameter milliseconds: how long one of them takes; what is below 1 counts as 1.
  public init(
    ids: [String], kernels: [String], seeds: ClosedRange<UInt64>? = nil, into shard: Shard,
    milliseconds: (Unit) -> Int
  ) {
    self.ids = ids
    self.kernels = kernels
    self.seeds = seeds.flatMap { $0.count > 1 ? [$0.lowerBound, $0.upperBound] : nil }
    shards = [shard.index]
    cuts = []
    let costs = line.map { min(max(1, milliseconds($0)), 1 << 24) }
    let total = costs.reduce(0, +)
    // A unit belongs to the shard that its middle falls into; twice, so that halves are whole numbers.
    var (begin, cuts) = (0, [0])
    for (place, cost) in costs.enumerated() {
      let middle = 2 * begin + cost
      while cuts.count < shard.count, middle * shard.count >= 2 * total * cuts.count { cuts.append(place) }
      begin += cost
    }
    while cuts.count <= shard.count { cuts.append(costs.count) }
    self.cuts = cuts
  }

  /// All that is to be run, in the line that is cut.
  public var line: [Unit] {
    let order = Set(ids).sorted { ($0.hashed, $0) < ($1.hashed, $1) }
    let seeds: [UInt64?] = self.seeds.map { ($0[0]...$0[1]).map(Optional.some) } ?? [nil]
    let kernels: [String?] = self.kernels.isEmpty ? [nil] : Set(self.kernels).sorted()
    return kernels.flatMap { kernel in
      order.flatMap { id in seeds.map { Unit(id: id, kernel: kernel, seed: $0) } }
    }
  }

  /// What some of its shards are to run.
  public func units(of shards: some Sequence<Int>) -> Set<Unit> {
    let line = self.line
    return Set(shards.flatMap { line[cuts[$0 - 1]..<cuts[$0]] })
  }

  /// What this folder's shards are to run.
  public var own: Set<Unit> { units(of: shards) }

  /// The shards that this folder has nothing of.
  public var missing: [Int] { (1...count).filter { !shards.contains($0) } }

  /// Whether two folders are parts of one run: all but which.
  public func isOfOneRun(with other: ShardCut) -> Bool {
    var other = other
    other.shards = shards
    return self == other
  }

  /// What makes no sense in one that was read; nil where all is well.
  var mistake: String? {
    guard (2...Shard.most + 1).contains(cuts.count), !shards.isEmpty,
      shards.allSatisfy({ (1...count).contains($0) })
    else { return "no shard of that number" }
    if let seeds, seeds.count != 2 || seeds[0] > seeds[1] || seeds[1] - seeds[0] >= Results.most {
      return "no range of seeds"
    }
    guard Set(ids).count == ids.count, Set(kernels).count == kernels.count else {
      return "a case or kernel twice"
    }
    let lengths = [ids.count, max(1, kernels.count), seeds.map { Int($0[1] - $0[0]) + 1 } ?? 1]
    var units = 1
    for length in lengths {
      let (product, isTooMuch) = units.multipliedReportingOverflow(by: length)
      if isTooMuch || product > Results.most { return "more than \(Results.most) to be run" }
      units = product
    }
    guard cuts.first == 0, cuts.last == units, zip(cuts, cuts.dropFirst()).allSatisfy({ $0 <= $1 }) else {
      return "it is cut where there is nothing"
    }
    return nil
  }
}

extension String {
  /// FNV-1a of 64 bits, mixed once more (the last step of MurmurHash3): names that differ in their last letter only are
  /// far apart.
  fileprivate var hashed: UInt64 {
    var hash = utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
    return hash ^ hash >> 33
  }
}

/// How long cases take: by a run that was kept, else by what kind of case it is.
public struct CaseTimes: Sendable {
  private var onKernel: [String: Double] = [:]
  private var anywhere: [String: Double] = [:]
  private var guesses: [String: Double] = [:]

  /// - Parameters:
  ///   - results: runs that were kept; of a case that was run several times, the mean counts.
  ///   - cases: what is to be run.
  ///   - isVirtual: whether all run in a guest's own time, where waiting takes none.
  public init(_ results: [Results] = [], for cases: [Case], isVirtual: Bool = false) {
    var (onKernel, anywhere): ([String: [Double]], [String: [Double]]) = ([:], [:])
    for entry in results.flatMap(\.cases) where entry.over == nil && entry.verdict != .error {
      onKernel["\(entry.kernel) \(entry.id)", default: []].append(entry.seconds)
      // What could not run says nothing of a kernel that can.
      if entry.verdict != .skip { anywhere[entry.id, default: []].append(entry.seconds) }
    }
    func mean(_ all: [Double]) -> Double { all.reduce(0, +) / Double(all.count) }
    self.onKernel = onKernel.mapValues(mean)
    self.anywhere = anywhere.mapValues(mean)
    guesses = Dictionary(cases.map { ($0.id, Self.guess($0, isVirtual)) }) { first, _ in first }
  }

  /// Seconds by kind: what waits for a SYN to be given up takes its two seconds, what waits longer has a guest of its own;
  /// where all have, they differ little.
  static func guess(_ test: Case, _ isVirtual: Bool) -> Double {
    let clients = 0.01 * Double(test.network.clients.count)
    if isVirtual { return 2 + clients }
    let waits = test.rules.contains { rule in
      rule.outcomes.values.contains { [.dropped, .exhausted, .served, .predicted].contains($0.outcome) }
    }
    return 0.5 + clients + (test.needs.isSlow ? 4 : waits ? 2.5 : 0)
  }

  /// Milliseconds of one case.
  public func milliseconds(_ unit: ShardCut.Unit) -> Int {
    let seconds =
      onKernel["\(unit.kernel ?? "host") \(unit.id)"] ?? anywhere[unit.id] ?? guesses[unit.id] ?? 1
    return Int((seconds * 1000).rounded())
  }
}
