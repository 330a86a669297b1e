import Evidence
import Foundation
import Judging
import Model
import Report
import Testing

/// What reports say of a case, and the README's table.
@Suite struct WordsTests {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  @Test func whatDisagreesIsSaidOnce() {
    let report = TextReport(detail: .normal, colour: false)
    var witness = Sample.result(.fail, reason: "server TcpExt.PAWSEstab: expected +1, saw +0")
    witness.judgement.attempts = []
    #expect(
      report.lines(witness) == [
        "fail   x/a=1  1.50 s", "       NO  server TcpExt.PAWSEstab: expected +1, saw +0",
      ])
    let attempt = Sample.result(.fail, reason: "late #1: expected connected, saw dropped (ETIMEDOUT)")
    #expect(
      report.lines(attempt) == [
        "fail   x/a=1  1.50 s",
        "       late #1: dropped (ETIMEDOUT), expected connected, 2 SYNs sent, 2 at the server, 3.5 ms",
        "       NO  server TcpExt.PAWSEstab: expected +1, saw +0",
      ])
    let results = StandingTests.results([witness])
    for text in [results.markdown, results.github(), results.ktap] {
      #expect(text.components(separatedBy: "PAWSEstab: expected").count == 2, "\(text)")
    }
  }

  /// What holds is how a cause is known.
  @Test func thePageShowsWitnessesThatHold() throws {
    let page = HTMLReport(StandingTests.results([Sample.result(.pass)]), title: "x") { _ in nil }.text
    #expect(
      page.contains("<tr><td>late clock</td><td>-600000 ticks</td><td class=\"\">as expected</td></tr>"))
    // What disagrees comes first, and what does not fit is counted.
    var many = Sample.result(.fail)
    many.judgement.witnesses =
      (0..<50).map { Witness(name: "w\($0)", expected: "1", seen: "1", holds: true) }
      + many.judgement.witnesses
    let long = HTMLReport(StandingTests.results([many]), title: "x") { _ in nil }.text
    #expect(long.contains("<tbody>\n<tr><td>server TcpExt.PAWSEstab</td>"))
    #expect(long.contains("<summary>and 12 more witnesses</summary>"))
    for index in 0..<50 { #expect(long.contains("<td>w\(index)</td>")) }
  }

  @Test func thePageSaysTheCommandThatRunsItAgain() {
    func again(_ result: CaseResult) -> String {
      let page = HTMLReport(StandingTests.results([result]), title: "x") { _ in nil }.text
      let code = page.firstMatch(of: /again: <code>([^<]*)<\/code>/).map { String($0.1) } ?? ""
      return code.replacing("&#39;", with: "'").replacing("&amp;", with: "&")
    }
    #expect(again(Sample.result(.pass)) == "pawslab run lab/x.yaml --kernel host --case x/a=1")
    var result = Sample.result(.pass, id: "x/a='; touch y; '", kernel: "debian-12-emulated")
    result.emulation = TimeWaitRecycling.emulation
    result.test.source = Place(file: "my lab/x.yaml")
    #expect(
      again(result)
        == #"pawslab run 'my lab/x.yaml' --kernel debian-12 --emulate tw_recycle --case 'x/a='\''; touch y; '\'''"#
    )
    // A stored kernel may be called so, and is no emulation for that.
    #expect(again(Sample.result(.pass, kernel: "my-emulated")).contains("--kernel my-emulated --case"))
    result.test.source = nil
    #expect(again(result).hasPrefix("pawslab run --kernel debian-12"))
  }

  /// Numbers at their limits are shown, whatever file they are from.
  @Test func noNumberOfAFileEndsTheReport() throws {
    var sample = try Sample.whole()
    for value in [Double.infinity, -.infinity, .nan, .greatestFiniteMagnitude, -1e300, 9.3e18] {
      sample.results.cases[0].seconds = value
      sample.results.summary.seconds = value
      sample.results.cases[1].attempts[0].milliseconds = value
      _ = sample.results.junit(time: Date())
      _ = HTMLReport(sample.results, title: "x", load: sample.load()).text
    }
    var observation = Observation(caseID: "x")
    let packets = try #require(sample.load()(sample.results.cases[0])?.observation?.packets)
    for time in [Int64.min, Int64.max] {
      observation.packets += packets.map { packet in
        var packet = packet
        packet.time = time
        return packet
      }
    }
    let network = try #require(sample.load()(sample.results.cases[0])?.test.network)
    #expect(Ladder(observation, lanes: Lanes(network)).lines.count > 1)
  }

  /// The table of lab/README.md is printed from the claims, as `pawslab claims` is; `PAWSLAB_WRITE=1` prints it anew.
  @Test func theClaimsAreThoseOfTheReadme() throws {
    let path = Self.repository + "/lab/README.md"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let marker = "<!-- printed from the claims: PAWSLAB_WRITE=1 swift test --filter Words -->\n\n"
    let start = try #require(text.range(of: marker)?.upperBound)
    let end = try #require(text.range(of: "\n## ", range: start..<text.endIndex)?.lowerBound)
    let wanted = String(text[..<start]) + Claim.table + text[end...]
    if ProcessInfo.processInfo.environment["PAWSLAB_WRITE"] != nil {
      try wanted.write(toFile: path, atomically: true, encoding: .utf8)
    } else {
      #expect(text == wanted)
    }
  }

  /// A claim says when it holds and where it was measured; one that no stored run supports says so, in both places.
  @Test func everyClaimSaysItsConditionsAndItsMeasure() {
    for claim in Claim.all {
      #expect(!claim.conditions.isEmpty, "\(claim.text)")
      #expect(!Claim.table.contains("||"))
      let words = claim.lines.joined(separator: "\n")
      #expect(words.contains("when: "))
      #expect(words.contains("no stored run") == claim.measured.stored.isEmpty, "\(claim.text)")
      #expect(words.contains("shown by no case") == claim.cases.isEmpty, "\(claim.text)")
    }
    #expect(Set(Claim.all.map(\.text)).count == Claim.all.count)
  }

  /// Text leaves by one way: no other file of the program or of a report writes to a terminal.
  @Test func nothingIsPrintedPastTheConsole() throws {
    var found: [String] = []
    for folder in ["pawslab", "Report", "Lab", "LabFile", "MicroVM", "Model", "Evidence", "Judging", "Wire"] {
      let path = Self.repository + "/Sources/" + folder
      let files = FileManager.default.enumerator(atPath: path)?.allObjects.compactMap { $0 as? String } ?? []
      #expect(!files.isEmpty)
      for file in files where file.hasSuffix(".swift") && file != "Console.swift" {
        let text = try String(contentsOfFile: path + "/" + file, encoding: .utf8)
        for line in text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("//") {
          let raw = [
            " print(", "debugPrint(", "fputs(", "FileHandle.standardOutput", "FileHandle.standardError",
          ]
          if raw.contains(where: { " \(line)".contains($0) && !line.contains("Console") }) {
            found.append("\(file): \(line)")
          }
          // Documents in a format, a prompt and what moves the cursor of the progress line; nothing else is written so.
          let documents = [
            "List", "ReferenceCommand", "ReportCommand", "Run", "GitHubActions", "Demo", "BenchTime",
            "BenchDiagnose",
            "Diagnose", "AuditCommand", "BenchAudit",
            "CureCommand", "BenchPeers", "MergeCommand",
          ].map {
            $0 + ".swift"
          }
          if line.contains("Console.write("), !documents.contains(file), file != "ListCommand.swift" {
            found.append("\(file): \(line)")
          }
        }
      }
    }
    #expect(found.isEmpty, "\(found)")
  }
}
