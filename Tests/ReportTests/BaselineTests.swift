import Foundation
import Judging
import Model
import Report
import Testing

/// What a run says against one that was kept.
@Suite struct BaselineTests {
  private static func against(
    _ then: [CaseResult], _ now: [CaseResult], require: [String] = []
  ) throws -> Results {
    var results = StandingTests.results(now)
    results.account(
      required: try Required(require, among: now.map(\.test)), known: KnownFailures(),
      baseline: Baseline(try StandingTests.accounted(then, require: require), name: "before"),
      on: try CalendarDate.day("2026-11-25"))
    return results
  }

  @Test func whatFailsAsBeforeIsNotNew() throws {
    let failing = Sample.result(.fail, id: "x/a=2")
    let results = try Self.against([failing], [Sample.result(.pass), failing])
    #expect(results.cases.map(\.standing) == [.passed, .known])
    #expect(results.cases[1].verdict == .fail && results.cases[1].known?.until == nil)
    #expect(results.cases[1].reasons[0] == "known: it failed so in before too: a reason")
    #expect(results.summary.text == "1 passed, 0 failed, 1 known to fail, 0 skipped, 0 errors")
    #expect(ExitStyle.pawslab.status(of: results) == 0)
    #expect(results.ktap.contains("  ok 2 x.a_2 # XFAIL known: it failed so in before too\n"))
    // Words of numbers that chance decides are not how it fails.
    var slower = failing
    slower.judgement.reason = "another reason"
    slower.judgement.attempts[0].milliseconds = 99
    #expect(try Self.against([failing], [slower]).cases[0].standing == .known)
    // What is kept can be read again, and has no day.
    let kept = try JSONDecoder().decode(Results.self, from: Data(results.json().utf8))
    #expect(kept.cases[1].known == results.cases[1].known)
  }

  @Test func whatFailsInAnotherWayIsNew() throws {
    let failing = Sample.result(.fail)
    var refused = failing
    refused.judgement.attempts[0].outcome = .refused
    var counted = failing
    counted.judgement.witnesses.append(
      Witness(
        .counter(node: "server", name: "TcpExt.PAWSActive"), expected: .number(0), seen: .number(1),
        holds: false))
    for now in [refused, counted] {
      let results = try Self.against([failing], [now])
      #expect(results.cases[0].standing == .failed)
      #expect(ExitStyle.pawslab.status(of: results) == 1)
      #expect(
        results.remarks == ["against before: 1 failed there, and in another way now: x/a=1 on host"])
    }
    // A kernel of another name is another.
    let elsewhere = try Self.against([failing], [Sample.result(.fail, kernel: "debian-12")])
    #expect(elsewhere.cases[0].standing == .failed)
    #expect(
      elsewhere.remarks == ["before has none of these cases on these kernels: whatever failed is new"])
  }

  @Test func whatChangedOrIsGoneIsSaid() throws {
    func ids(_ verdicts: Verdict...) -> [CaseResult] {
      verdicts.enumerated().map { Sample.result($1, id: "x/a=\($0)") }
    }
    let results = try Self.against(
      ids(.pass, .pass, .error, .skip, .pass, .fail, .error, .fail, .pass),
      ids(.fail, .error, .error, .fail, .skip, .pass, .pass, .fail) + [Sample.result(.fail, id: "x/a=new")])
    #expect(
      results.remarks == [
        "against before: 2 passed there, and no longer: x/a=0 on host and 1 more",
        "against before: 2 bad, and not judged there: x/a=3 on host and 1 more",
        "against before: 1 bad, and broke there: x/a=2 on host",
        "against before: 1 judged there, and skipped now: x/a=4 on host",
        "against before: 2 failed or broke there, and passing now: x/a=5 on host and 1 more",
        "against before: 1 there, and not in this run: x/a=8 on host",
      ])
    // An error of the lab is never known.
    #expect(ExitStyle.pawslab.status(of: results) == 3)
    #expect(try Self.against(ids(.pass, .fail), ids(.pass, .fail)).remarks == nil)
  }

  @Test func whatIsRequiredAndWasNotJudgedThereEitherIsNotNew() throws {
    let cases = [Sample.result(.pass), Sample.result(.skip, id: "x/a=2")]
    let results = try Self.against(cases, cases, require: ["*"])
    #expect(results.cases[1].standing == .skipped)
    #expect(results.summary.text == "1 passed, 0 failed, 1 skipped, 0 errors")
    #expect(results.remarks == ["against before: 1 required and not judged, as there"])
    let lost = try Self.against([cases[0], Sample.result(.pass, id: "x/a=2")], cases, require: ["*"])
    #expect(lost.cases[1].standing == .failed && lost.summary.required?.skipped == 1)
    #expect(lost.remarks == ["against before: 1 passed there, and no longer: x/a=2 on host"])
  }

  @Test func seedsAreComparedWhereBothHaveThem() throws {
    func seeded(_ verdict: Verdict, _ seed: UInt64?) -> CaseResult {
      var result = Sample.result(verdict)
      result.seed = seed
      return result
    }
    let then = [seeded(.fail, 1), seeded(.pass, 2)]
    let now = try Self.against(then, [seeded(.fail, 1), seeded(.fail, 2)])
    #expect(now.cases.filter { $0.over == nil }.map(\.standing) == [.known, .failed])
    #expect(try Self.against([seeded(.fail, nil)], [seeded(.fail, 7)]).cases[0].standing == .known)
  }
}
