import Evidence
import Foundation
import Judging
import Model
import Testing

import struct Model.Expectation

/// What an author says that must be seen is held exactly, and what fits a failure is named.
@Suite struct AuthorTests {
  /// late's SYN, older by timestamp, refused twice by early's TIME_WAIT.
  private func judged(_ witnesses: AuthorWitnesses, _ change: (inout Observation) -> Void = { _ in })
    -> Judgement
  {
    var test = JudgeTests.test(Expectation(.dropped, by: "tw-paws"))
    test.rules[0].witnesses = witnesses
    // Three steps, of which nothing is asked but how many they are.
    test.workload = (0..<3).map { _ in Step(Wait(milliseconds: 1)) }
    var seen = JudgeTests.dropped()
    change(&seen)
    return judge(test, on: .current(), seen: seen)
  }

  private func packets(_ text: String) throws -> AuthorWitnesses {
    AuthorWitnesses(packets: [try PacketPattern(text: text)])
  }

  @Test(arguments: [
    ("late > server Flags [S] x2", true), ("late > server Flags [S]", false),
    ("late > server Flags [S] x1-3", true), ("late > server Flags [S] x3-4", false),
    ("none server > late Flags [S.]", true), ("none late > server Flags [S]", false),
    // As the server sees it: both clients are behind one address.
    ("at server hop > server Flags [S] x3", true), ("at server late > server Flags [S]", false),
    ("at server 198.19.0.1.40000 > 198.19.0.2.8000: Flags [S], seq 0 x3", true),
    ("at server of late * > server Flags [S] x2", true), ("of early late > server Flags [S]", false),
    ("none at server of early * > server Flags [R]", true),
    ("at server * > server Flags [S] <TS older> x2", true),
    ("at server * > server Flags [S] <TS newer>", false),
    ("late > server Flags [S] <no mss,TS> x2", true), ("late > server Flags [S] <mss>", false),
    // The old connection's numbers: SYN, FIN, and what acknowledges them.
    ("at server server > hop Flags [.] seq 2 ack 3 then * > server Flags [R] seq 3", false),
    (
      "at server of late server > hop Flags [.] seq 2 ack 3 then at server of late * > server Flags [R] seq 2",
      false
    ),
    (
      "at server of late server > hop Flags [.] seq 2 ack 2 then at server of late * > server Flags [R] seq 2",
      true
    ),
    (
      "late > server Flags [S] then server > hop Flags [.] then late > server Flags [R] then late > server Flags [S]",
      false
    ),
    (
      "late > server Flags [S] then at late server > late Flags [.] then late > server Flags [R] "
        + "then late > server Flags [S]", true
    ),
    (
      "late > server Flags [S] x2 then at late server > late Flags [.] then late > server Flags [R]", false
    ),
    ("late > server Flags [S] win 65535 length 0 x2", true), ("late > server Flags [S] win 1", false),
    ("late:50420 > * Flags [S] x2", false), ("at hop late > server Flags [S]", false),
  ])
  func packetsAreAsAPatternSays(text: String, holds: Bool) throws {
    let judgement = judged(try packets(text))
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
    if !holds { #expect(judgement.reason.hasPrefix("packets: \(text): expected"), "\(judgement.reason)") }
  }

  @Test func anOrderThatWasNotSeenIsSaid() throws {
    let judgement = judged(
      try packets(
        "late > server Flags [S] x2 then at late server > late Flags [.] then late > server Flags [R]"))
    #expect(judgement.reason.hasSuffix("expected in this order, saw 1st x1, 2nd x1, 3rd x1, 1st x1"))
  }

  /// An author's number takes the place of the mechanism's, and explains what nothing else does.
  @Test(arguments: [
    ("server", "TcpExt.PAWSTimewait", "2", true), ("server", "TcpExt.PAWSTimewait", "1", false),
    ("server", "TcpExt.PAWSTimewait", "1-3", true), ("hop", "conntrack.invalid", "1", true),
    ("hop", "conntrack.invalid", "0", false), ("server", "Tcp.PassiveOpens", "0", true),
    ("server", "Tcp.PassiveOpens", "1", false), ("router", "Tcp.PassiveOpens", "0", false),
  ])
  func countersAreAsTheAuthorSays(node: String, counter: String, amount: String, holds: Bool) throws {
    let invalid = counter == "conntrack.invalid"
    let judgement = judged(AuthorWitnesses(counters: [node: [counter: try Amount(text: amount)]])) {
      if invalid { $0.countersAfter["hop"] = ["conntrack.invalid": 1] }
    }
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
  }

  @Test(arguments: [
    ("TIME-WAIT", "2", true), ("TIME-WAIT", "1", false), ("*", "3", true), ("ESTAB", "0", false),
    ("CLOSE-WAIT", "0", true), ("TIME-WAIT server:8000 hop:40000", "1", true),
    ("TIME-WAIT *:* *:40001", "1", true), ("TIME-WAIT *:9000 *:*", "0", true),
    ("FIN-WAIT-2 * late", "0", true),
  ])
  func socketsAreAsTheAuthorSays(text: String, amount: String, holds: Bool) throws {
    let sockets = AuthorWitnesses(sockets: ["server": [try SocketPattern(sockets: text, count: amount)]])
    let judgement = judged(sockets) {
      $0.sockets = [
        // Not the last step.
        SocketCensus(step: 1, node: "server", states: ["TIME-WAIT": 9]),
        SocketCensus(
          step: 2, node: "server", states: ["TIME-WAIT": 2, "ESTAB": 1], timeWait: [55_000],
          entries: [
            SocketEntry(
              state: "TIME-WAIT", local: "198.19.0.2:8000", peer: "198.19.0.1:40000", timeWait: 55_000),
            SocketEntry(
              state: "TIME-WAIT", local: "198.19.0.2:8000", peer: "198.19.0.1:40001", timeWait: 55_000),
            SocketEntry(state: "ESTAB", local: "198.19.0.2:8000", peer: "198.19.0.1:40002"),
          ]),
      ]
    }
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
  }

  @Test func socketsThatWereOnlyCountedHaveNoEnds() throws {
    let sockets = AuthorWitnesses(
      sockets: ["server": [try SocketPattern(sockets: "TIME-WAIT *:8000 *:*", count: "0")]])
    let judgement = judged(sockets) {
      $0.sockets = [SocketCensus(step: 2, node: "server", states: ["TIME-WAIT": 1])]
    }
    #expect(judgement.reason.hasSuffix("expected 0, saw sockets that were only counted"))
  }

  /// A node without sockets is in no census: what was there a step before is not there in the end.
  @Test func socketsOfAnEarlierStepAreGone() throws {
    for (count, holds) in [("0", true), ("1", false)] {
      let sockets = AuthorWitnesses(
        sockets: ["server": [try SocketPattern(sockets: "TIME-WAIT", count: count)]])
      let judgement = judged(sockets) {
        $0.sockets = [SocketCensus(step: 1, node: "server", states: ["TIME-WAIT": 1])]
      }
      #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
    }
  }

  @Test(arguments: [
    (["TIME_WAIT src=late dport=8000 dport=40000 [ASSURED]", "CLOSE"], true),
    (["TIME_WAIT", "CLOSE src=198.18.0.3"], true), (["TIME_WAIT"], false), ([], false),
    (["TIME_WAIT x2", "CLOSE"], false), (["* x2"], false), (["sport=50000", "[no ASSURED]"], true),
    (["TIME_WAIT dport=8000 dport=40001", "CLOSE"], false),
  ])
  func theConntrackTableIsAsTheAuthorSays(texts: [String], holds: Bool) throws {
    let patterns = try texts.compactMap { $0 == "* x2" ? nil : try ConntrackPattern(text: $0) }
    let judgement = judged(AuthorWitnesses(conntrack: ["hop": patterns])) {
      func entry(_ state: String, _ source: String, _ port: Int, assured: Bool) -> ConntrackEntry {
        ConntrackEntry(
          state: state,
          original: .init(
            source: source, destination: "198.19.0.2", sourcePort: 50000, destinationPort: 8000),
          reply: .init(
            source: "198.19.0.2", destination: "198.19.0.1", sourcePort: 8000, destinationPort: port),
          assured: assured, unreplied: false, seconds: 100)
      }
      let last = [
        entry("TIME_WAIT", "198.18.0.2", 40000, assured: true),
        entry("CLOSE", "198.18.0.3", 40001, assured: false),
      ]
      $0.conntrack = [
        ConntrackCensus(step: 0, node: "hop", entries: []),
        ConntrackCensus(step: 1, node: "hop", entries: last),
      ]
    }
    #expect((judgement.verdict == .pass) == (holds && !texts.contains("sport=50000")), "\(judgement.reason)")
  }

  @Test func aTableThatWasNotReadProvesNothing() throws {
    #expect(
      judged(AuthorWitnesses(conntrack: ["hop": []])).reason
        == "hop conntrack: entries: expected a table, saw it was not read")
    #expect(
      judged(AuthorWitnesses(drops: ["server": ["NO_SOCKET": Amount(0)]])).reason.hasSuffix(
        "saw the kernel was not asked"))
  }

  @Test(arguments: [
    ("TIME_WAIT *:40000 *:8000 server:8000", true), ("* 198.18.0.2:40000 *:* 198.19.0.2:8000 x1", true),
    ("CLOSE *:* *:* *:*", false), ("* *:* *:* 198.19.1.2:8000", false),
  ])
  func theDirectorsTableIsAsTheAuthorSays(text: String, holds: Bool) throws {
    let judgement = judged(AuthorWitnesses(ipvs: ["hop": [try IPVSPattern(text: text)]])) {
      $0.ipvs = [
        IPVSCensus(
          step: 1, node: "hop",
          entries: [
            IPVSEntry(
              state: "TIME_WAIT", client: "198.18.0.2:40000", virtual: "198.19.255.1:8000",
              server: "198.19.0.2:8000", seconds: 100)
          ])
      ]
    }
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
  }

  @Test(arguments: [("1", 0, true), ("2", 0, false), ("2", 1, true), ("0", 1, false), ("0-1", 0, true)])
  func dropsAreAsTheAuthorSays(amount: String, unheard: Int, holds: Bool) throws {
    let judgement = judged(AuthorWitnesses(drops: ["server": ["NO_SOCKET": try Amount(text: amount)]])) {
      $0.dropsNotHeard = unheard
      $0.drops = [
        KernelDrop(
          node: "server", reason: "NO_SOCKET", source: "", sourcePort: 1, destination: "", destinationPort: 2,
          sequence: 3, count: 1)
      ]
    }
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
  }

  // MARK: what fits

  @Test(arguments: [
    Expectation(.connected), Expectation(.dropped, by: "tw-seq"), Expectation(.delayed, by: "tw-paws"),
    Expectation(.dropped, by: "hop"),
  ])
  func whatFitsAFailureIsNamed(expected: Expectation) {
    let judgement = judge(JudgeTests.test(expected), on: .current(), seen: JudgeTests.dropped())
    #expect(judgement.verdict == .fail)
    #expect(judgement.fits == ["late: dropped by tw-paws"], "\(expected)")
  }

  @Test func whatNothingExplainsFitsNothing() {
    let judgement = judge(
      JudgeTests.test(Expectation(.connected)), on: .current(), seen: JudgeTests.dropped(paws: 3))
    #expect(judgement.verdict == .fail)
    #expect(judgement.fits == nil)
    let pass = judge(
      JudgeTests.test(Expectation(.dropped, by: "tw-paws")), on: .current(), seen: JudgeTests.dropped())
    #expect(pass.fits == nil)
  }
}
