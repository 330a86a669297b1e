import Evidence
import Foundation
import Judging
import LabFile
import Model
import Testing

@testable import Report

/// What the library's files come to in sentences, where everything is as they expect it.
@Suite struct SentencesTests {
  /// Every case of the library as if it had been run on a kernel that can everything.
  static let library: [Results.Entry] = {
    let kernel = PlanTests.kernel()
    let cases =
      (try? LabFiles.discover(paths: [ProgramTests.repository + "/lab"]).flatMap {
        try LabFiles.load(path: $0).cases()
      }) ?? []
    let results = cases.map { test -> CaseResult in
      let outcomes = (test.rule(on: kernel) ?? test.rules[0]).outcomes
      let labels = Set(test.workload.compactMap(\.action.label)).union(outcomes.keys).sorted()
      let attempts = labels.enumerated().map { number, label -> JudgedAttempt in
        let expected = outcomes[label] ?? Expectation(.connected)
        let attempt = Attempt(
          id: number, step: 0, label: label, kind: .connect, client: label, local: nil, remote: "x:8000",
          isn: nil, began: 0, ended: 0, calls: 1, errno: nil)
        return JudgedAttempt(
          attempt: attempt, outcome: expected.outcome, expected: expected, syns: 1, synsAtServer: 1,
          milliseconds: 1, holds: true)
      }
      return CaseResult(
        test: test, kernel: "host", judgement: Judgement(verdict: .pass, reason: "", attempts: attempts),
        observation: nil, seconds: 0)
    }
    return Results(results, kernels: ["host": kernel], seconds: 0).cases
  }()

  @Test func theClashIsToldInSixSentences() {
    let own = Self.library.filter { $0.scenario == "time-wait-clash" }
    let findings = Finding.all(own, on: ["host"])
    #expect(own.count == 84 && (1...6).contains(findings.count), "\(findings.map(\.text))")
    #expect(
      findings.map(\.text).contains {
        $0.hasPrefix(
          "late is dropped (server.tcp_rfc1337=1) or delayed (server.tcp_rfc1337=0) by tw-paws where ")
      })
  }

  /// Of every case of every file: who is hurt, how and by what, is said once, and nothing else is.
  @Test func everySentenceIsTrueOfEveryCase() {
    #expect(Self.library.count > 900)
    let findings = Dictionary(grouping: Finding.all(Self.library, on: ["host"]), by: \.scenario)
    for entry in Self.library {
      let told = (findings[entry.scenario] ?? []).flatMap { finding -> [String] in
        guard let effect = finding.effect, !finding.conditions.isEmpty else { return [] }
        guard finding.conditions.contains(where: { holds($0.axes, entry) }) else { return [] }
        let cause = finding.mechanism.map { " by \($0)" } ?? ""
        guard !finding.split.isEmpty else { return ["\(finding.label) \(effect)"] }
        return finding.split.filter { holds([$0.part], entry) }.map {
          "\(finding.label) \($0.outcome)\(cause)"
        }
      }
      let untold = (findings[entry.scenario] ?? []).filter { $0.effect != nil && $0.conditions.isEmpty }
      let facts = entry.attempts.compactMap { attempt -> String? in
        let cause = attempt.mechanism.map { " by \($0)" } ?? ""
        guard let harm = attempt.harm,
          !untold.contains(where: { $0.label == attempt.attempt.label && $0.mechanism == attempt.mechanism })
        else { return nil }
        return "\(attempt.attempt.label) \(harm.rawValue)\(cause)"
      }
      #expect(told.sorted() == facts.sorted(), "\(entry.id)")
    }
    func holds(_ axes: [Finding.Condition.Part], _ entry: Results.Entry) -> Bool {
      axes.allSatisfy { $0.values.contains(entry.axes[$0.axis] ?? "") }
    }
    // Where no axis tells the cases apart, nothing is said of where: that is rare.
    let all = findings.values.joined()
    #expect(all.count { $0.effect != nil && $0.conditions.isEmpty } == 0)
  }
}
