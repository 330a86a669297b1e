import Foundation
import LabFile
import Model
import Testing

/// What a file may ask for is bounded, and looked at before anything is made of it. Each of these would have taken
/// seconds, gigabytes or for ever.
@Suite struct BoundsTests {
  static let good = MistakeTests.good

  static func mistakes(_ text: String) -> [String] { MistakeTests.mistakes(text) }

  /// The good file with more axes; they change nothing, and nobody gets as far as to say that.
  static func with(axes: String) -> String {
    good.replacing("matrix:\n", with: "matrix:\n" + axes)
  }

  @Test func eightAxesOfTenAreRefusedAtOnce() {
    let axes = (0..<8).map { "  a\($0): [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n" }.joined()
    #expect(
      Self.mistakes(Self.with(axes: axes)) == [
        "lab/x.yaml:11:3: the matrix has 10 x 10 x 10 x 10 x 10 x 10 x 10 x 10 x 2 x 2 x 2 = 800000000 points; at most 16384"
      ])
  }

  /// The product of sixteen axes of 256 has 129 bits.
  @Test func aProductThatDoesNotFitIsNoTrap() {
    let values = (0..<256).map { "v\($0)" }.joined(separator: ", ")
    let axes = (0..<13).map { "  a\($0): [\(values)]\n" }.joined()
    #expect(Self.mistakes(Self.with(axes: axes)).last?.contains("= more than can be counted points") == true)
  }

  @Test func axesAndValuesAreCounted() {
    let many = (0..<20).map { "  a\($0): [0]\n" }.joined()
    #expect(Self.mistakes(Self.with(axes: many)).contains("lab/x.yaml:11:3: 23 axes; at most 16"))
    let values = (0...256).map { "v\($0)" }.joined(separator: ", ")
    #expect(
      Self.mistakes(Self.with(axes: "  a: [\(values)]\n")).contains(
        "lab/x.yaml:11:3: a has 257 values; at most 256"))
  }

  /// Many points, few cases: what counts is what `exclude` leaves; and how often it is asked.
  @Test func casesAreCountedAfterExclude() {
    let values = (0..<100).map { "\($0)" }
    let axes = "  a: [\(values.joined(separator: ", "))]\n  b: [\(values.joined(separator: ", "))]\n"
    let few = Self.with(axes: axes).replacing("    family: [ipv4, ipv6]\n", with: "")
    #expect(Self.mistakes(few).contains { $0.contains("points; at most 16384") })
    let one = few.replacing("b: [\(values.joined(separator: ", "))]", with: "b: [0]")
    // 100 x 1 x 2 x 2 x 2 cases are right, the axis is merely without effect.
    #expect(Self.mistakes(one).contains { $0.contains("nothing uses the axis a") })
    let wide = Self.with(
      axes: "  a: [\((0..<256).map { "\($0)" }.joined(separator: ", "))]\n  b: [0, 1, 2, 3]\n")
    #expect(Self.mistakes(wide) == ["lab/x.yaml:11:3: 8192 cases; at most 4096"])
    let exclude = "exclude:\n  - {a: [\((128..<256).map { "\($0)" }.joined(separator: ", "))]}\n"
    #expect(Self.mistakes(wide + exclude).contains { $0.contains("nothing uses the axis a") })
  }

  @Test func clientsOfAllCasesAreCounted() {
    let text = Self.with(axes: "  a: [\((0..<64).map { "\($0)" }.joined(separator: ", "))]\n")
      .replacing("early: {}", with: "early: {count: 200}")
    #expect(
      Self.mistakes(text).contains { $0.contains("clients of all cases together; at most 65536") },
      "\(Self.mistakes(text))")
  }

  @Test func conditionsAreCounted() {
    let rules = (0..<600).map { "  - {when: {family: ipv4}, because: number \($0)}\n" }.joined()
    #expect(
      Self.mistakes(Self.good.replacing("expect:\n", with: "expect:\n" + rules)).contains {
        $0.contains("606 conditions (exclude, overrides, workload, expect); at most 512")
      })
  }

  /// The lab's files keep far below every bound, so that there is room.
  @Test func theLabsOwnFilesAreFarBelow() throws {
    for path in try LabFiles.discover(paths: [LabFilesTests.folder]) {
      let scenario = try LabFiles.load(path: path)
      #expect(scenario.grid.count * 8 < Bounds.points, "\(path)")
      #expect(scenario.cases().count * 8 < Bounds.cases, "\(path)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count * 8 < Bounds.fileBytes, "\(path)")
      for test in scenario.cases() { #expect(test.longestWorkload < Bounds.giveUp / 8, "\(test.id)") }
    }
  }

  // MARK: YAML

  @Test func aFileThatIsTooLargeIsNotRead() {
    let text = Self.good + String(repeating: "# comment\n", count: 30_000)
    #expect(throws: LabFileError.self) { try LabFiles.parse(Data(text.utf8), file: "x.yaml") }
    do { _ = try LabFiles.parse(Data(text.utf8), file: "x.yaml") } catch {
      #expect(error.description == "x.yaml: more than 262144 bytes, which no lab file has")
    }
  }

  @Test func whatIsNoUTF8SaysWhere() {
    let data = Data("title: a\nwhy: \u{e4}\n".utf8) + [0xff, 0x0a]
    do { _ = try LabFiles.parse(data, file: "x.yaml") } catch {
      #expect(error.description == "x.yaml:3:1: not UTF-8")
    }
    #expect(throws: LabFileError.self) { try LabFiles.parse(data, file: "x.yaml") }
  }

  @Test func deepNestingIsRefused() {
    let text = "title: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
    #expect(Self.mistakes(text) == ["lab/x.yaml:1:19: nested deeper than 12 levels"])
  }

  /// Nine lists of nine aliases to the list before: 3.5 GB once written out.
  @Test func aBillionLaughsAreRefused() {
    let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i"]
    let lines = zip(letters, letters.dropFirst()).map { before, name in
      "\(name): &\(name) [\(Array(repeating: "*\(before)", count: 9).joined(separator: ","))]\n"
    }
    #expect(
      Self.mistakes("a: &a [x,x,x,x,x,x,x,x,x]\n" + lines.joined()) == [
        "lab/x.yaml:5:4: more than 20000 keys, values and lists, each alias counted as what it stands for"
      ])
  }

  /// Yams compares keys by all that is below them: this took 24 s.
  @Test func aliasesAsKeysAreRefused() {
    let lines = (1..<25).map { "k\($0): &k\($0) {*k\($0 - 1) : *k\($0 - 1)}\n" }
    #expect(
      Self.mistakes("k0: &k0 {a: b}\n" + lines.joined())
        == ["lab/x.yaml:2:10: a key is a word, not an alias"])
    #expect(
      Self.mistakes("? [a, b]\n: c\n") == ["lab/x.yaml:1:3: a key is a word, not a list"])
  }

  @Test func aliasesWithinTheBoundsAreTaken() {
    let text = Self.good.replacing("when: {conntrack: kept}", with: "when: &kept {conntrack: kept}")
      .replacing(
        "- otherwise: true",
        with: "- when: *kept\n    late: dropped by hop\n    because: &r it is so\n  - otherwise: true"
      )
      .replacing(
        "late: delayed by tw-paws\n    because: it is so", with: "late: delayed by tw-paws\n    because: *r")
    // Each alias is read as what it stands for: the second rule of that condition is one that no case reaches.
    #expect(
      Self.mistakes(text) == [
        "lab/x.yaml:28:5: no case reaches this expectation: an earlier one takes them all, or none matches"
      ])
    #expect(Self.mistakes("a: &a b\nb: *c\n") == ["lab/x.yaml:2:4: no anchor \"&c\" before this alias"])
  }

  /// An asterisk and an ampersand in prose are no alias.
  @Test func proseMayHaveAsterisks() {
    let text = Self.good.replacing(
      "why: A reason", with: "why: |\n  inet_twsk(sk) takes &sk of *tw\n  *and so on, \"&x\"")
    #expect(Self.mistakes(text) == [])
    #expect(Self.mistakes(Self.good.replacing("why: A reason", with: "why: \"&sk *tw\" # &a *b")) == [])
  }

  /// Twenty thousand entries took ten seconds; so many are taken in one pass, one more is too many.
  @Test func entriesAreReadInOnePass() {
    let clocks = (0..<9_000).map { "  c\($0): \($0)\n" }.joined()
    #expect(
      Self.mistakes(
        Self.good.replacing("clocks: {behind: -600000}\n", with: "clocks:\n  behind: -600000\n" + clocks))
        == [])
    let more = (0..<12_000).map { "  c\($0): 0\n" }.joined()
    #expect(
      Self.mistakes(Self.good.replacing("clocks: {behind: -600000}\n", with: "clocks:\n" + more)).contains {
        $0.contains("more than 20000 keys, values and lists")
      })
  }

  @Test func mistakesAreBoundedToo() {
    let keys = (0..<5_000).map { "k\($0): 1\n" }.joined()
    let mistakes = Self.mistakes(Self.good + keys)
    #expect(mistakes.count == Bounds.mistakes + 1)
    #expect(mistakes.contains { $0.hasSuffix("and perhaps more mistakes") })
  }

  @Test func aKeyThatStandsTwiceDoesNotHideTheRest() {
    let text = Self.good.replacing("why: A reason\n", with: "why: A reason\n\"title\": Again\nfoo: bar\n")
      .replacing("late: {clock: behind}", with: "late: {clock: behind, clock: behnd, cont: 1}")
    let lines = Self.mistakes(text).map { $0.prefix { $0 != ";" } }
    #expect(
      lines == [
        "lab/x.yaml:3:1: \"title\" stands twice in a lab file",
        "lab/x.yaml:4:1: unknown key \"foo\" in a lab file",
        "lab/x.yaml:9:25: \"clock\" stands twice in client late",
        "lab/x.yaml:9:39: unknown key \"cont\" in client late",
      ])
  }

  // MARK: numbers

  /// Each of these was a trap (SIGILL), or is next to one.
  @Test(arguments: [
    "-9223372036854775808", "9223372036854775807", "-2000000001", "2000000001", "1e19", "nan", "inf", "0x7f",
    "99999999999999999999",
  ])
  func clocksHaveARange(offset: String) {
    let text = Self.good.replacing("behind: -600000", with: "behind: \(offset)")
    #expect(Self.mistakes(text).contains { $0.hasPrefix("lab/x.yaml:4:18: bad offset \"\(offset)\"") })
  }

  @Test(arguments: [
    "0-65535", "1-65536", "40000-39999", "-1-2", "1-2-3", "1--2", "9223372036854775807-9223372036854775807",
    "1-99999999999999999999",
  ])
  func portsHaveARange(ports: String) {
    let text = Self.good.replacing("40000-40000", with: "\"\(ports)\"")
    #expect(Self.mistakes(text) == ["lab/x.yaml:3:37: ports are FIRST-LAST within 1-65535, not \"\(ports)\""])
    #expect(Self.mistakes(Self.good.replacing("40000-40000", with: "1-65535")) == [])
  }

  /// What a client's SYNs take follows from these two, so they are what the kernel takes.
  @Test func retriesHaveTheKernelsRange() {
    for (value, right) in [("1", true), ("127", true), ("0", false), ("128", false), ("many", false)] {
      let text = Self.good.replacing("{tcp_rfc1337: 0}", with: "{tcp_rfc1337: 0, tcp_syn_retries: \(value)}")
      #expect(
        Self.mistakes(text)
          == (right ? [] : ["lab/x.yaml:9:45: tcp_syn_retries is a number from 1 to 127, not \"\(value)\""]))
    }
  }

  @Test func aCaseThatTakesDaysIsAMistake() {
    let text = Self.good.replacing("  server: {tcp_rfc1337: 0}", with: "  all: {tcp_syn_retries: 20}")
      .replacing(
        "- connect: late", with: "- connect: late\n  - churn: early\n    as: more\n    connections: 10000")
    #expect(Self.mistakes(text).contains { $0.contains("s if no SYN is answered; at most 86400") })
  }
}
