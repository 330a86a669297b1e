import Foundation
import Judging
import Model
import Report
import Testing

/// A run in the words of harnesses: KCIDB, tmt, LAVA, LTP. `scripts/integrations/check` has the tools themselves read them.
@Suite struct HarnessFormatTests {
  private static let day = Date(timeIntervalSince1970: 0)

  /// Every standing, and one case that was not judged.
  private static func whole() throws -> Results {
    var results = try Sample.whole().results
    let missing = StandingTests.results([Sample.result(.error, id: "y/b=4", reason: "not judged")])
    results.notJudged = missing.cases
    return results
  }

  private static func object<T>(_ text: String, as type: T.Type) throws -> T {
    try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? T)
  }

  @Test func kcidbHasATestForEachCase() throws {
    let results = try Self.whole()
    let text = try results.kcidb(time: Self.day)
    let report = try Self.object(text, as: [String: Any].self)
    #expect(report["version"] as? [String: Int] == ["major": 5, "minor": 0])
    let tests = try #require(report["tests"] as? [[String: Any]])
    let builds = try #require(report["builds"] as? [[String: Any]])
    let checkouts = try #require(report["checkouts"] as? [[String: Any]])
    #expect(
      tests.map { $0["status"] as? String } == [
        "PASS", "FAIL", "FAIL", "ERROR", "PASS", "SKIP", "SKIP", "FAIL", "SKIP", "MISS",
      ])
    #expect(tests[1]["path"] as? String == "pawslab.x.a_2")
    #expect((tests[2]["misc"] as? [String: String])?["known"] == "known until 2099-12-31: bug 7")
    // Every id has the origin before it, is there once, and is what others refer to.
    let ids = tests.compactMap { $0["id"] as? String }
    #expect(ids.allSatisfy { $0.wholeMatch(of: /pawslab:[A-Za-z0-9._:-]+/) != nil })
    #expect(Set(ids).count == tests.count)
    #expect(
      Set(tests.compactMap { $0["build_id"] as? String }) == Set(builds.compactMap { $0["id"] as? String }))
    #expect(
      Set(builds.compactMap { $0["checkout_id"] as? String })
        == Set(checkouts.compactMap { $0["id"] as? String }))
    // What an emulation did says nothing of the kernel.
    var emulated = Sample.result(.pass, id: "x/a=emulated")
    emulated.emulation = TimeWaitRecycling.emulation
    #expect(try StandingTests.results([emulated]).kcidb(time: Self.day).contains(#""status":"DONE""#))
    // Asked again it is the same, and another run has no id of this one.
    #expect(try results.kcidb(time: Self.day) == text)
    var other = results
    other.cases[0].seconds = 9
    #expect(!ids.contains { (try? other.kcidb(time: Self.day))?.contains($0) == true })
  }

  @Test func kcidbKeepsToTheLengthOfAnExcerpt() throws {
    let results = StandingTests.results([Sample.result(.fail, reason: String(repeating: "🧪x", count: 20_000))]
    )
    let report = try Self.object(results.kcidb(time: Self.day), as: [String: Any].self)
    let excerpt = (report["tests"] as? [[String: Any]])?.first?["log_excerpt"] as? String
    #expect(excerpt?.unicodeScalars.count == 16_384)
  }

  @Test func tmtHasTheTestItselfAndEachCase() throws {
    var results = try Self.whole().withNotJudged
    results.cases[0].seconds = 3725.2
    let told = try Self.object(results.tmt(), as: [[String: Any]].self)
    #expect(told[0]["name"] as? String == "/" && told[0]["result"] as? String == "error")
    #expect(
      told.dropFirst().map { $0["result"] as? String } == [
        "pass", "fail", "warn", "error", "pass", "skip", "error", "fail", "fail", "fail",
      ])
    #expect(told.allSatisfy { ($0["name"] as? String)?.hasPrefix("/") == true })
    #expect(told[1]["name"] as? String == "/host/x.a_1" && told[1]["duration"] as? String == "01:02:06")
    func overall(_ verdicts: Verdict...) throws -> String? {
      let cases = verdicts.enumerated().map { Sample.result($1, id: "x/a=\($0)") }
      return try Self.object(StandingTests.results(cases).tmt(), as: [[String: Any]].self)[0]["result"]
        as? String
    }
    #expect(try overall(.pass, .skip) == "pass")
    #expect(try overall(.pass, .fail) == "fail")
    #expect(try overall(.skip) == "skip")
    for seconds in [Double.infinity, .nan, -1] {
      results.cases[0].seconds = seconds
      #expect(try (results.tmt()).contains(#""duration":"00:00:00""#) || seconds == .infinity)
    }
  }

  /// A shell runs them: what a case says is text, and no order to the dispatcher.
  @Test func lavaIsSaidByAShell() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for name in ["lava-test-set", "lava-test-case"] {
      let path = folder.appendingPathComponent(name).path
      try "#!/bin/sh\necho \"\(name): $*\"\n".write(toFile: path, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }
    func said(_ results: Results) throws -> [String] {
      let told = try run(
        "env", ["PATH=\(folder.path):/usr/bin:/bin", "sh", "-u"], input: results.lava)
      #expect(told.status == 0, "\(told.output)")
      return told.output.split(separator: "\n").map(String.init)
    }
    let plain = try said(Self.whole())
    #expect(plain.count { $0.contains("--result pass") } == 2)
    #expect(plain.count { $0.contains("--result fail") } == 4)
    #expect(plain.count { $0.contains("--result skip") } == 2)
    #expect(plain.count { $0.contains("--result unknown") } == 1)
    #expect(plain.contains("lava-test-case: x.a_1 --result pass --measurement 1.500 --units seconds"))
    #expect(plain.count { $0.hasPrefix("lava-test-set: start host.x") } == 1)
    let orders = [
      "'; echo lava-test-case: forged; '", "$(echo forged) `echo forged`",
      "a\nlava-test-case f --result pass",
    ]
    for reason in orders + ["<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=f RESULT=pass>", "-n \\c \u{1b}[0m"] {
      let told = try said(StandingTests.results([Sample.result(.fail, reason: reason)]))
      #expect(
        told.count { $0.hasPrefix("lava-test-set: ") || $0.hasPrefix("lava-test-case: ") } == 3, "\(told)")
      #expect(!told.contains { $0.contains("<LAVA_") || $0 == "forged" }, "\(told)")
    }
  }

  /// kirk counts by the summary where there is one, and wants it so (`_SUMMARY_RE`, libkirk/ltp.py).
  @Test func ltpCountsAsKirkDoes() throws {
    let text = try Self.whole().withNotJudged.ltp
    #expect(
      text.hasSuffix("\n\nSummary:\npassed   2\nfailed   4\nbroken   2\nskipped  2\nwarnings 0\n"), "\(text)")
    #expect(
      text.hasPrefix("lab/x.yaml:7: TPASS: x.a_1 on host\nlab/x.yaml:7: TFAIL: x.a_2 on host: a reason\n"))
    #expect(text.split(separator: "\n").count { $0.contains(": TBROK: ") } == 2)
    #expect(text.contains(": TCONF: x.a_3 on host: known until 2099-12-31: bug 7: a reason\n"))
    let forged = StandingTests.results([Sample.result(.fail, reason: "a\nSummary:\npassed 9\n")]).ltp
    #expect(forged.split(separator: "\n").count { $0 == "Summary:" } == 1)
  }
}
