import Judging
import LabFile
import Model
import Testing

import struct Model.Expectation

/// Every mistake is one message that says where it is and what would be right.
@Suite struct MistakeTests {
  /// What drops a connection.
  private static let dropping: String = {
    let names = Expectation.all.filter { $0.outcome == .dropped }.compactMap { $0.mechanism?.rawValue }
    return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
  }()

  /// A lab file that is right; each test spoils one line of it.
  static let good = """
    title: A title
    why: A reason
    topology: {kind: snat, hop: {ports: 40000-40000}}
    clocks: {behind: -600000}
    clients:
      early: {}
      late: {clock: behind}
    settings:
      server: {tcp_rfc1337: 0}
    matrix:
      server.tcp_rfc1337: [0, 1]
      conntrack: [kept, flushed]
      family: [ipv4, ipv6]
    controls: [family]
    workload:
      - connect: early
        closes: server
      - flush: conntrack
        when: {conntrack: flushed}
      - connect: late
    expect:
      - when: {server.tcp_rfc1337: 1, conntrack: flushed}
        late: dropped by tw-paws
        because: it is so
      - when: {conntrack: kept}
        late: dropped by hop
        because: it is so
      - otherwise: true
        late: delayed by tw-paws
        because: it is so

    """

  static func mistakes(_ text: String) -> [String] {
    do {
      _ = try LabFiles.parse(text, file: "lab/x.yaml")
      return []
    } catch { return error.mistakes.map(\.description) }
  }

