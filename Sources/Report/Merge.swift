import Evidence
import Foundation
import Judging
import Model

/// Several runs put together to one: shards of a run, or runs on different kernels. What comes of it is what one run
/// would have come to: the same plan in the same order, each case once, judged over all seeds, required of all kernels.
///
/// Pure: which files go where is ``RunFolder/take(_:from:)``'s.
public struct Merge: Sendable {
  /// One of them.
  public struct Part: Sendable {
    /// The folder, as it was named.
    public var name: String
    public var plan: PlannedRun
    public var results: Results

    public init(name: String, plan: PlannedRun, results: Results) {
      (self.name, self.plan, self.results) = (name, plan, results)
    }
  }

  /// Something that the whole lacks, and the command that makes just that.
  public struct Missing: Sendable, Equatable {
    public var what: String
    public var command: String
  }

  /// What all of them set out to do.
  public let plan: PlannedRun
  /// What all of them came to.
  public let results: Results
  /// Of which part each result is, by its number.
  public let parts: [PlannedRun.Place: Int]
  /// In the order of the shards.
  public let missing: [Missing]

  /// Puts them together.
  ///
  /// - Throws: `Failure` of usage where they are no parts of one run: cut otherwise, of another program, worker, kernel or
  ///   lab file, or where one case has come to two different things.
  public init(_ parts: [Part]) throws(Failure) {
    guard let first = parts.first else {
      throw Failure(stage: "merge", object: "", cause: "there is nothing to be put together", isUsage: true)
    }
    try Self.check(parts)
    var kernels: [String: Kernel] = [:]
    for part in parts { kernels.merge(part.plan.kernels) { own, _ in own } }
    var plan = PlannedRun(
      [(test: Case, kernel: String)](), kernels: kernels,
      began: parts.map(\.plan.began).min() ?? first.plan.began)
    let commands = Set(parts.map { $0.plan.command.map(Self.whole) })
    plan.command = commands.count == 1 ? commands.first ?? nil : nil
    plan.program = first.plan.program
    let cut = first.plan.cut.map { cut in
      var all = cut
      all.shards = Set(parts.flatMap { $0.plan.cut?.shards ?? [] }).sorted()
      return all
    }
    plan.cut = cut?.missing.isEmpty == true ? nil : cut
    let order = Order(cut, parts.map(\.plan))
    var tests: [String: Case] = [:]
    for test in parts.flatMap(\.plan.tests) where tests[test.id] == nil { tests[test.id] = test }
    plan.tests = tests.values.sorted { order.place($0.id) < order.place($1.id) }
    plan.cases = Set(parts.flatMap(\.plan.cases)).sorted { order.key($0) < order.key($1) }

    var found: [PlannedRun.Place: (entry: Results.Entry, part: Int)] = [:]
    var open: [PlannedRun.Place: Results.Entry] = [:]
    for (number, part) in parts.enumerated() {
      for entry in part.results.cases where entry.over == nil {
        if let other = found[entry.place] {
          // A lab that broke has said nothing of the kernel: what was judged since counts.
          guard other.entry.verdict != .error else {
            found[entry.place] = (entry, number)
            continue
          }
          guard entry.verdict != .error else { continue }
          guard other.entry.isSame(as: entry) else {
            throw Self.refused(
              parts[other.part].name, part.name,
              "\(entry.words) on \(entry.kernel) has come to two different things: "
                + "\(other.entry.words(beside: entry)), and \(entry.words(beside: other.entry))",
              "leave one of the two out")
          }
        } else {
          found[entry.place] = (entry, number)
        }
      }
      for entry in part.results.notJudged ?? [] where open[entry.place] == nil { open[entry.place] = entry }
    }
    self.parts = found.mapValues(\.part)

    var results = Results(
      [], kernels: kernels, guests: parts.flatMap(\.results.guests),
      seconds: parts.map(\.results.summary.seconds).max() ?? 0)
    results.cases = found.values.map(\.entry).sorted { order.key($0.place) < order.key($1.place) }
    var left = open.values.filter { found[$0.place] == nil }.sorted {
      order.key($0.place) < order.key($1.place)
    }
    for shard in cut?.missing ?? [] {
      let units = cut?.units(of: [shard]) ?? []
      let entries = units.map {
        Results.Entry($0, kernels, "not judged: shard \(shard)/\(cut?.count ?? 0) is missing")
      }
      .sorted { order.key($0.place) < order.key($1.place) }
      for entry in entries where kernels[entry.kernel] == nil { results.kernels[entry.kernel] = .unknown }
      left += entries
    }
    results.notJudged = left.isEmpty ? nil : left
    results.judgeOverSeeds()
    results.summary.count(results.cases)
    let remarks = parts.flatMap { $0.results.remarks ?? [] }
    var known: Set<String> = []
    results.remarks = remarks.isEmpty ? nil : remarks.filter { known.insert($0).inserted }
    results.account(required: try Required(cut?.required ?? [], among: []))
    self.results = results
    self.plan = plan
    missing = Self.missing(parts, cut, judged: Set(found.keys))
  }

