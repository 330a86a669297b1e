import Evidence
import Foundation
import Judging
import Model
import Testing

@testable import Report

/// Shards put together: the whole is what one run is, and what is missing or does not belong is said.
@Suite struct MergeTests {
  private static let ids = (1...9).map { "x/a=\($0)" } + (1...5).map { "y/b=\($0)" }
  private static let kernels = ["host", "debian-12"]

  private static func verdict(_ id: String, _ kernel: String) -> Verdict {
    switch id {
    case "x/a=3": .fail
    case "y/b=2": kernel == "host" ? .skip : .pass
    case "y/b=4": .skip
    default: .pass
    }
  }

  private static func results(_ units: Set<ShardCut.Unit>?) -> [CaseResult] {
    kernels.flatMap { kernel in
      ids.filter { units?.contains(.init(id: $0, kernel: kernel)) ?? true }.map { id in
        let verdict = verdict(id, kernel)
        var result = RunFolderTests.result(verdict, id, kernel: kernel, seen: verdict != .skip)
        if kernel == "debian-12", verdict != .skip {
          result.seed = 0
          result.exact = .init(seed: 0, origin: "o", digest: "digest of \(id)")
        } else if kernel == "debian-12" {
          result.seed = 0
        }
        return result
      }
    }
  }

  /// Runs a shard, or everything, into a folder.
  ///
  /// - Parameter died: how many cases it came to before it was killed; nil is all.
  private static func run(
    _ shard: String?, of scratch: borrowing RunFolderTests.Scratch, as name: String, died: Int? = nil,
    change: (inout PlannedRun) -> Void = { _ in }
  ) throws {
    var cut = try shard.map {
      ShardCut(ids: ids, kernels: kernels, into: try Shard($0)) { _ in 1000 }
    }
    cut?.required = ["y/*"]
    let results = results(cut?.own)
    let known = Dictionary(
      results.map { ($0.kernel, PlanTests.kernel()) }, uniquingKeysWith: { first, _ in first })
    var plan = PlannedRun(results.map { ($0.test, $0.kernel, $0.seed) }, kernels: known)
    plan.cut = cut
    plan.command = [
      "pawslab", "run", "my lab", "--kernel", "host,debian-12", "--shard", shard ?? "1/1", "--out", name,
    ]
    change(&plan)
    let folder = try RunFolder(creating: scratch.path + "/" + name)
    try folder.begin(plan)
    for result in results.prefix(died ?? results.count) {
      try folder.append(RunEvent(started: result.test, kernel: result.kernel, seed: result.seed))
      try folder.save(result, on: PlanTests.kernel())
      try folder.append(RunEvent(finished: result))
    }
    guard died == nil else { return }
    try folder.save(console: "of \(name)", of: "debian-12")
    var saved = Results(results, kernels: known, seconds: 2)
    var required = try Required(["y/*"], among: [])
    required.elsewhere = Set((cut.map { $0.units(of: $0.missing) } ?? []).map(\.id))
    saved.account(required: required, known: KnownFailures(), on: .today)
    try folder.save(saved)
  }

  private static func merge(
    _ names: [String], of scratch: borrowing RunFolderTests.Scratch, into whole: String? = nil
  ) throws -> Merge {
    let folders = try names.map { try RunFolder(reading: scratch.path + "/" + $0) }
    let merge = try Merge(try folders.map { try $0.part() })
    if let whole { try RunFolder(creating: scratch.path + "/" + whole).take(merge, from: folders) }
    return merge
  }

  private static func bytes(_ scratch: borrowing RunFolderTests.Scratch, _ name: String) -> [String: Data] {
    let path = scratch.path + "/" + name
    let files = (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? [])
      .filter { $0.hasPrefix("captures/") || $0.hasPrefix("observations/") }
    return Dictionary(
      uniqueKeysWithValues: files.compactMap { file in
        FileManager.default.contents(atPath: path + "/" + file).map { (file, $0) }
      })
  }

