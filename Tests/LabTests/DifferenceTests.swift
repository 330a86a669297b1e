import Evidence
import Judging
import Model
import Report
import Testing

import struct Model.Expectation

@Suite struct DifferenceTests {
  private func result(
    _ id: String, _ kernel: String, _ outcome: Outcome, counter: String? = nil, because: String = ""
  ) -> CaseResult {
    var test = PlanTests.test()
    test.id = id
    test.rules = [Rule(kernel: [], outcomes: ["c": Expectation(outcome)], because: "")]
    let attempt = Attempt(
      id: 0, step: 0, label: "c", kind: .connect, client: "c", local: nil, remote: "x:8000", isn: nil,
      began: 0,
      ended: 0, calls: 1, errno: nil)
    let judged = JudgedAttempt(
      attempt: attempt, outcome: outcome, expected: Expectation(outcome), syns: 1, synsAtServer: 1,
      milliseconds: 1,
      holds: true)
    let witnesses =
      counter.map { [Witness(name: "server TcpExt.\($0)", expected: "+1", seen: "+1", holds: true)] } ?? []
    return CaseResult(
      test: test, kernel: kernel,
      judgement: Judgement(verdict: .pass, reason: because, attempts: [judged], witnesses: witnesses),
      observation: nil,
      seconds: 1)
  }

  private func lines(_ results: [CaseResult], _ kernels: [String]) -> [String] {
    let all = Dictionary(uniqueKeysWithValues: kernels.map { ($0, PlanTests.kernel()) })
    return Difference.lines(
      Difference.all(Results(results, kernels: all, seconds: 0).cases, between: kernels), kernels: all)
  }

  @Test func casesThatDifferAlikeAreOne() {
    let results = ["x/1", "x/2"].flatMap { id in
      [
        result(id, "host", .connected), result(id, "old", .dropped, counter: "PAWSEstab"),
        result(id, "older", .dropped, counter: "PAWSEstab"),
      ]
    }
    #expect(
      lines(results, ["host", "old", "older"]) == [
        "the kernels differ in 2 cases", "x/1 and 1 more", "    host        c connected",
        "    old, older  c dropped; server PAWSEstab",
      ])
  }

  @Test func aCounterOfAnotherNameIsADifference() {
    let results = [
      result("x/1", "host", .dropped, counter: "PAWSTimewait"),
      result("x/1", "old", .dropped, counter: "PAWSEstab"),
    ]
    #expect(
      lines(results, ["host", "old"]) == [
        "the kernels differ in 1 case", "x/1", "    host  server PAWSTimewait", "    old   server PAWSEstab",
      ])
  }

  /// What the lab file says of each kernel, else a counter that one of them lacks, else nothing.
  @Test func aDifferenceHasItsReason() {
    let results = [
      result("x/1", "host", .connected, because: "new"), result("x/1", "old", .dropped, because: "stale"),
      result("x/2", "host", .dropped, counter: "PAWSTimewait", because: "same"),
      result("x/2", "old", .dropped, counter: "PAWSEstab", because: "same"),
      result("x/3", "host", .dropped, counter: "PAWSEstab", because: "same"),
      result("x/3", "old", .dropped, because: "same"),
      result("x/4", "host", .dropped, counter: "TCPSYNChallenge", because: "same"),
      result("x/4", "old", .dropped, counter: "PAWSEstab", because: "same"),
    ]
    var (host, old) = (PlanTests.kernel(), PlanTests.kernel())
    (host.release, old.release) = ("6.1", "4.9")
    let common = ["TcpExt.PAWSEstab", "TcpExt.TCPSYNChallenge"].map(Capability.counter)
    host.capabilities.formUnion(common + [.counter("TcpExt.PAWSTimewait")])
    old.capabilities.subtract([.counter("TcpExt.PAWSTimewait")])
    old.capabilities.formUnion(common)
    let run = Results(results, kernels: ["host": host, "old": old], seconds: 0)
    let differences = Difference.all(run.cases, between: ["host", "old"])
    #expect(
      differences.map { $0.reasons(run.kernels) } == [
        ["host: because new", "old: because stale"], ["old has no counter PAWSTimewait"], [],
        [KernelChange.all[0].words],
      ])
    let comparison = Comparison(.init(name: "a", run, kernel: "host"), .init(name: "b", run, kernel: "old"))
    #expect(comparison.lines.contains("      b has no counter PAWSTimewait"))
    #expect(comparison.lines.contains("nothing explains x/3"))
    let same = Comparison(.init(name: "a", run, kernel: "old"), .init(name: "b", run, kernel: "old"))
    #expect(same.lines == ["no difference in 4 cases"])
  }

  @Test func whatIsAlikeIsNoDifference() {
    let alike = [result("x/1", "host", .connected), result("x/1", "old", .connected)]
    #expect(lines(alike, ["host", "old"]) == ["the kernels do not differ"])
    // A kernel that cannot run a case does not differ, unless that is the question.
    var skipped = result("x/1", "old", .dropped)
    skipped.judgement.verdict = .skip
    #expect(lines([alike[0], skipped], ["host", "old"]) == ["the kernels do not differ"])
    // How many were rate-limited is a matter of milliseconds.
    let limited = [
      result("x/1", "host", .dropped, counter: "TCPACKSkippedTimeWait"), result("x/1", "old", .dropped),
    ]
    #expect(lines(limited, ["host", "old"]) == ["the kernels do not differ"])
  }
}