  // MARK: what is missing

  private static func missing(
    _ parts: [Part], _ cut: ShardCut?, judged: Set<PlannedRun.Place>
  ) -> [Missing] {
    let dead = parts.compactMap { part -> Missing? in
      // A merged folder says for itself what it has not.
      let own = Set(part.plan.cases)
      let count = (part.results.notJudged ?? []).count {
        own.contains($0.place) && !judged.contains($0.place)
      }
      guard count > 0 else { return nil }
      let shard =
        part.plan.cut.map { " (shard \($0.shards.map(String.init).joined(separator: ", "))/\($0.count))" }
        ?? ""
      return Missing(
        what: "\(part.name)\(shard) has not judged \(count) of its \(own.count) cases",
        command: "pawslab run --continue " + ShellWord.option("--out", part.name))
    }
    guard let cut else { return dead }
    let command = parts.lazy.compactMap(\.plan.command).first.map(whole) ?? ["pawslab", "run"]
    return dead
      + cut.missing.map { shard in
        let count = cut.units(of: [shard]).count
        return Missing(
          what: "shard \(shard)/\(cut.count) is missing: \(count) \(count == 1 ? "case" : "cases")",
          command: (command.map { ShellWord.quoted($0) } + [
            "--shard", "\(shard)/\(cut.count)", "--out", "shard-\(shard)",
          ])
          .joined(separator: " "))
      }
  }

  /// A shard's command without what makes it one.
  static func whole(_ command: [String]) -> [String] {
    var words: [String] = []
    var isValue = false
    for word in command {
      if isValue {
        isValue = false
      } else if ["--shard", "--out"].contains(word) {
        isValue = true
      } else if !word.hasPrefix("--shard="), !word.hasPrefix("--out=") {
        words.append(word)
      }
    }
    if words.count < 2 || words[1].hasPrefix("-") { words.insert("run", at: min(1, words.count)) }
    return words
  }

  // MARK: what does not belong together

  private static func refused(_ one: String, _ other: String, _ cause: String, _ mend: String) -> Failure {
    Failure(stage: "merge", object: "\(one) and \(other)", cause: cause, mend: mend, isUsage: true)
  }

  private static func check(_ parts: [Part]) throws(Failure) {
    var tests: [String: (test: Case, part: String)] = [:]
    var kernels: [String: (kernel: Kernel, part: String)] = [:]
    var origins: [String: (origin: String, part: String)] = [:]
    for part in parts {
      let first = parts[0]
      if let why = differs(first.plan, part.plan) {
        throw refused(first.name, part.name, why, "shards of one command on one program make one run")
      }
      for (name, kernel) in part.plan.kernels.sorted(by: { $0.key < $1.key }) {
        if let other = kernels[name], let difference = other.kernel.difference(from: kernel) {
          throw refused(
            other.part, part.name, "\(name) is another kernel: \(difference)",
            "verdicts of two kernels make no run of one")
        }
        kernels[name] = (kernel, part.name)
      }
      for var test in part.plan.tests {
        // The same file may lie elsewhere on another machine.
        test.source?.file = ""
        if let other = tests[test.id], other.test != test {
          throw refused(
            other.part, part.name, "\(quoted(test.id)) is another case: other lab files",
            "run all of them with the same ones")
        }
        tests[test.id] = (test, part.name)
      }
      for entry in part.results.cases {
        guard let exact = entry.exact else { continue }
        if let other = origins[entry.kernel], other.origin != exact.origin {
          throw refused(
            other.part, part.name,
            "\(entry.kernel): kernel, worker, its tools or QEMU are others, so that packets cannot be the same",
            "run all of them with the same ones")
        }
        origins[entry.kernel] = (exact.origin, part.name)
      }
    }
  }

  private static func differs(_ one: PlannedRun, _ other: PlannedRun) -> String? {
    if one.program != other.program {
      return
        "one is of \(one.program ?? "a version that did not say"), one of \(other.program ?? "such a version")"
    }
    switch (one.cut, other.cut) {
    case (nil, nil): return nil
    case (nil, _), (_, nil): return "one is a shard, and one is not"
    case (let first?, let second?):
      if first.isOfOneRun(with: second) { return nil }
      if first.count != second.count { return "one is of \(first.count) shards, one of \(second.count)" }
      if first.worker != second.worker { return "their workers are two different programs" }
      if first.kernels != second.kernels || first.seeds != second.seeds {
        return "they were told other kernels or seeds"
      }
      if first.required != second.required { return "other cases were required" }
      if first.ids != second.ids {
        let only = Set(first.ids).symmetricDifference(second.ids).sorted()
        return "they were cut out of other cases"
          + (only.first.map { ": only one knows \(quoted($0))" } ?? ": in another order")
      }
      return "they were cut otherwise: --balance was not the same"
    }
  }
}