  @Test(arguments: [2, 3, 7, 40]) func shardsAreOneRun(_ count: Int) throws {
    let scratch = try RunFolderTests.Scratch()
    try Self.run(nil, of: scratch, as: "one")
    let names = (1...count).map { "s\($0)" }
    for index in 1...count { try Self.run("\(index)/\(count)", of: scratch, as: "s\(index)") }
    let merge = try Self.merge(names.reversed(), of: scratch, into: "whole")
    #expect(merge.missing.isEmpty && merge.plan.cut == nil)
    let (one, whole) = (
      try RunFolder(reading: scratch.path + "/one"), try RunFolder(reading: scratch.path + "/whole")
    )
    var (then, now) = (try one.loadResults(), try whole.loadResults())
    #expect(now.unfinished == nil)
    // All shards ran side by side: what they took is what the longest took.
    #expect(now.summary.seconds == 2)
    (then.summary.seconds, now.summary.seconds) = (0, 0)
    #expect(try then.json() == now.json())
    #expect(then.summary.required == .init(skipped: 2, emulated: 0))
    #expect(
      then.junit(time: Date(timeIntervalSince1970: 0)) == now.junit(time: Date(timeIntervalSince1970: 0)))
    #expect(then.ktap == now.ktap && then.markdown == now.markdown)
    #expect(Self.bytes(scratch, "one") == Self.bytes(scratch, "whole"))
    #expect(!Self.bytes(scratch, "one").isEmpty)
    let plans = [try #require(try one.loadPlan()), try #require(try whole.loadPlan())]
    #expect(plans[0].cases == plans[1].cases && plans[0].tests == plans[1].tests)
    #expect(plans[1].command == ["pawslab", "run", "my lab", "--kernel", "host,debian-12"])
    // A line for each beginning and each end, in the order of their times.
    let lines = (scratch.read("whole/events.jsonl") ?? "").split(separator: "\n")
    #expect(lines.count == 2 * plans[0].cases.count)
    #expect(scratch.files.count { $0.hasPrefix("whole/consoles/") } == count)
  }

  @Test func whatIsMissingIsSaidWithItsCommand() throws {
    let scratch = try RunFolderTests.Scratch()
    try Self.run("1/3", of: scratch, as: "s1")
    try Self.run("2/3", of: scratch, as: "s2", died: 2)
    let merge = try Self.merge(["s1", "s2"], of: scratch, into: "whole")
    let count = (1...3).map { index in
      (try? ShardCut(ids: Self.ids, kernels: Self.kernels, into: Shard("\(index)/3")) { _ in 1000 }.own.count)
        ?? 0
    }
    #expect(
      merge.missing.map(\.command) == [
        "pawslab run --continue --out \(scratch.path)/s2",
        "pawslab run 'my lab' --kernel host,debian-12 --shard 3/3 --out shard-3",
      ])
    #expect(merge.missing[1].what == "shard 3/3 is missing: \(count[2]) cases")
    let folder = try RunFolder(reading: scratch.path + "/whole")
    let results = try folder.loadResults()
    #expect(results.cases.count + (results.notJudged?.count ?? 0) == Self.ids.count * 2)
    #expect(results.notJudged?.count == count[1] - 2 + count[2])
    #expect(ExitStyle.pawslab.status(of: results.withNotJudged) == 3)

