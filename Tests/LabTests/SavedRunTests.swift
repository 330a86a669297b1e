import Evidence
import Foundation
import Judging
import Model
import Testing

@testable import Report

/// What is read of a folder whose run did not come to its end, and of folders that others have made.
@Suite struct SavedRunTests {
  /// One case passed, one was skipped, of one the verdict is there and the evidence is not, of one nothing; and the
  /// last line is half.
  private func killed(_ scratch: borrowing RunFolderTests.Scratch) throws {
    let folder = try RunFolder(creating: scratch.path)
    try folder.begin(RunFolderTests.plan(["x/a=1", "x/a=2", "x/a=3", "x/a=4"]))
    let passed = RunFolderTests.result(.pass, "x/a=1")
    try folder.save(passed, on: PlanTests.kernel())
    var skipped = RunFolderTests.result(.skip, "x/a=2", seen: false)
    skipped.judgement.reason = "no ipvs"
    for result in [passed, skipped, RunFolderTests.result(.pass, "x/a=3")] {
      try folder.append(RunEvent(finished: result))
    }
    try scratch.write(
      (scratch.read("events.jsonl") ?? "") + #"{"event":"finished","case":"x/a=4","ker"#, "events.jsonl")
  }

  @Test func aKilledRunSaysWhatItCameToAndWhatIsMissing() throws {
    let scratch = try RunFolderTests.Scratch()
    try killed(scratch)
    let folder = try RunFolder(reading: scratch.path)
    let results = try folder.loadResults()
    #expect(results.cases.map(\.id) == ["x/a=1", "x/a=2"])
    #expect(results.cases.map(\.verdict) == [.pass, .skip])
    #expect(results.cases[1].reason == "no ipvs")
    #expect(results.notJudged?.map(\.id) == ["x/a=3", "x/a=4"])
    #expect(results.notJudged?.allSatisfy { $0.verdict == .error } == true)
    #expect(
      results.unfinished == "unfinished: 2 of 4 cases were not judged (the run was ended before it)")
    #expect((results.summary.pass, results.summary.skip, results.summary.error) == (1, 1, 0))
    // For readers that know only verdicts it is not green.
    #expect(results.withNotJudged.summary.error == 2)
    #expect(results.withNotJudged.junit(time: Date()).contains("errors=\"2\""))
    let plan = try #require(try folder.loadPlan())
    #expect(try folder.recovered(plan).results.map(\.test.id) == ["x/a=1", "x/a=2"])
  }

  @Test func aKilledRunIsContinuedOverHalfALine() throws {
    let scratch = try RunFolderTests.Scratch()
    try killed(scratch)
    let folder = try RunFolder(continuing: scratch.path)
    try folder.goOn()
    for id in ["x/a=3", "x/a=4"] {
      try folder.save(RunFolderTests.result(.pass, id), on: PlanTests.kernel())
      try folder.append(RunEvent(finished: RunFolderTests.result(.pass, id)))
    }
    let results = try folder.loadResults()
    #expect(results.cases.map(\.id) == ["x/a=1", "x/a=2", "x/a=3", "x/a=4"])
    #expect(results.unfinished == nil && results.notJudged == nil)
    #expect(throws: Failure.self) { try RunFolder(continuing: scratch.path + "/observations") }
  }

  /// Results of a first part, then a second part that was killed.
  @Test func whatCameAfterTheResultsCounts() throws {
    let scratch = try RunFolderTests.Scratch()
    try killed(scratch)
    let folder = try RunFolder(reading: scratch.path)
    var first = try folder.loadResults()
    first.cases.removeLast()
    first.leaveOut(try #require(try folder.loadPlan()), .maxFail(1))
    try folder.save(first)
    let results = try folder.loadResults()
    #expect(results.cases.map(\.id) == ["x/a=1", "x/a=2"])
    #expect(results.notJudged?.map(\.verdict) == [.skip, .skip])
    #expect(
      results.unfinished == "unfinished: 2 of 4 cases were not judged (--max-fail 1 was reached before it)")
  }