  @Test func aGoodFileHasNone() { #expect(Self.mistakes(Self.good) == []) }

  @Test(arguments: [
    (
      "title: A title\n", "titel: A title\n",
      "lab/x.yaml:1:1: unknown key \"titel\" in a lab file; did you mean \"title\"? It is one of title, why, topology, clocks, clients, settings, matrix, controls, exclude, overrides, workload, expect"
    ),
    (
      "kind: snat", "kind: snaat",
      "lab/x.yaml:3:18: kind is direct or snat or ipvs-nat or ipvs-fullnat or ipvs-dr or ipvs-tun or nat-chain, not \"snaat\"; did you mean \"snat\"?"
    ),
    ("40000-40000", "40000-", "lab/x.yaml:3:37: ports are FIRST-LAST within 1-65535, not \"40000-\""),
    (
      "behind: -600000", "behind: 5s",
      "lab/x.yaml:4:18: bad offset \"5s\": a whole number of milliseconds, at most 2000000000 either way (PAWS compares within half of 32 bits); write 5000"
    ),
    (
      "clock: behind", "clock: behnd",
      "lab/x.yaml:7:17: unknown clock \"behnd\"; did you mean \"behind\"? It is one of behind, natural, off, usec (or an offset in milliseconds)"
    ),
    (
      "{tcp_rfc1337: 0}", "{tcp_rfc1338: 0}",
      "lab/x.yaml:9:12: unknown sysctl \"tcp_rfc1338\"; did you mean \"tcp_rfc1337\"?"
    ),
    (
      "  server: {tcp_rfc1337: 0}", "  sever: {tcp_rfc1337: 0}",
      "lab/x.yaml:9:3: no node \"sever\" in the topology; did you mean \"server\"? It is one of early, late, hop, server, all"
    ),
    (
      "family: [ipv4, ipv6]", "family: [ipv4, ipv5]",
      "lab/x.yaml:13:18: family is ipv4 or ipv6, not \"ipv5\"; did you mean \"ipv4\"?"
    ),
    (
      "[kept, flushed]", "[kept, kept, flushed]",
      "lab/x.yaml:12:21: \"kept\" stands twice on the axis conntrack"
    ),
    ("[kept, flushed]", "[]", "lab/x.yaml:12:3: the axis conntrack has no values, so the matrix is empty"),
    (
      "controls: [family]", "controls: [famly]",
      "lab/x.yaml:14:12: no axis \"famly\"; did you mean \"family\"? It is one of server.tcp_rfc1337, conntrack, family"
    ),
    (
      "connect: late", "connect: lat",
      "lab/x.yaml:20:14: unknown client \"lat\"; did you mean \"late\"? It is one of early, late"
    ),
    (
      "flush: conntrack", "flsh: conntrack",
      "lab/x.yaml:18:5: a step begins with what it does, not \"flsh\"; did you mean \"flush\"?"
    ),
    (
      "closes: server", "closes: sever",
      "lab/x.yaml:17:13: closes is client or server or both or nobody, not \"sever\"; did you mean \"server\"?"
    ),
    (
      "when: {conntrack: flushed}", "when: {conntrack: flashed}",
      "lab/x.yaml:19:23: the axis conntrack has no value \"flashed\"; did you mean \"flushed\"? It is one of kept, flushed"
    ),
    (
      "late: dropped by tw-paws", "late: dropped by tw-pavs",
      "lab/x.yaml:23:11: unknown outcome \"dropped by tw-pavs\"; did you mean \"dropped by tw-paws\"? dropped is by \(Self.dropping)"
    ),
    (
      "late: dropped by hop", "lat: dropped by hop",
      "lab/x.yaml:26:5: no step has the label \"lat\"; did you mean \"late\"? It is one of early, late"
    ),
  ])
  func aSpoiltLineIsNamed(right: String, wrong: String, message: String) {
    let text = Self.good.replacing(right, with: wrong, maxReplacements: 1)
    #expect(text != Self.good)
    #expect(Self.mistakes(text).contains(message), "\(Self.mistakes(text))")
  }

  @Test func allMistakesComeAtOnceInTheFilesOrder() {
    let text = Self.good.replacing("clock: behind", with: "clck: behind")
      .replacing("tcp_rfc1337: 0", with: "tcp_rfc: 0")
      .replacing("connect: early", with: "connect: erly")
    let lines = Self.mistakes(text).map { $0.split(separator: ":")[1] }
    #expect(lines == ["7", "9", "16"])
  }

  @Test func whatIsNotYAMLSaysWhere() {
    #expect(Self.mistakes("title: [").first?.hasPrefix("lab/x.yaml:2:1: not YAML: ") == true)
    #expect(Self.mistakes("") == ["lab/x.yaml:1:1: the file is empty"])
    #expect(Self.mistakes("- a\n- b\n") == ["lab/x.yaml:1:1: a lab file is a mapping, not a list"])
  }

  @Test func anAxisThatNothingUsesIsAMistake() {
    let text = Self.good.replacing("    when: {conntrack: flushed}\n", with: "")
    #expect(Self.mistakes(text).contains { $0.contains("12:3: nothing uses the axis conntrack") })
  }

  @Test func anAxisWithoutEffectIsAMistakeUnlessItIsAControl() {
    let text = Self.good.replacing("controls: [family]\n", with: "")
    #expect(
      Self.mistakes(text) == [
        "lab/x.yaml:13:3: the axis family changes no expectation; drop it, or declare it under controls"
      ])
    let other = Self.good.replacing("controls: [family]", with: "controls: [family, conntrack]")
    #expect(
      Self.mistakes(other) == [
        "lab/x.yaml:14:20: conntrack is declared a control, but it changes an expectation"
      ])
  }

  @Test func anExpectationThatNoCaseReachesIsAMistake() {
    let text = Self.good.replacing("{conntrack: kept}", with: "{server.tcp_rfc1337: 1, conntrack: flushed}")
    #expect(Self.mistakes(text).contains { $0.contains("25:5: no case reaches this expectation") })
  }

  @Test func aCaseWithoutExpectationIsAMistake() {
    let text = Self.good.replacing("otherwise: true", with: "when: {kernel: tc-bpf}")
    #expect(
      Self.mistakes(text).contains {
        $0.contains("no expectation for x/rfc1337=0,conntrack=flushed,family=ipv4 on a kernel with no tc-bpf")
      }, "\(Self.mistakes(text))")
  }

  @Test func excludingEverythingIsAMistake() {
    let text = Self.good + "exclude:\n  - {family: [ipv4, ipv6]}\n"
    #expect(Self.mistakes(text) == ["lab/x.yaml:11:3: the matrix is empty: exclude leaves no case"])
  }

  @Test func moreAttemptsThanCanBePinnedAreAMistake() {
    let text = Self.good.replacing(
      "- connect: late",
      with: "- connect: late\n    times: 1000\n  - churn: early\n    as: more\n    connections: 10000"
    )
    .replacing("late: {clock: behind}", with: "late: {clock: behind, count: 10}")
    #expect(
      Self.mistakes(text).contains {
        $0.contains("makes 20001 attempts; sequence numbers can be pinned for 16000")
      }, "\(Self.mistakes(text))")
  }

  @Test func aMissingFileIsOneMistake() {
    #expect(throws: LabFileError.self) { try LabFiles.discover(paths: ["no/such/lab"]) }
  }
}
