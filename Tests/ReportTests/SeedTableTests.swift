import Evidence
import Foundation
import Judging
import Model
import Testing

@testable import Report

/// Cases that were run from several seeds.
@Suite struct SeedTableTests {
  /// Held against the closed form's own values: Wilson's interval for 5 of 10, 0 of 10 and 50 of 100.
  @Test(arguments: [
    (5, 10, 0.237, 0.763), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (50, 100, 0.404, 0.596),
  ])
  func sharesHaveTheirInterval(count: Int, all: Int, low: Double, high: Double) {
    let range = Share(count, of: all).interval()
    #expect(abs(range.lowerBound - low) < 0.001)
    #expect(abs(range.upperBound - high) < 0.001)
  }

  @Test func ofNothingNothingIsKnown() { #expect(Share(0, of: 0).interval() == 0...1) }

  /// One run of a case of which one attempt is predicted: refused or not.
  static func thrown(
    _ seed: UInt64?, refused: Bool, _ verdict: Verdict = .pass, id: String = "x/a=1", kernel: String = "host",
    percent: Int? = 50
  ) -> CaseResult {
    var result = Sample.result(verdict, id: id, kernel: kernel)
    result.seed = seed
    let mechanism: Mechanism? = refused ? "tw-seq" : nil
    result.judgement.attempts = result.judgement.attempts.map { attempt in
      var attempt = attempt
      (attempt.outcome, attempt.holds) = (refused ? .delayed : .connected, true)
      attempt.expected = Expectation(refused ? .delayed : .connected, by: mechanism)
      return attempt
    }
    result.test.rules[0].outcomes = ["late": Expectation(.predicted, by: "time-wait")]
    result.test.rules[0].shares = percent.map { ["late": $0] }
    return result
  }

  static func results(_ all: [CaseResult]) -> Results {
    Results(
      all, kernels: Dictionary(all.map { ($0.kernel, Sample.kernel) }) { first, _ in first }, seconds: 1)
  }

  @Test func eachOutcomeHasItsFirstSeed() throws {
    let results = [(7, Outcome.connected), (3, .dropped), (5, .connected), (9, .connected)].map {
      seed, outcome in
      var result = Sample.result(outcome == .connected ? .pass : .fail)
      result.judgement.attempts[0].outcome = outcome
      result.seed = UInt64(seed)
      return result
    }
    let table = SeedTable(Self.results(results).cases)
    #expect(table.count == 4)
    #expect(
      table.rows == [
        .init(what: "late connected", count: 3, seed: 5, passes: true),
        .init(what: "late dropped", count: 1, seed: 3, passes: false),
      ])
    #expect(
      table.lines == [
        "3 of 4, 75 % (30 to 95)  pass  late connected  seed 5",
        "1 of 4, 25 % (5 to 70)  fail  late dropped  seed 3",
        "late connected: 3 of 4, 75 % (30 to 95)", "late dropped: 1 of 4, 25 % (5 to 70)",
      ])
  }

  /// What fails among what does the same is found by its seed; many attempts of one label are one thing.
  @Test func whatFailsIsARowOfItsOwn() throws {
    var failed = Self.thrown(2, refused: true, .fail)
    failed.judgement.attempts += [failed.judgement.attempts[0], failed.judgement.attempts[0]]
    let table = SeedTable(
      Self.results([Self.thrown(1, refused: true), failed, Self.thrown(3, refused: true)]).cases)
    #expect(
      table.rows == [
        .init(what: "late delayed", count: 2, seed: 1, passes: true),
        .init(what: "late delayed", count: 1, seed: 2, passes: false),
      ])
    #expect(table.outcomes.isEmpty)
  }

  // MARK: what is asked over seeds

  private func over(_ all: [CaseResult]) -> Results.Entry? {
    Self.results(all).cases.first { $0.over != nil }
  }

  @Test func aShareIsAskedOverSeeds() throws {
    let half = (1...20).map { Self.thrown($0, refused: $0 % 2 == 0) }
    let entry = try #require(over(half))
    #expect(entry.verdict == .pass)
    #expect(entry.reason == "late refused 10 of 20, 50 % (30 to 70)")
    #expect(entry.words == "x/a=1 over seeds 1-20" && entry.over?.judged == 20)
    #expect(entry.observation == nil && entry.exact == nil && entry.seed == nil)
    // It counts, and is the last.
    let results = Self.results(half)
    #expect(results.summary.pass == 21 && results.cases.last?.over != nil)

    // With 99.9 % 3 of 20 is at most 52 %, 2 of 20 at most 47 %.
    let three = (1...20).map { Self.thrown($0, refused: $0 <= 3) }
    #expect(over(three)?.verdict == .pass)
    let few = try #require(over((1...20).map { Self.thrown($0, refused: $0 <= 2) }))
    #expect(few.verdict == .fail)
    #expect(few.reason == "late refused: expected 50 %, saw 2 of 20, 10 % (3 to 30)")
    let none = try #require(over((1...20).map { Self.thrown($0, refused: false, percent: 1) }))
    #expect(none.reason == "late branches: expected accepted and refused, saw accepted only")
  }

  /// Nobody is asked for what one throw cannot show, nor for what was not judged; each kernel speaks for itself.
  @Test func onlyWhatWasJudgedIsAsked() throws {
    #expect(over([Self.thrown(1, refused: true)]) == nil)
    #expect(over([Self.thrown(nil, refused: true)]) == nil)
    #expect(over((1...4).map { Self.thrown($0, refused: $0 > 2, percent: nil) }) == nil)
    let broken = (1...3).map { Self.thrown($0, refused: $0 > 1, $0 == 3 ? .error : .pass) }
    #expect(over(broken)?.over == .init(first: 1, last: 3, judged: 2))
    #expect(over((1...2).map { Self.thrown($0, refused: $0 > 1, .skip) }) == nil)
    let two = ["a", "b"].flatMap { kernel in
      (1...2).map { Self.thrown($0, refused: kernel == "a" && $0 == 1, kernel: kernel) }
    }
    let all = Self.results(two).cases.filter { $0.over != nil }
    #expect(all.map(\.kernel) == ["a", "b"] && all.map(\.verdict) == [.pass, .fail])
  }

  // MARK: apart

  /// Seeds are told apart in every format, and seed 0 has the case's own name.
  @Test func everyFormatTellsSeedsApart() throws {
    let results = Self.results((0...2).map { Self.thrown($0, refused: $0 == 1, $0 == 2 ? .fail : .pass) })
    #expect(
      results.cases.map(\.machineName) == [
        "x.a_1", "x.a_1.seed-1", "x.a_1.seed-2", "x.a_1.over-seeds",
      ])
    let files = results.cases.prefix(3).map(\.observation)
    #expect(
      files == [
        "observations/host/x.a_1.json", "observations/host/seed-1/x.a_1.json",
        "observations/host/seed-2/x.a_1.json",
      ])
    let names = results.junit(time: Date()).matches(of: #/<testcase [^>]* name="([^"]*)"/#).map { "\($0.1)" }
    #expect(names == results.cases.map(\.machineName))
    #expect(results.ktap.contains("  ok 2 x.a_1.seed-1\n"))
    #expect(results.ktap.contains("  not ok 3 x.a_1.seed-2\n"))
    let page = HTMLReport(results, title: "x") { _ in nil }.text
    for words in [
      "x/a=1 from seed 2</a> on host", "<th scope=\"col\">seed</th>", "<td data-a=\"seed\">over 0-2</td>",
      "<h2 id=\"seeds\">Over seeds</h2>",
    ] {
      #expect(page.contains(words), "\(words)")
    }
    #expect(results.markdown.contains("over seeds 0-2"))
    #expect(results.mistake == nil)
    var twice = results
    (twice.cases[1].seed, twice.cases[1].observation, twice.cases[1].capture) = (2, nil, nil)
    #expect(twice.mistake?.contains("stands twice") == true)
    twice.cases[1].seed = nil
    #expect(twice.mistake?.contains("stands twice") == true, "seed 0 and this machine's time have one file")
  }

  /// A failure names its seed, and the one command.
  @Test func aFailureNamesItsCommand() throws {
    var failed = Self.thrown(7, refused: true, .fail, id: "x/a=it's", kernel: "debian-12")
    failed.judgement.attempts[0].holds = false
    let results = Self.results([failed, Self.thrown(8, refused: true, id: "x/a=it's", kernel: "debian-12")])
    let command =
      #"pawslab explain --run --lab lab/x.yaml --kernel debian-12 --seed 7 'x/a=it'\''s'"#
    #expect(results.cases[0].command == command)
    let lines = TextReport(detail: .quiet, colour: false).lines(failed).map(\.description)
    #expect(lines.first?.contains("x/a=it's from seed 7") == true)
    #expect(lines.last == "       again: " + command)
    #expect(results.markdown.contains("`" + command + "`"))
    #expect(results.github().contains(command))
    let over = try #require(results.cases.last)
    #expect(over.command == #"pawslab run lab/x.yaml --kernel debian-12 --seeds 7-8 --case 'x/a=it'\''s'"#)
    #expect(
      TextReport(detail: .quiet, colour: false).overSeeds(results).map(\.description).last
        == "  again: " + over.command)
    // In this machine's time nothing shows it again for sure, and nobody says so.
    #expect(
      !TextReport(detail: .quiet, colour: false).lines(Sample.result(.fail)).contains {
        $0.description.contains("again:")
      })
  }

  /// Who is hurt is told of runs, not of what was asked over them, and shown from the seed that it was seen from.
  @Test func whoIsHurtIsSeenFromASeed() throws {
    let results = Self.results((1...4).map { Self.thrown($0, refused: $0 > 2) })
    #expect(results.cases.count == 5)
    let finding = try #require(Finding.all(results.cases, on: ["host"]).first)
    #expect(finding.cases == (2, 4))
    #expect(finding.proof == "x/a=1 from seed 3")
    let page = HTMLReport(results, title: "x") { _ in nil }.text
    #expect(page.contains("<a class=\"proof\" href=\"#c2\">shown</a>"))
  }

  /// Seed by seed where either side has several; else one run of a case is compared with another, whatever its seed.
  @Test func seedsAreComparedWithTheirs() throws {
    func side(_ name: String, _ all: [CaseResult]) -> Comparison.Side {
      Comparison.Side(name: name, Self.results(all), kernel: "host")
    }
    let one = Comparison(
      side("then", [Self.thrown(nil, refused: true)]), side("now", [Self.thrown(5, refused: true)]))
    #expect(one.isAlike && one.compared == 1)
    let then = (1...3).map { Self.thrown($0, refused: $0 == 1, percent: nil) }
    var now = then
    #expect(Comparison(side("then", then), side("now", now)).compared == 3)
    now[1].judgement.verdict = .fail
    let other = Comparison(side("then", then), side("now", now))
    #expect(other.differences.map(\.cases) == [["x/a=1 from seed 2"]])
    let fewer = Comparison(side("then", then), side("now", [then[0]]))
    #expect(fewer.incomparable.map(\.id) == ["x/a=1 from seed 2", "x/a=1 from seed 3"])
  }
}