/// The order of one run: kernels as they were named, cases as lab files have them, seeds one after another.
private struct Order {
  private var kernels: [String: Int] = [:]
  private var ids: [String: Int] = [:]

  init(_ cut: ShardCut?, _ plans: [PlannedRun]) {
    for name in cut?.kernels ?? [] where kernels[name] == nil { kernels[name] = kernels.count }
    for id in cut?.ids ?? [] where ids[id] == nil { ids[id] = ids.count }
    for place in plans.flatMap(\.cases) {
      if ids[place.id] == nil { ids[place.id] = ids.count }
      guard kernels[place.kernel] == nil else { continue }
      // One with something emulated is where the kernel itself is; where none was named, cases alone have an order.
      let own = (try? ResultName(place.kernel))?.kernel.text ?? place.kernel
      kernels[place.kernel] = cut?.kernels.isEmpty == true ? 0 : kernels[own] ?? kernels.count
    }
  }

  func place(_ id: String) -> Int { ids[id] ?? Int.max }
  func key(_ place: PlannedRun.Place) -> (Int, Int, UInt64, String) {
    (kernels[place.kernel] ?? Int.max, ids[place.id] ?? Int.max, place.seed ?? 0, place.kernel)
  }
}

extension Results {
  /// Asks anew what is required of all together; what is known to fail each part has marked itself.
  fileprivate mutating func account(required: Required) {
    let unmet = required.unmet(by: cases)
    for index in cases.indices { cases[index].unmet = unmet[cases[index].id] }
    let skipped = cases.count { $0.unmet != nil && $0.verdict == .skip }
    let emulated = cases.count { $0.unmet != nil && $0.verdict == .pass }
    summary.required = skipped + emulated == 0 ? nil : .init(skipped: skipped, emulated: emulated)
    let failures = cases.count { $0.standing == .known }
    summary.known = failures == 0 ? nil : failures
  }
}

extension Results.Entry {
  /// Whether two results of one case say the same: in a guest's own time to the nanosecond.
  fileprivate func isSame(as other: Results.Entry) -> Bool {
    if let exact, let there = other.exact { return exact == there }
    return Difference.Behaviour(self) == Difference.Behaviour(other)
  }

  fileprivate func words(beside other: Results.Entry) -> String {
    if verdict != other.verdict { return "\(verdict.rawValue) (\(Visible.line(reason)))" }
    let own = Difference.Behaviour(self).words(unlike: [Difference.Behaviour(other)])
    return exact.map { "digest \($0.digest.prefix(16))" } ?? own
  }

  /// What a shard that is not there would have judged.
  fileprivate init(_ unit: ShardCut.Unit, _ kernels: [String: Kernel], _ why: String) {
    id = unit.id
    name = CaseName(id: unit.id).description
    // What a path names is called otherwise once it has been asked.
    kernel = unit.kernel.flatMap { try? ResultName($0).description } ?? "host"
    seed = unit.seed
    scenario = unit.id.split(separator: "/").first.map(String.init) ?? "case"
    title = scenario
    (verdict, reason) = (.error, why)
    (axes, expected, attempts, counters, witnesses, settings, timings) = ([:], [:], [], [:], [], [:], [])
    seconds = 0
  }
}

extension Kernel {
  /// Of a kernel that nobody has asked.
  fileprivate static var unknown: Kernel {
    Kernel(
      release: "not known", machine: "", capabilities: [], perKernelSettings: [],
      timestampTicksPerSecond: 1000,
      privilege: .root, missing: [:])
  }

  /// Why a verdict on one is none on the other, in words; nil where it is: all but the words in which a kernel says what
  /// it lacks is the same.
  public func difference(from other: Kernel) -> String? {
    if release != other.release { return "Linux \(release), and Linux \(other.release)" }
    let differing = capabilities.symmetricDifference(other.capabilities).sorted()
    if let one = differing.first {
      return "\(release) with and without \(one)"
        + (differing.count > 1 ? " and \(differing.count - 1) more" : "")
    }
    var (own, there) = (self, other)
    (own.missing, there.missing) = ([:], [:])
    return own == there ? nil : "\(release) with other rights, settings or places"
  }
}

extension Results {
  /// Reads a `results.json` that lies alone.
  public init(file path: String) throws {
    let above = (path as NSString).deletingLastPathComponent
    let data: Data
    do {
      data = try Beneath(above.isEmpty ? "." : above)
        .read((path as NSString).lastPathComponent, limit: RunFolder.limit)
    } catch {
      throw Failure(
        stage: "read", object: path, cause: (error as? Failure)?.cause ?? "\(error)",
        mend: "name a results.json that a run kept with --out", isUsage: true)
    }
    self = try StoredFile(kind: .results, name: path).decoded(Results.self, from: data)
    if let mistake { throw Failure(stage: "read", object: path, cause: mistake) }
  }
}
