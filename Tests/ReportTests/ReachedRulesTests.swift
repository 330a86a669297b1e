import Judging
import Model
import Testing

@testable import Report

/// What `because` names is held against what was called.
@Suite struct ReachedRulesTests {
  private typealias Written = ReachedFunctions.Written

  private static func rule(_ because: String, _ conditions: [String] = []) -> Written {
    Written(
      scenario: "file", because: because, place: Place(file: "lab/file.yaml", line: 7),
      conditions: conditions)
  }

  private static func kept(_ because: String, _ calls: [String: Int]) -> ReachedFunctions {
    var test = Sample.result(.pass).test
    test.scenario = "file"
    return ReachedFunctions(entries: [
      .init(
        of: test, Rule(kernel: [], outcomes: [:], because: because), on: "6.1.0", calls: calls)
    ])
  }

  @Test func whatWasCalledIsRight() {
    let because = "the port is taken (__nf_conntrack_confirm; ip_vs_in until 6.0)"
    let kept = Self.kept(because, ["__nf_conntrack_confirm": 3, "tcp_conn_request": 0])
    #expect(kept.complaint(about: Self.rule(because)) == nil)
    #expect(kept.entries[0].named == ["__nf_conntrack_confirm"])
  }

  @Test func whatWasNeverCalledIsSaidWithItsLine() throws {
    let because = "tcp_conn_request refuses it, and tcp_reset ends it"
    let kept = Self.kept(because, ["tcp_conn_request": 2, "tcp_reset": 0])
    let complaint = try #require(kept.complaint(about: Self.rule(because)))
    #expect(complaint.hasPrefix("lab/file.yaml:7: `because` names tcp_reset, which is never called"))
    #expect(complaint.hasSuffix("calls: tcp_conn_request"))
  }

  @Test(arguments: ["the clock goes on", "newer than ts_recent", "tcp_retries2 are over"])
  func noFunctionIsSaidWithItsLine(_ because: String) throws {
    let kept = Self.kept(because, ["tcp_conn_request": 2])
    let complaint = try #require(kept.complaint(about: Self.rule(because)))
    #expect(complaint.hasPrefix("lab/file.yaml:7: `because` names no function that 6.1.0 has"))
  }

  @Test func whatWasNotRunIsSaid() throws {
    let kept = Self.kept("tcp_conn_request refuses it", ["tcp_conn_request": 2])
    let complaint = try #require(kept.complaint(about: Self.rule("tcp_conn_request takes it")))
    #expect(complaint.contains("bench functions has not run"))
    let nameless = try #require(kept.complaint(about: Self.rule("the clock goes on")))
    #expect(nameless.contains("names no function"))
  }

  /// Of a kernel that is not here only that a function is named can be asked.
  @Test func aRuleForOtherKernelsIsExcusedAndCounted() throws {
    let kept = Self.kept("tcp_conn_request refuses it", ["tcp_conn_request": 2])
    let other = Self.rule("until 3.16 tcp_conn_request did not ask", ["no tw-recycle-unstamped"])
    #expect(kept.complaint(about: other) == nil)
    let nameless = Self.rule("newer than ts_recent", ["no tw-recycle-unstamped"])
    #expect(try #require(kept.complaint(about: nameless)).contains("names no function"))

    let rules = [Self.rule("tcp_conn_request refuses it"), other]
    #expect(
      kept.sentences(on: rules) == [
        "1 of 1 rules name what was called in a case of theirs, and nothing that was not: 1 on 6.1.0",
        "1 are for other kernels only, and name a function unproven",
      ])
    #expect(kept.document(of: rules).contains("| `no tw-recycle-unstamped` | 1 | [file](file.yaml) |"))
  }

  /// A rule comes after those that ask for a kernel, so it is for the others, unless some case has it alone.
  @Test func aRuleAfterOnesForAKernelIsForTheOthers() throws {
    let has = KernelCondition(capability: .feature(.backlogZero), present: true)
    let newer = Rule(kernel: [has], outcomes: [:], because: "newer")
    let older = Rule(kernel: [], outcomes: [:], because: "older")
    var test = Sample.result(.pass).test
    test.rules = [newer, older]
    #expect(
      Written.conditions(in: [test]) == ["newer": ["backlog-zero"], "older": ["no backlog-zero"]])
    var alone = test
    alone.rules = [older]
    #expect(Written.conditions(in: [test, alone])["older"] == [])
  }

  /// Running one file again leaves the others, and nothing that no rule says any more.
  @Test func whatIsRunAgainIsReplaced() {
    let before = ReachedFunctions(
      entries: Self.kept("said before", ["a_b": 1]).entries + Self.kept("said still", ["a_b": 1]).entries)
    var other = before.entries[0]
    other.scenario = "other"
    let now = Self.kept("said still", ["a_b": 2])
    let merged = now.merged(
      into: ReachedFunctions(entries: before.entries + [other]), rules: [Self.rule("said still")])
    #expect(merged.entries.map(\.scenario) == ["file", "other"])
    #expect(merged.entries[0].calls == ["a_b": 2])
  }
}
