import Evidence
import Foundation
import Judging
import Model
import Report
import Testing

@Suite struct SeedTableTests {
  /// Held against the closed form's own values: Wilson's interval for 5 of 10, 0 of 10 and 50 of 100.
  @Test(arguments: [
    (5, 10, 0.237, 0.763), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (50, 100, 0.404, 0.596),
  ])
  func sharesHaveTheirInterval(count: Int, all: Int, low: Double, high: Double) {
    let range = SeedTable.interval(count, of: all)
    #expect(abs(range.lowerBound - low) < 0.001)
    #expect(abs(range.upperBound - high) < 0.001)
  }

  @Test func ofNothingNothingIsKnown() { #expect(SeedTable.interval(0, of: 0) == 0...1) }

  @Test func eachOutcomeHasItsFirstSeed() throws {
    let results = [(7, Outcome.connected), (3, .dropped), (5, .connected), (9, .connected)].map {
      seed, outcome in
      var result = Sample.result(outcome == .connected ? .pass : .fail)
      result.judgement.attempts[0].outcome = outcome
      result.exact = CaseResult.Exact(seed: UInt64(seed), origin: "", digest: "")
      return result
    }
    let table = SeedTable(results)
    #expect(table.count == 4)
    #expect(
      table.rows == [
        .init(what: "late connected", count: 3, seed: 5, passes: true),
        .init(what: "late dropped", count: 1, seed: 3, passes: false),
      ])
    #expect(table.lines[0] == "3 of 4  75 % (30 to 95)  pass  late connected  seed 5")
  }
}
