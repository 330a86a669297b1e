import Foundation
import Judging
import Model
import Report
import Testing

/// What people read on a terminal fits one that nobody has made wider.
@Suite struct ColumnsTests {
  @Test func linesArePartedAtSpacesElseBehindCommas() {
    #expect(Columns.fit("  one two three four", 12) == ["  one two", "    three", "    four"])
    #expect(Columns.fit("x/a=1,b=22,c=333,d=4 on", 12) == ["x/a=1,b=22,", "  c=333,d=4", "  on"])
    // What has no room anywhere stays whole.
    #expect(Columns.fit("a bbbbbbbbbbbbbbb", 8) == ["a", "  bbbbbbbbbbbbbbb"])
    #expect(Columns.fit("as it  is", 9) == ["as it  is"])
    #expect(Columns.fit("", 9) == [""])
  }

  @Test func aTextIsPartedAnewByParagraphs() {
    let text = "one two\nthree four\n\n- five six seven\n  eight\nnine\n"
    #expect(
      Columns.paragraphs(text, 11)
        == ["one two", "three four", "", "- five six", "  seven", "  eight", "nine", ""])
  }

  /// Nothing is lost, nothing is said twice.
  @Test func nothingIsLost() {
    let every20th = stride(from: 0, to: SentencesTests.library.count, by: 20)
    for line in every20th.map({ SentencesTests.library[$0] }).map({ "  because \($0.title), as in \($0.id)" })
    {
      for width in [20, 40, 80] {
        let told = Columns.fit(line, width).map { $0.filter { $0 != " " } }.joined()
        #expect(told == line.filter { $0 != " " })
      }
    }
  }

  /// Packets as they were recorded, with all that is remarked on them, at once and as they come.
  @Test func ladders() throws {
    let folder = try RunFolder(reading: RecordedTests.folder)
    let results = try folder.loadResults()
    var seen = 0
    for entry in results.cases where entry.scenario != "tw-recycle-expiry" {
      let result = try folder.load(entry.id, kernel: entry.kernel)
      let kernel = try #require(results.kernels[entry.kernel])
      let observation = try #require(result.observation)
      let lanes = Lanes(result.test.network)
      let whole = Ladder(
        observation, lanes: lanes, limit: .max,
        remarks: remarks(on: result.judgement, of: result.test, on: kernel, seen: observation))
      var live = LiveLadder(
        lanes: lanes, ticksPerSecond: kernel.timestampTicksPerSecond, width: Columns.width - 2)
      var told: [String] = []
      for at in stride(from: 0, to: observation.packets.count, by: 3) {
        told += live.add(Array(observation.packets[at...].prefix(3)))
      }
      told += live.end()
      let lines = whole.lines(width: Columns.width - 2)
      for line in lines + told { #expect(line.count <= Columns.width - 2, "\(line)") }
      // No packet is left out for the width.
      let arrows = { (lines: [String]) in lines.count { $0.contains("|") } }
      #expect(arrows(lines) == arrows(whole.lines) && arrows(told) == arrows(whole.lines))
      seen += lines.count
    }
    #expect(seen > 100)
  }

  /// What a case is: of every one in the library; only a command that is to be copied may be longer.
  @Test func explanations() throws {
    let folder = try RunFolder(reading: RecordedTests.folder)
    let results = try folder.loadResults()
    for entry in results.cases {
      let result = try folder.load(entry.id, kernel: entry.kernel)
      for line in Explanation(result.test).lines.flatMap({ Columns.fit($0) }) {
        #expect(line.count <= Columns.width, "\(line)")
      }
      for colour in [true, false] {
        let lines = TextReport(detail: .verbose, colour: colour).lines(result, width: Columns.width - 2)
        for line in lines {
          let shown = line.description.replacing(/\u{1b}\[\d+m/, with: "")
          #expect(shown.count <= Columns.width - 2, "\(shown)")
        }
      }
    }
  }

  /// A clock that has gone below 0 is not a number that looks ahead.
  @Test func aTimestampThatWrapsIsSaidAsBehind() throws {
    let folder = try RunFolder(reading: RecordedTests.folder)
    let results = try folder.loadResults()
    let entry = try #require(
      results.cases.first { $0.id.contains("clock=behind") && $0.id.contains("lvs-tw-recycle") })
    let result = try folder.load(entry.id, kernel: entry.kernel)
    let observation = try #require(result.observation)
    let ladder = Ladder(observation, lanes: Lanes(result.test.network), limit: .max)
    let late = ladder.lines.filter { $0.contains("late ") && $0.contains("SYN-") }
    #expect(!late.isEmpty && late.allSatisfy { $0.contains("TSval 600 s behind") }, "\(late)")
    #expect(!ladder.lines.contains { $0.contains("early ") && $0.contains("behind") })
  }
}