  @Test(arguments: [
    ("", "no JSON, cut short"), ("{", "no JSON, cut short"), ("[]", "not of its type (Dictionary"),
    (#"{"version":"3"}"#, "version: not of its type (Int)"), ("{}", "no \"version\""),
    (#"{"version":3}"#, "no \"summary\""),
    (
      #"{"version":3,"summary":{"pass":1,"fail":0,"skip":0,"error":0,"seconds":null}}"#,
      "summary.seconds: null"
    ),
    (
      #"{"version":3,"summary":{"pass":1e99,"fail":0,"skip":0,"error":0,"seconds":1}}"#,
      "no JSON, cut short, or a number in it is too large"
    ),
    (
      #"{"version":3,"summary":{"pass":1,"fail":0,"skip":0,"error":0,"seconds":1},"guests":[],"cases":[],"kernels":{"a\u001b":{}}}"#,
      #"kernels."a\u{1B}": no "release""#
    ),
    (#"{"version":2}"#, "of format 2; this program reads 3 to 4"),
    (#"{"version":4}"#, "no \"summary\""),
  ])
  func whatCannotBeReadIsSaidWithItsPlace(text: String, words: String) throws {
    let scratch = try RunFolderTests.Scratch()
    try scratch.write(text, "results.json")
    let failure = #expect(throws: Failure.self) { try RunFolder(reading: scratch.path).loadResults() }
    #expect(failure?.object == scratch.path + "/results.json")
    #expect(failure?.cause.hasPrefix(words) == true, "\(failure?.cause ?? "")")
    for foreign in ["Error Domain", "DecodingError", "NSCocoa", "CodingKeys"] {
      #expect(failure?.description.contains(foreign) == false)
    }
  }

  /// A kernel that was named by its path is found again by what was typed.
  @Test func aPlanKnowsWhatItsKernelsWereCalled() {
    var plan = PlannedRun([(test: Case, kernel: String)](), kernels: [:])
    #expect(plan.kernelWords.isEmpty)
    plan.command = [
      "pawslab", "run", "lab", "--kernel", "debian-12,./linux", "--jobs", "2", "--kernel=/a/bzImage",
    ]
    #expect(plan.kernelWords == ["debian-12", "./linux", "/a/bzImage"])
  }

  /// A run from three seeds that was killed after one: each seed has a place and a folder of its own.
  @Test func seedsAreContinuedApart() throws {
    let scratch = try RunFolderTests.Scratch()
    func result(_ seed: UInt64) -> CaseResult {
      var result = RunFolderTests.result(.pass, "x/a=1")
      result.seed = seed
      return result
    }
    let kernels = ["host": PlanTests.kernel()]
    let plan = PlannedRun((0...2).map { (result($0).test, "host", $0) }, kernels: kernels)
    var folder: RunFolder? = try RunFolder(creating: scratch.path)
    try folder?.begin(plan)
    try folder?.append(RunEvent(started: result(1).test, kernel: "host", seed: 1))
    try folder?.save(result(1), on: PlanTests.kernel())
    try folder?.append(RunEvent(finished: result(1)))
    var skipped = RunFolderTests.result(.skip, "x/a=1", seen: false)
    skipped.seed = 2
    try folder?.append(RunEvent(finished: skipped))
    folder = nil

    let read = try RunFolder(reading: scratch.path)
    let results = try read.loadResults()
    #expect(results.cases.map(\.seed) == [1, 2] && results.cases.map(\.verdict) == [.pass, .skip])
    #expect(results.notJudged?.map(\.seed) == [0])
    #expect(results.unfinished == "unfinished: 1 of 3 cases were not judged (the run was ended before it)")
    #expect(try read.loadPlan()?.cases.map(\.seed) == [0, 1, 2])
    #expect(try read.load(results.cases[0].place) == result(1))
    // What another seed gave is not it.
    #expect(throws: Failure.self) { try read.load("x/a=1", kernel: "host") }

    folder = try RunFolder(continuing: scratch.path)
    try folder?.save(result(0), on: PlanTests.kernel())
    try folder?.append(RunEvent(finished: result(0)))
    folder = nil
    #expect(try RunFolder(reading: scratch.path).loadResults().unfinished == nil)
    // The next runs move it aside, and then away: all of it is known by its own lists.
    for _ in 0..<2 {
      folder = try RunFolder(creating: scratch.path)
      try folder?.begin(RunFolderTests.plan(["x/a=9"]))
      try folder?.save(RunFolderTests.result(.pass, "x/a=9"), on: PlanTests.kernel())
      folder = nil
    }
    #expect(scratch.read("previous/observations/host/seed-1/x.a_1.json") == nil)
  }

  /// The file of one seed under another's name is refused.
  @Test func aSeedsFileIsAskedWhoseItIs() throws {
    let scratch = try RunFolderTests.Scratch()
    var result = RunFolderTests.result(.pass, "x/a=1")
    result.seed = 3
    let folder = try RunFolder(creating: scratch.path)
    try folder.begin(PlannedRun([(result.test, "host", 3)], kernels: ["host": PlanTests.kernel()]))
    try folder.save(result, on: PlanTests.kernel())
    for kind in ["observations", "captures"] {
      try FileManager.default.moveItem(
        atPath: "\(scratch.path)/\(kind)/host/seed-3", toPath: "\(scratch.path)/\(kind)/host/seed-4")
    }
    let failure = #expect(throws: Failure.self) {
      try folder.load(PlannedRun.Place(id: "x/a=1", kernel: "host", seed: 4))
    }
    #expect(failure?.cause == "from seed 3, not from seed 4")
  }

  /// Cut between two packets a capture is sound, and not what was seen.
  @Test func aCaptureThatLacksPacketsIsRefused() throws {
    let scratch = try RunFolderTests.Scratch()
    var result = RunFolderTests.result(.pass, "x/a=1")
    result.observation?.packets = (0..<3).map {
      Packet(
        node: "server", interface: "eth0", time: Int64($0), outgoing: false, length: 60,
        bytes: Data(count: 60))
    }
    let folder = try RunFolder(creating: scratch.path)
    try folder.begin(PlannedRun([(result.test, "host")], kernels: ["host": PlanTests.kernel()]))
    try folder.save(result, on: PlanTests.kernel())
    #expect(try folder.load("x/a=1", kernel: "host") == result)
    let file = "captures/host/\(CaseName(id: "x/a=1")).pcapng"
    let whole = try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/\(file)"))
    let block = 32 + 60 + 8 + 4
    for (cut, words) in [
      (block, "2 packets, and the run has kept 3"), (block / 4 * 2, "no pcapng of the lab's, or cut short"),
    ] {
      try whole.dropLast(cut).write(to: URL(fileURLWithPath: "\(scratch.path)/\(file)"))
      let failure = #expect(throws: Failure.self) { try folder.load("x/a=1", kernel: "host") }
      #expect(failure?.object == "\(scratch.path)/\(file)")
      #expect(failure?.cause == words)
    }
  }

  /// A saved case is run as it stands: what no lab file could have made is not run.
  @Test(arguments: SavedRunTests.impossible.keys.sorted())
  func whatNoLabFileCouldHaveMadeIsRefused(what: String) throws {
    let scratch = try RunFolderTests.Scratch()
    var result = RunFolderTests.result(.pass, "x/a=1")
    let (change, words) = try #require(Self.impossible[what])
    #expect(result.test.savedMistake == nil)
    change(&result.test)
    #expect(result.test.savedMistake?.contains(words) == true, "\(result.test.savedMistake ?? "nothing")")
    let folder = try RunFolder(creating: scratch.path)
    try folder.begin(PlannedRun([(result.test, "host")], kernels: ["host": PlanTests.kernel()]))
    try folder.save(result, on: PlanTests.kernel())
    #expect(throws: Failure.self) { try folder.load("x/a=1", kernel: "host") }
    #expect(throws: Failure.self) { try folder.loadPlan() }
    let entry = Results.Entry(RunFolderTests.result(.pass, "x/a=1"), on: nil)
    #expect(throws: Failure.self) { try folder.savedTest(entry, [:]) }
  }

  private static let impossible: [String: (change: @Sendable (inout Case) -> Void, words: String)] = [
    "a setting by a path": (
      { $0.settings = ["server": ["../../kernel/core_pattern": "|/bin/x"]] }, "knows no setting"
    ),
    "a setting of nobody": ({ $0.settings = ["nobody": ["tcp_sack": "1"]] }, "no node \"nobody\""),
    "a node by a path": ({ $0.network.hosts[0].name = "../x" }, "no node can be called \"../x\""),
    "a node of a line end": ({ $0.network.hosts[0].group = "x\ny" }, "no node can be called"),
    "two of one name": ({ $0.network.hosts[0].name = "server" }, "two nodes of one name"),
    "no clients": ({ $0.network.hosts[0].client = nil }, "0 clients"),
    "many nodes": (
      { test in test.network.hosts += (0..<5_000).map { Network.Node("n\($0)") } }, "nodes: 500"
    ),
    "many ports": ({ $0.network.hosts[1].server?.ports = 0...0 }, "ports: 0, and not within"),
    "a clock far off": ({ $0.network.clients[0].clock = .offset(milliseconds: .min) }, "ms off"),
    "a step without end": (
      {
        $0.workload = [.connect(.init(client: "c", label: "c", closes: .client, times: .max, again: 0))]
      }, "connects"
    ),
    "a churn without end": (
      {
        $0.workload = [
          .churn(.init(clients: ["c"], label: "c", connections: .max, rate: 1, closes: .client, flush: nil))
        ]
      }, "connections"
    ),
    "a set by a path": (
      { $0.workload = [.set(node: "server", setting: "../x", value: "1")] }, "sets \"../x\""
    ),
    "a server that is none": ({ $0.workload = [.remove(server: "../x")] }, "\"../x\""),
    "a year": ({ $0.workload = [.advance(seconds: .max)] }, "forward"),
    "a link to nobody": ({ $0.network.links[0].ends[0].host = "nobody" }, "there is no node \"nobody\""),
    "a rule in an interface": (
      { $0.network.links[0].ends[0].interface = "x -j ACCEPT" }, "no interface can be called"
    ),
  ]

  @Test func aKernelWithoutAClockIsRefused() throws {
    let scratch = try RunFolderTests.Scratch()
    try RunFolderTests.run(["x/a=1"], into: scratch.path)
    let folder = try RunFolder(reading: scratch.path)
    var results = try folder.loadResults()
    results.kernels["host"]?.timestampTicksPerSecond = 0
    try folder.save(results)
    let failure = #expect(throws: Failure.self) { try folder.loadResults() }
    let cause = failure?.cause ?? ""
    #expect(
      cause.hasPrefix("kernels.host.timestampTicksPerSecond: timestampTicksPerSecond is 0, "), "\(cause)")
  }

  // MARK: comparing

  private func side(_ name: String, _ results: [CaseResult], missing: [String: String] = [:])
    -> Comparison.Side
  {
    let entries = Results(results, kernels: ["host": PlanTests.kernel()], seconds: 0).cases
    let places = missing.map { (PlannedRun.Place(id: $0, kernel: "host"), $1) }
    return .init(name: name, entries: entries, missing: Dictionary(uniqueKeysWithValues: places))
  }

  @Test func onlyWhatWasComparedIsAlike() {
    func lines(_ first: [CaseResult], _ second: [CaseResult], missing: [String: String] = [:]) -> [String] {
      let comparison = Comparison(side("then", first), side("now", second, missing: missing))
      #expect(comparison.isAlike == comparison.lines.contains { $0.hasPrefix("no difference") })
      return comparison.lines
    }
    func result(_ verdict: Verdict, _ number: Int) -> CaseResult {
      RunFolderTests.result(verdict, "x/a=\(number)", seen: verdict != .skip)
    }
    #expect(lines([result(.pass, 1)], [result(.pass, 1)]) == ["no difference in 1 case"])
    #expect(
      lines([result(.skip, 1)], [result(.skip, 1)]) == [
        "1 case skipped on both sides", "nothing was compared: no case was judged on both sides",
      ])
    #expect(lines([], []) == ["nothing was compared: no case was judged on both sides"])
    #expect(
      lines([result(.pass, 1), result(.skip, 2)], [result(.pass, 1), result(.skip, 2)]) == [
        "1 case skipped on both sides", "no difference in 1 case",
      ])
    #expect(
      lines([result(.pass, 1), result(.error, 2)], [result(.pass, 1), result(.pass, 2)]) == [
        "1 case could not be compared", "    x/a=2: then: the lab broke: a reason",
        "1 case alike, the rest is not known",
      ])
    #expect(
      lines(
        [result(.pass, 1), result(.pass, 2), result(.pass, 3)], [result(.pass, 1)],
        missing: ["x/a=2": "not kept", "x/a=3": "not kept"]) == [
          "2 cases could not be compared", "    x/a=2 and 1 more: now: not kept",
          "1 case alike, the rest is not known",
        ])
    #expect(
      lines([result(.error, 1)], [result(.error, 1)]).first { $0.hasPrefix("    ") }
        == "    x/a=1: on both sides the lab broke: a reason")
    // A case that passed and is skipped now is a difference.
    #expect(lines([result(.pass, 1)], [result(.skip, 1)]).first == "the kernels differ in 1 case")
  }
}
