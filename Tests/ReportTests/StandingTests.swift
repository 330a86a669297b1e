import Foundation
import Judging
import Model
import Report
import Testing

/// What is required, what is known, and which exit status that makes: in every format alike.
@Suite struct StandingTests {
  static func results(_ cases: [CaseResult]) -> Results {
    let kernels = Dictionary(cases.map { ($0.kernel, Sample.kernel) }) { first, _ in first }
    return Results(cases, kernels: kernels, seconds: 1)
  }

  static func accounted(
    _ cases: [CaseResult], require: [String] = [], known: String = "", today: String = "2026-11-25"
  ) throws -> Results {
    var results = results(cases)
    results.account(
      required: try Required(require, among: cases.map(\.test)),
      known: try KnownFailures(known, file: "known.txt"),
      on: try CalendarDate.day(today))
    return results
  }

  // MARK: required

  @Test func aRequiredCaseThatIsSkippedIsAFailureInEveryFormat() throws {
    let cases = [Sample.result(.pass), Sample.result(.skip, id: "y/b=1"), Sample.result(.skip, id: "z/c=1")]
    let results = try Self.accounted(cases, require: ["y"])
    #expect(results.cases.map(\.verdict) == [.pass, .skip, .skip])
    #expect(results.cases.map(\.standing) == [.passed, .failed, .skipped])
    #expect(results.summary.text == "1 passed, 1 failed (1 required and not judged), 1 skipped, 0 errors")
    let junit = results.junit(time: Date(timeIntervalSince1970: 0))
    #expect(junit.contains("failures=\"1\" errors=\"0\" skipped=\"0\""))
    #expect(junit.contains("<failure type=\"required\" message=\"required, but skipped: a reason\">"))
    #expect(results.ktap.contains("  # required, but skipped: a reason\n  not ok 1 y.b_1\nnot ok 2 host.y\n"))
    #expect(
      results.ktap.contains("  ok 1 z.c_1 # SKIP a reason\nok 3 host.z # SKIP none of its cases could run\n"))
    #expect(results.markdown.contains("| y | 1 fail |\n| z | 1 skip |"))
    #expect(results.markdown.contains("- `y/b=1` on host: **required, but skipped**, a reason"))
    #expect(
      results.github() == "::error file=lab/x.yaml,line=7,title=y.b_1 on host::"
        + "required, but skipped: a reason%0Apawslab explain --run y/b=1\n")
    #expect(
      HTMLReport(results, title: "x") { _ in nil }.text.contains(
        "<li>y/b=1 on host: required, but skipped: a reason"))
    let text = TextReport(detail: .normal, colour: false).saved(results).map(\.description)
    #expect(text.contains("       required, but skipped: a reason"))
    #expect(text.last?.hasPrefix("1 passed, 1 failed (1 required and not judged)") == true)
    #expect(ExitStyle.pawslab.status(of: results) == 1)
    // Nobody required it: all is well.
    #expect(ExitStyle.pawslab.status(of: try Self.accounted(cases)) == 0)
  }

  @Test func oneKernelThatJudgesItIsEnoughAndAnEmulationIsNot() throws {
    let elsewhere = [Sample.result(.skip), Sample.result(.pass, kernel: "debian-12")]
    #expect(try Self.accounted(elsewhere, require: ["x"]).count(.failed) == 0)
    var emulated = Sample.result(.pass, kernel: "host-emulated")
    emulated.emulation = TimeWaitRecycling.emulation
    let results = try Self.accounted([emulated], require: ["x/*"])
    #expect(results.cases[0].unmet == "required, but only emulated")
    #expect(results.summary.text.hasPrefix("0 passed, 1 failed (1 required and not judged), 0 skipped"))
    #expect(ExitStyle.pawslab.status(of: results) == 1)
  }

  @Test func aPatternThatNamesNothingIsUsageAndNamesTheNearest() throws {
    let cases = [
      Sample.result(.pass, id: "tw-reuse/clock=0").test, Sample.result(.pass, id: "direct/a=1").test,
    ]
    let failure = #expect(throws: Failure.self) { try Required(["tw-resue*"], among: cases) }
    #expect(failure?.isUsage == true)
    #expect("\(failure!)" == "--require tw-resue*: none of the 2 cases is called so; did you mean tw-reuse?")
    #expect(throws: Failure.self) { try Required(["!direct"], among: cases) }
    // By id, by scenario, by the dotted name.
    for pattern in ["tw-reuse/*", "tw-reuse", "tw-reuse.clock_0"] {
      _ = try Required([pattern], among: cases)
    }
  }

  @Test func whatIsTakenOutIsNotRequired() throws {
    let cases = [Sample.result(.skip, id: "lvs-tw-recycle/a=1"), Sample.result(.pass)]
    let results = try Self.accounted(cases, require: ["*", "!lvs-*"])
    #expect(results.cases.map(\.standing) == [.skipped, .passed])
  }

  @Test func aRunInWhichNothingWasJudgedSaysSo() throws {
    let results = try Self.accounted([Sample.result(.skip), Sample.result(.skip, id: "y/b=1")])
    #expect(results.nothingWasJudged)
    #expect(ExitStyle.allCases.map { $0.status(of: results) } == [1, 4, 77, 32, 125])
    #expect(results.markdown.hasPrefix("### pawslab: nothing was judged: 0 passed"))
    #expect(results.github() == "::error title=pawslab::nothing was judged: all 2 cases were skipped\n")
    #expect(HTMLReport(results, title: "x") { _ in nil }.text.contains("Nothing was judged"))
    #expect(
      TextReport(detail: .quiet, colour: false)
        .summary([Sample.result(.skip)], seconds: 1, kernels: ["host": Sample.kernel])[0]
        .hasPrefix("nothing was judged: 0 passed"))
  }

  // MARK: exit statuses

  /// kselftest.h: KSFT_PASS 0, KSFT_FAIL 1, KSFT_XFAIL 2, KSFT_SKIP 4; autopkgtest: 77 is skipped; tst_res_flags.h:
  /// TFAIL 1, TBROK 2, TCONF 32; git-bisect(1): 1 to 127 is bad but for 125, which is skipped, and what is above ends it.
  @Test(arguments: [
    ([Verdict.pass], [0, 0, 0, 0, 0]), ([.pass, .skip], [0, 0, 0, 0, 0]), ([.pass, .fail], [1, 1, 1, 1, 1]),
    ([.skip], [1, 4, 77, 32, 125]), ([.error], [3, 1, 3, 2, 125]), ([.fail, .error], [3, 1, 3, 3, 125]),
    ([], [1, 4, 77, 32, 125]),
  ])
  func everyHarnessHasItsStatuses(verdicts: [Verdict], statuses: [Int32]) throws {
    let results = try Self.accounted(verdicts.enumerated().map { Sample.result($1, id: "x/a=\($0)") })
    #expect(ExitStyle.allCases.map { $0.status(of: results) } == statuses)
  }

  @Test func aMistakeIsNeverAnotherHarnessSkipOrExpectedFailure() {
    #expect(ExitStyle.allCases.map { $0.status(ofFailure: true) } == [2, 1, 2, 2, 128])
    #expect(ExitStyle.allCases.map { $0.status(ofFailure: false) } == [3, 1, 3, 2, 125])
    #expect(ExitStyle(commandLine: ["run", "--exit", "kselftest", "--no-such"]) == .kselftest)
    #expect(ExitStyle(commandLine: ["run", "--exit=ltp"]) == .ltp)
    #expect(ExitStyle(commandLine: ["run", "--exit", "nonsense"]) == .pawslab)
    #expect(ExitStyle(commandLine: ["explain", "--", "--exit", "ltp"]) == .pawslab)
    #expect(ExitStyle(commandLine: ["run", "--exit", "git-bisect"]) == .gitBisect)
    // A step of git bisect says it in git's words, a search between stored kernels does not.
    #expect(ExitStyle(commandLine: ["bisect", "x", "--kernel", "."]) == .gitBisect)
    #expect(ExitStyle(commandLine: ["bisect", "--kernel=.", "--no-such"]) == .gitBisect)
    #expect(ExitStyle(commandLine: ["bisect", "x", "--good", "a", "--bad", "b"]) == .pawslab)
    #expect(ExitStyle(commandLine: ["run", "x", "--kernel", "."]) == .pawslab)
  }

  // MARK: known failures

  private static let known = """
    # what we wait for
    x/a=2   until 2026-12-31   because bug 7, reported
    'y/b=a b' on debian-* until 2026-12-31 because it has a space   # and this belongs to the reason
    """

  @Test func aKnownFailureChangesTheExitStatusAndNoVerdict() throws {
    let cases = [Sample.result(.pass), Sample.result(.fail, id: "x/a=2")]
    let results = try Self.accounted(cases, known: Self.known)
    #expect(results.cases.map(\.verdict) == [.pass, .fail])
    #expect(
      results.cases[1].known?.until == "2026-12-31" && results.cases[1].known?.reason == "bug 7, reported")
    #expect(ExitStyle.allCases.map { $0.status(of: results) } == [0, 0, 0, 0, 0])
    #expect(results.summary.fail == 1)
    #expect(results.summary.text == "1 passed, 0 failed, 1 known to fail, 0 skipped, 0 errors")
    let words = "known until 2026-12-31: bug 7, reported"
    let junit = results.junit(time: Date(timeIntervalSince1970: 0))
    #expect(junit.contains("failures=\"0\" errors=\"0\" skipped=\"1\""))
    #expect(junit.contains("<skipped message=\"\(words): a reason\"/>"))
    #expect(junit.contains("<property name=\"known-failure\" value=\"x.a_2: \(words)\"/>"))
    #expect(results.ktap.contains("  # \(words): a reason\n"))
    #expect(results.ktap.contains("  ok 2 x.a_2 # XFAIL \(words)\nok 1 host.x\n"))
    #expect(results.markdown.contains("#### known to fail"))
    #expect(
      results.github().hasPrefix("::notice file=lab/x.yaml,line=7,title=x.a_2 on host::\(words): a reason%0A")
    )
    #expect(HTMLReport(results, title: "x") { _ in nil }.text.contains("<h2>Known to fail</h2>"))
    // Nothing else was judged: that is KSFT_XFAIL.
    #expect(ExitStyle.kselftest.status(of: try Self.accounted([cases[1]], known: Self.known)) == 2)
    // An error of the lab is never known.
    let broken = try Self.accounted([Sample.result(.error, id: "x/a=2")], known: Self.known)
    #expect(ExitStyle.pawslab.status(of: broken) == 3)
  }

  @Test func anEntryThatIsOverOrNamesNothingOrPassesIsSaid() throws {
    let fails = [Sample.result(.fail, id: "x/a=2")]
    let last = try Self.accounted(fails, known: "x/a=2 until 2026-12-31 because bug 7", today: "2026-12-31")
    #expect(last.remarks == nil && last.count(.known) == 1)
    let over = try Self.accounted(fails, known: "x/a=2 until 2026-12-31 because bug 7", today: "2027-01-01")
    #expect(over.count(.failed) == 1 && ExitStyle.pawslab.status(of: over) == 1)
    #expect(
      over.remarks == ["known.txt:1: known failure x/a=2 was one until 2026-12-31: it no longer counts"])
    let nothing = try Self.accounted(fails, known: "\nx/a=9 on deb* until 2099-01-01 because it was")
    #expect(nothing.remarks == ["known.txt:2: known failure x/a=9 on deb*: no case of this run is called so"])
    let passes = try Self.accounted([Sample.result(.pass)], known: "x until 2099-01-01 because it was")
    #expect(passes.remarks == ["known.txt:1: known failure x: it passes: the entry can go"])
    #expect(ExitStyle.pawslab.status(of: passes) == 0)
    #expect(
      passes.github()
        == "::warning title=pawslab::known.txt:1: known failure x: it passes: the entry can go\n")
    #expect(passes.markdown.hasSuffix("\n- known.txt:1: known failure x: it passes: the entry can go\n"))
  }

  @Test func whatStandsInQuotesIsOnePattern() throws {
    let known = try KnownFailures(Self.known, file: "known.txt")
    #expect(known.entries.map(\.pattern) == ["x/a=2", "y/b=a b"])
    #expect(known.entries[1].kernel == "debian-*")
    #expect(known.entries[1].place == Place(file: "known.txt", line: 3))
    #expect(
      try KnownFailures("'x/it'\\''s' until 2099-01-01 because y", file: "f").entries[0].pattern == "x/it's")
  }

  @Test(arguments: [
    ("x/a=1", "known.txt:1: it lacks \"until YYYY-MM-DD because REASON\""),
    ("\n\nx until 2027-01-01", "known.txt:3: it lacks \"because\" and the reason"),
    ("x until 2027-02-30 because y", "known.txt:1: there is no day \"2027-02-30\"; a date is YYYY-MM-DD"),
    ("x until 27-02-03 because y", "known.txt:1: there is no day \"27-02-03\"; a date is YYYY-MM-DD"),
    ("x until", "known.txt:1: after \"until\" comes a date: YYYY-MM-DD"),
    ("x because y", "known.txt:1: it lacks \"until YYYY-MM-DD\"; that comes before \"because\""),
    ("x until 2027-01-01 because   ", "known.txt:1: after \"because\" comes the reason"),
    ("x on", "known.txt:1: after \"on\" comes a kernel's name"),
    (
      "x untill 2027-01-01 because y",
      "known.txt:1: unknown word \"untill\"; did you mean \"until\"?; a line is CASE [on KERNEL] until YYYY-MM-DD because REASON"
    ),
    ("'x until 2027-01-01 because y", "known.txt:1: a quote is not closed"),
  ])
  func aMistakeIsShownAtItsLine(text: String, words: String) throws {
    let mistakes = #expect(throws: KnownFailures.Mistakes.self) { try KnownFailures(text, file: "known.txt") }
    #expect(mistakes?.all.map(\.description) == [words])
  }

  @Test func allMistakesComeAtOnce() {
    let mistakes = #expect(throws: KnownFailures.Mistakes.self) { try KnownFailures("x\ny\n", file: "f") }
    #expect(mistakes?.all.map(\.place.line) == [1, 2])
  }

  @Test func daysAreThoseOfTheCalendar() {
    for (seconds, day) in [
      (0, "1970-01-01"), (-1, "1969-12-31"), (951_782_400, "2000-02-29"), (1_795_564_800, "2026-11-25"),
      (4_102_444_799, "2099-12-31"),
    ] { #expect(CalendarDate(Date(timeIntervalSince1970: Double(seconds))).description == day) }
    #expect(
      CalendarDate("2000-02-29") != nil && CalendarDate("2100-02-29") == nil
        && CalendarDate("2027-13-01") == nil)
  }
}