    // What was made since goes with what was put together then.
    try Self.run("2/3", of: scratch, as: "s2")
    try Self.run("3/3", of: scratch, as: "s3")
    try Self.run(nil, of: scratch, as: "one")
    let again = try Self.merge(["whole", "s2", "s3"], of: scratch)
    #expect(again.missing.isEmpty)
    #expect(
      try again.results.cases.map(\.place)
        == RunFolder(reading: scratch.path + "/one").loadResults().cases.map(\.place))
  }

  @Test func anEmptyShardHasNothingAndLacksNothing() throws {
    let scratch = try RunFolderTests.Scratch()
    for index in 1...40 where [1, 40].contains(index) {
      try Self.run("\(index)/40", of: scratch, as: "s\(index)")
    }
    #expect(try Self.merge(["s1", "s40"], of: scratch).missing.count == 38)
  }

  /// What makes a second shard no part of the first's run, and the words for it. Both have cases of both kernels' names.
  @Test func mixesAreRefused() throws {
    let scratch = try RunFolderTests.Scratch()
    try Self.run("1/3", of: scratch, as: "first")
    var number = 0
    func refused(_ words: String, _ change: (inout PlannedRun) -> Void) throws {
      number += 1
      try Self.run("2/3", of: scratch, as: "s\(number)", change: change)
      #expect {
        try Self.merge(["first", "s\(number)"], of: scratch)
      } throws: {
        "\($0)".contains(words) && ($0 as? Failure)?.isUsage == true
      }
    }
    try refused("is another case: other lab files") { plan in
      for index in plan.tests.indices { plan.tests[index].settings = ["server": ["tcp_rfc1337": "0"]] }
    }
    try refused("only one knows \"x/a=1\"") { $0.cut?.ids[0] = "z/c=1" }
    try refused("their workers are two different programs") { $0.cut?.worker = "other" }
    try refused("--balance was not the same") { $0.cut?.cuts[1] -= 1 }
    try refused("other cases were required") { $0.cut?.required = nil }
    try refused("one of pawslab 9") { $0.program = "pawslab 9" }
    try refused("one is a shard, and one is not") { $0.cut = nil }
    try refused("debian-12 is another kernel: Linux 6.18.0, and Linux 6.18.1") { plan in
      for name in plan.kernels.keys { plan.kernels[name]?.release = "6.18.1" }
    }
    try refused("debian-12 is another kernel: 6.18.0 with and without ipvs") { plan in
      for name in plan.kernels.keys { plan.kernels[name]?.capabilities.remove(.feature(.ipvs)) }
    }
    try Self.run("2/3", of: scratch, as: "second")
    #expect(
      try Self.merge(["first", "second"], of: scratch).missing.map(\.what) == [
        "shard 3/3 is missing: 9 cases"
      ])
  }

  @Test func whatDiffersIsRefusedAndWhatIsTheSameCountsOnce() throws {
    let scratch = try RunFolderTests.Scratch()
    try Self.run("1/2", of: scratch, as: "s1")
    try Self.run("2/2", of: scratch, as: "s2")
    let whole = try ["s1", "s2", "s1"].map { try RunFolder(reading: scratch.path + "/" + $0).part() }
    #expect(try Merge(whole).results.cases.count == Self.ids.count * 2)
    // In a guest's own time.
    let exact = try #require(whole[2].results.cases.firstIndex { $0.exact != nil })
    var parts = whole
    parts[2].results.cases[exact].exact?.digest = "another"
    #expect { try Merge(parts) } throws: { "\($0)".contains("has come to two different things: digest") }
    parts = whole
    parts[2].results.cases[exact].exact?.origin = "another"
    #expect { try Merge(parts) } throws: { "\($0)".contains("kernel, worker, its tools or QEMU are others") }
    // What broke, and was judged elsewhere since, is judged: whichever comes first.
    let place = whole[2].results.cases[exact].place
    for broken in [0, 2] {
      parts = whole
      parts[broken].results.cases[exact].verdict = .error
      #expect(try Merge(parts).results.cases.first { $0.place == place }?.verdict == .pass)
    }
    // In this machine's.
    parts = [whole[1], whole[0], whole[1]]
    let host = try #require(parts[0].results.cases.firstIndex { $0.exact == nil && $0.verdict == .pass })
    parts[2].results.cases[host].verdict = .fail
    #expect { try Merge(parts) } throws: { "\($0)".contains("two different things: pass") }
  }

  @Test func otherFormatsAreRefused() throws {
    let old = ProgramTests.repository + "/lab/recorded/linux-4.9.115"
    #expect { try RunFolder(reading: old).part() } throws: { "\($0)".contains("no run.json there") }
    let scratch = try RunFolderTests.Scratch()
    try Self.run("1/2", of: scratch, as: "s1")
    try scratch.write(
      (scratch.read("s1/results.json") ?? "").replacing("\"version\":4", with: "\"version\":3"),
      "s1/results.json")
    #expect { try RunFolder(reading: scratch.path + "/s1").part() } throws: {
      "\($0)".contains("of format 3")
    }
  }

  @Test func aSpoiltCutIsRefused() throws {
    let scratch = try RunFolderTests.Scratch()
    let spoils: [(inout ShardCut) -> Void] = [
      { $0.cuts[1] = 1_000 }, { $0.cuts = [0] }, { $0.shards = [3] },
      { $0.shards = [] },
      { $0.seeds = [7, 1] }, { $0.seeds = [0, UInt64.max] }, { $0.ids.append($0.ids[0]) },
    ]
    for (number, spoil) in spoils.enumerated() {
      try Self.run("1/2", of: scratch, as: "s\(number)") { plan in
        if var cut = plan.cut {
          spoil(&cut)
          plan.cut = cut
        }
      }
      #expect(throws: Failure.self) { try RunFolder(reading: scratch.path + "/s\(number)").part() }
    }
  }
}
