import Judging
import Model
import Report
import Testing

/// Which part of a run this is, by option and by the variables of engines.
@Suite struct ShardTests {
  @Test func partsAreReadAndNothingElseIs() throws {
    let shard = try Shard("2/4")
    #expect((shard.index, shard.count, shard.description) == (2, 4, "2/4"))
    for text in ["", "2", "0/4", "5/4", "2/4/1", "-1/4", "1/0", "a/b", " 1/2", "1/20000", "+1/2"] {
      #expect(throws: Failure.self, "\(text)") { try Shard(text) }
    }
  }

  /// What each engine sets for the second of three.
  static let engines: [[String: String]] = [
    ["SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "0"],
    ["SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "5"],
    [
      "SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "2",
      "SLURM_ARRAY_TASK_MAX": "6", "SLURM_ARRAY_TASK_STEP": "2",
    ],
    ["JOB_COMPLETION_INDEX": "1", "JOB_COMPLETIONS": "3"],
    ["CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"],
    ["SHARD_INDEX": "2", "SHARD_NUMBER": "3"],
    ["CIRCLE_NODE_INDEX": "1", "CIRCLE_NODE_TOTAL": "3"],
    ["BUILDKITE_PARALLEL_JOB": "1", "BUILDKITE_PARALLEL_JOB_COUNT": "3"],
  ]

  @Test(arguments: engines) func enginesAreUnderstood(_ environment: [String: String]) throws {
    let told = try #require(try Shard.told(by: environment))
    #expect(told.shard == (try Shard("2/3")))
    // Said with its variable.
    #expect(environment.keys.contains { told.words.hasPrefix("\($0)=") }, "\(told.words)")
  }

  @Test func whatIsNoShardIsNone() throws {
    // GitLab says it of every job, parallel or not.
    for environment in [
      [:], ["CI_NODE_TOTAL": "1"], ["CI_NODE_TOTAL": "4"], ["SHARD_NUMBER": "1"], ["SHARD_INDEX": ""],
    ] {
      #expect(try Shard.told(by: environment) == nil, "\(environment)")
    }
    #expect(try Shard.told(by: ["SHARD_NUMBER": "1", "SHARD_INDEX": "1"])?.shard == (try Shard("1/1")))
  }

  /// Variables that say nothing, or two things, and the words by which they are refused.
  static let refused: [([String: String], String)] = [
    (["CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "3"], "GitLab counts from 1 to 3"),
    (["CI_NODE_INDEX": "4", "CI_NODE_TOTAL": "3"], "CI_NODE_INDEX=4 of CI_NODE_TOTAL=3"),
    (["JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "3"], "Kubernetes counts from 0 to 2"),
    (["JOB_COMPLETION_INDEX": "0"], "JOB_COMPLETIONS is not set"),
    (["SHARD_NUMBER": "3"], "SHARD_INDEX is not set"),
    (["SHARD_NUMBER": "0", "SHARD_INDEX": "1"], "SHARD_NUMBER=0"),
    (["SLURM_ARRAY_TASK_ID": "x", "SLURM_ARRAY_TASK_COUNT": "3"], "SLURM_ARRAY_TASK_ID=\"x\": no number"),
    // --array=1,3,7: which of them is not to be had from these.
    (
      ["SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"],
      "Slurm counts from 1 to 3"
    ),
    (
      ["SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_STEP": "2"],
      "Slurm counts from 0 by 2 to 4"
    ),
    (
      ["CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "3", "SHARD_INDEX": "2", "SHARD_NUMBER": "3"],
      "two different shards, 1/3 and 2/3"
    ),
  ]

  @Test(arguments: refused) func whatMakesNoSenseIsRefusedByName(
    _ environment: [String: String], _ words: String
  ) {
    #expect {
      try Shard.told(by: environment)
    } throws: {
      "\($0)".contains(words) && ($0 as? Failure)?.isUsage == true
    }
  }

  @Test func enginesThatAgreeAreNoContradiction() throws {
    let both = [
      "CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "3", "JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "3",
    ]
    #expect(try Shard.told(by: both)?.shard == (try Shard("1/3")))
  }

  // MARK: the cut

  static let ids = (0..<200).map { "file-\($0 % 10)/a=\($0)" }

  /// Between 0.1 and 3.3 s, and the last kernel slower than the first.
  static func cost(_ unit: ShardCut.Unit) -> Int {
    let number = Int(unit.id.split(separator: "=").last ?? "") ?? 0
    return 100 + number % 7 * 500 + (unit.kernel == "debian-sid" ? 200 : 0)
  }

  static let five = ["host", "debian-11", "debian-12", "debian-13", "debian-sid"]

  static func cut(
    _ shard: String, of ids: [String] = ids, on kernels: [String] = five, seeds: ClosedRange<UInt64>? = nil
  ) throws -> ShardCut {
    ShardCut(ids: ids, kernels: kernels, seeds: seeds, into: try Shard(shard), milliseconds: cost)
  }

  @Test(arguments: [1, 2, 3, 4, 7, 40]) func everythingIsInOneShardAndOneOnly(_ count: Int) throws {
    var all: [ShardCut.Unit] = []
    for index in 1...count { all += try Self.cut("\(index)/\(count)").own }
    #expect(all.count == Self.ids.count * Self.five.count)
    #expect(Set(all).count == all.count)
  }

  @Test func fiveKernelsOverFourShardsAreEven() throws {
    let loads = try (1...4).map { try Self.cut("\($0)/4").own.reduce(0) { $0 + Self.cost($1) } }
    let mean = loads.reduce(0, +) / 4
    // By half of the longest case at each end.
    #expect(loads.allSatisfy { abs($0 - mean) <= 3_400 }, "\(loads)")
    // And few kernels are booted in each.
    for index in 1...4 { #expect(Set(try Self.cut("\(index)/4").own.map(\.kernel)).count <= 3) }
  }

  @Test func theOrderOfTheCommandLineChangesNothing() throws {
    for index in 1...3 {
      let own = try Self.cut("\(index)/3").own
      #expect(try Self.cut("\(index)/3", of: Self.ids.reversed(), on: Self.five.reversed()).own == own)
    }
  }

  /// A case more moves what is at the cuts, and nothing else.
  @Test func aCaseMoreMovesFewOthers() throws {
    let more = Self.ids + ["file-new/a=1"]
    var moved = 0
    for index in 1...4 {
      moved += try Self.cut("\(index)/4", on: ["host"]).own
        .subtracting(try Self.cut("\(index)/4", of: more, on: ["host"]).own).count
    }
    #expect(moved <= 6, "\(moved) of \(Self.ids.count)")
  }

  @Test func seedsAreSpread() throws {
    let all = try (1...4).map { try Self.cut("\($0)/4", of: ["x/a=1"], on: [], seeds: 5...24).own }
    #expect(all.map(\.count) == [5, 5, 5, 5])
    #expect(Set(all.flatMap { $0.map(\.seed) }) == Set((5...24).map { $0 }))
  }

  @Test func thereMayBeMoreShardsThanWork() throws {
    let all = try (1...7).map { try Self.cut("\($0)/7", of: ["x/a=1", "x/a=2"], on: []).own.count }
    #expect(all.reduce(0, +) == 2)
  }

  @Test func timesAreRecordedOnesElseGuesses() {
    var fast = Sample.result(.pass, id: "x/a=1", kernel: "debian-11")
    var slow = Sample.result(.pass, id: "x/a=1")
    var broken = Sample.result(.error, id: "x/a=2")
    (fast.seconds, slow.seconds, broken.seconds) = (0.25, 4, 60)
    let kernels = ["host": Sample.kernel, "debian-11": Sample.kernel]
    let times = CaseTimes(
      [Results([fast, slow, broken], kernels: kernels, seconds: 1)],
      for: [fast.test, broken.test])
    #expect(times.milliseconds(.init(id: "x/a=1", kernel: "debian-11")) == 250)
    #expect(times.milliseconds(.init(id: "x/a=1")) == 4000)
    // On a kernel that nobody has timed, as on the others.
    #expect(times.milliseconds(.init(id: "x/a=1", kernel: "debian-12")) == 2125)
    // What broke took as long as it took to break.
    #expect((500...10_000).contains(times.milliseconds(.init(id: "x/a=2"))))
  }
}
