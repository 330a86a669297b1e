import Evidence
import Foundation
import Judging
import Model
import Testing

@testable import Report

/// Who is hurt, under which smallest set of settings.
@Suite struct FindingTests {
  /// Of eight cases two are hurt, and the family has no say.
  @Test func anAxisThatDecidesNothingIsInNoCondition() {
    let findings = found { $0["a"] == "1" && $0["b"] == "0" }
    #expect(findings.map(\.text) == ["late is dropped where a=1 and b=0"])
    #expect(findings[0].extent == "2 of 8 cases")
    #expect(findings[0].proof == "x/a=1,b=0,family=ipv4")
  }

  @Test func eitherOfTwoIsEnough() {
    #expect(
      found { $0["a"] == "1" || $0["b"] == "0" }.map(\.text) == ["late is dropped where either b=0 or a=1"])
  }

  @Test func everyCaseAndNone() {
    #expect(found { _ in true }.map(\.text) == ["late is dropped in every case"])
    #expect(found { _ in false }.map(\.text) == ["nobody is hurt, in 8 cases"])
  }

  /// Of an axis' three values two do it.
  @Test func valuesOfOneAxisComeTogether() {
    let axes = [("clock", ["behind", "far-behind", "ahead"]), ("family", ["ipv4", "ipv6"])]
    let findings = found(axes) { $0["clock"] != "ahead" }
    #expect(findings.map(\.text) == ["late is dropped where clock=behind|far-behind"])
  }

  /// Of a case's connections some are.
  @Test func aShareIsSaid() {
    let findings = found(attempts: 4) { $0["a"] == "1" }
    #expect(findings.map(\.text) == ["4 of 16 of late are dropped where a=1"])
  }

  @Test func kernelsThatDoTheSameAreOneSentence() {
    let entries = ["host", "debian-12", "debian-13"].flatMap { kernel in
      Self.entries(Self.eight, kernel: kernel) { $0["a"] == "1" && (kernel != "host" || $0["b"] == "0") }
    }
    let findings = Finding.all(entries, on: ["host", "debian-12", "debian-13"])
    #expect(
      Finding.lines(findings, kernels: ["host", "debian-12", "debian-13"]) == [
        "x", "  late is dropped where a=1 and b=0", "    2 of 8 cases, on host, as in x/a=1,b=0,family=ipv4",
        "  late is dropped where a=1",
        "    4 of 8 cases, on debian-12, debian-13, as in x/a=1,b=0,family=ipv4",
      ])
  }

  /// What was not judged says nothing.
  @Test func skippedAndBrokenCasesAreNotCounted() {
    var entries = Self.entries(Self.eight, kernel: "host") { $0["a"] == "1" }
    for index in entries.indices where entries[index].axes["family"] == "ipv6" {
      entries[index].verdict = index % 2 == 0 ? .skip : .error
    }
    #expect(Finding.all(entries, on: ["host"]).map(\.extent) == ["2 of 4 cases"])
  }

  /// Whatever the cases: the conditions hold in those that are hurt and in no other, and none has an axis too many.
  @Test(arguments: 0..<200)
  func conditionsAreTrueAndMinimal(seed: Int) throws {
    var random = Generator(state: UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1)
    let axes = (0..<Int.random(in: 1...4, using: &random)).map { number in
      ("a\(number)", (0..<Int.random(in: 1...3, using: &random)).map { "v\($0)" })
    }
    var entries = Self.entries(axes, kernel: "host") { _ in Bool.random(using: &random) }
    // A matrix of which some cases are left out, as `except` does.
    entries.removeAll { _ in Int.random(in: 0..<5, using: &random) == 0 }
    let hurt = entries.filter { $0.attempts[0].outcome == .dropped }
    let others = entries.filter { $0.attempts[0].outcome != .dropped }
    guard !hurt.isEmpty else { return }
    let finding = try #require(Finding.all(entries, on: ["host"]).first)
    func holds(_ axes: [Finding.Condition.Part], in entry: Results.Entry) -> Bool {
      axes.allSatisfy { $0.values.contains(entry.axes[$0.axis] ?? "") }
    }
    for entry in entries {
      let isSaid = finding.conditions.contains { holds($0.axes, in: entry) }
      #expect(isSaid == (entry.attempts[0].outcome == .dropped), "\(entry.id): \(finding.text)")
    }
    for condition in finding.conditions {
      for index in condition.axes.indices {
        var fewer = condition.axes
        fewer.remove(at: index)
        #expect(others.contains { holds(fewer, in: $0) }, "\(condition.text) has one too many")
      }
    }
    #expect(finding.cases == (hurt.count, entries.count))
  }

  /// What several conditions have in common is said once.
  @Test func whatConditionsHaveInCommonComesFirst() {
    let axes = [("a", ["0", "1"]), ("b", ["0", "1"]), ("c", ["0", "1"])]
    #expect(
      found(axes) { $0["a"] == "1" && ($0["b"] == "1" || $0["c"] == "1") }.map(\.text)
        == ["late is dropped where a=1 and either c=1 or b=1"])
  }

  /// One mechanism, one axis that decides how it ends: one sentence, shown by the worst.
  @Test func outcomesOfOneMechanismAreOneSentence() {
    var entries = Self.entries(Self.eight, kernel: "host") { $0["b"] == "1" }
    Self.explain(&entries, by: ["tw-paws"]) { $0["a"] == "0" ? .delayed : .dropped }
    let findings = Finding.all(entries, on: ["host"])
    #expect(findings.map(\.text) == ["late is dropped (a=1) or delayed (a=0) by tw-paws where b=1"])
    #expect(findings.map(\.extent) == ["4 of 8 cases"] && findings[0].proof == "x/a=1,b=1,family=ipv4")
    // Where the brackets say which, the rest does not.
    entries = Self.entries(Self.eight, kernel: "host") { _ in true }
    Self.explain(&entries, by: ["tw-paws"]) { $0["b"] == "0" ? .delayed : .dropped }
    #expect(
      Finding.all(entries, on: ["host"]).map(\.text)
        == ["late is dropped (b=1) or delayed (b=0) by tw-paws in every case"])
  }

  /// Whatever the cases, the outcomes and their mechanisms: each sentence is true of every case that it covers, with the
  /// outcome that it names, and of each case that is hurt there is exactly one.
  @Test(arguments: 0..<60)
  func everyCaseIsToldOnceAndRightly(seed: Int) throws {
    var random = Generator(state: UInt64(seed) &* 0xd134_2543_de82_ef95 | 1)
    let axes = (0..<Int.random(in: 2...4, using: &random)).map { number in
      ("a\(number)", (0..<Int.random(in: 2...3, using: &random)).map { "v\($0)" })
    }
    let hurt = Int.random(in: 1...3, using: &random)
    var entries = Self.entries(axes, kernel: "host") { _ in Int.random(in: 0...3, using: &random) < hurt }
    // Now and then an axis decides which outcome it is, else chance.
    let decides = Bool.random(using: &random)
    Self.explain(&entries, by: ["tw-paws", "tw-seq"].shuffled(using: &random)) {
      (decides ? $0["a0"] == "v0" : Bool.random(using: &random)) ? .delayed : .dropped
    }
    let findings = Finding.all(entries, on: ["host"])
    for entry in entries {
      let attempt = entry.attempts[0]
      let telling = findings.filter { finding in
        guard let effect = finding.effect, finding.conditions.contains(where: { holds($0.axes, in: entry) })
        else {
          return false
        }
        return attempt.mechanism == nil || effect.hasSuffix(" by \(attempt.mechanism ?? "")")
      }
      guard let harm = attempt.harm else {
        #expect(telling.isEmpty, "\(entry.id): \(telling.map(\.text))")
        continue
      }
      let exact = telling.filter { finding in
        finding.split.isEmpty
          ? finding.effect?.hasPrefix("\(harm.rawValue) ") == true
          : finding.split.contains { $0.outcome == harm.rawValue && holds([$0.part], in: entry) }
      }
      #expect(exact.count == 1, "\(entry.id) \(harm): \(findings.map(\.text))")
    }
    func holds(_ axes: [Finding.Condition.Part], in entry: Results.Entry) -> Bool {
      axes.allSatisfy { $0.values.contains(entry.axes[$0.axis] ?? "") }
    }
  }

  /// Gives those that are hurt an outcome, and one of these mechanisms by their first axis.
  private static func explain(
    _ entries: inout [Results.Entry], by names: [Model.Mechanism],
    _ outcome: ([String: String]) -> Outcome
  ) {
    for index in entries.indices where entries[index].attempts[0].outcome == .dropped {
      let number = names.count > 1 && entries[index].axes["a1"] == "v1" ? 1 : 0
      let outcome = outcome(entries[index].axes)
      entries[index].attempts[0].outcome = outcome
      entries[index].attempts[0].expected = Expectation(outcome, by: names[number])
    }
  }

  private struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }

  private static let eight = [("a", ["0", "1"]), ("b", ["0", "1"]), ("family", ["ipv4", "ipv6"])]

  private func found(
    _ axes: [(String, [String])] = FindingTests.eight, attempts: Int = 1,
    _ isHurt: ([String: String]) -> Bool
  ) -> [Finding] {
    Finding.all(Self.entries(axes, kernel: "host", attempts: attempts, isHurt), on: ["host"])
  }

  /// A case for each combination; of several attempts the first is hurt.
  private static func entries(
    _ axes: [(String, [String])], kernel: String, attempts: Int = 1, _ isHurt: ([String: String]) -> Bool
  ) -> [Results.Entry] {
    var all: [[(String, String)]] = [[]]
    for (axis, values) in axes { all = all.flatMap { row in values.map { row + [(axis, $0)] } } }
    return all.map { row in
      let values = Dictionary(row) { first, _ in first }
      let id = "x/" + row.map { "\($0.0)=\($0.1)" }.joined(separator: ",")
      var result = Sample.result(.pass, id: id, kernel: kernel)
      result.test.axes = row.map { AxisValue(axis: $0.0, value: $0.1) }
      let hurt = isHurt(values)
      let first = result.judgement.attempts[0]
      result.judgement.attempts = (0..<attempts).map { number in
        var attempt = first
        attempt.outcome = hurt && number == 0 ? .dropped : .connected
        return attempt
      }
      return Results([result], kernels: [kernel: Sample.kernel], seconds: 0).cases[0]
    }
  }
}
