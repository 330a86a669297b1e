import Foundation
import Testing

@testable import Evidence
@testable import Judging
@testable import Model

/// What is seen is kept whole, told by one clock, and not judged where it broke off.
@Suite struct EvidenceTests {
  /// The keys are written by hand: what is not among them compiles, and is never saved.
  @Test func everyPropertyOfAnObservationIsSaved() {
    let properties = Mirror(reflecting: Observation(caseID: "x/y")).children.compactMap(\.label)
      .map { $0.hasPrefix("_") ? String($0.dropFirst()) : $0 }
    let keys = Observation.CodingKeys.allCases.map(\.stringValue)
    #expect(Set(properties).subtracting(keys) == ["packets"])
    #expect(Set(keys).isSubset(of: properties))
  }

  @Test func everyPropertyOfAKernelIsSaved() throws {
    var kernel = Kernel.current()
    kernel.layout = ["net.net_cookie": 1]
    kernel.withoutEffect = [.feature(.nft)]
    kernel.emulation = TimeWaitRecycling.emulation
    let properties = Mirror(reflecting: kernel).children.compactMap(\.label)
    let saved = try JSONSerialization.jsonObject(with: JSONEncoder().encode(kernel)) as? [String: Any]
    #expect(Set(properties) == Set((saved ?? [:]).keys))
    #expect(try JSONDecoder().decode(Kernel.self, from: JSONEncoder().encode(kernel)) == kernel)
  }

  @Test func whatBrokeIsNeverJudged() throws {
    var seen = JudgeTests.dropped()
    let test = JudgeTests.test(Expectation(.dropped, by: "tw-paws"))
    #expect(judge(test, on: .current(), seen: seen).verdict == .pass)
    seen.broke = "wait something: not seen within 10 ms"
    let saved = try JSONDecoder().decode(Observation.self, from: JSONEncoder().encode(seen))
    #expect(
      judge(test, on: .current(), seen: saved)
        == Judgement(verdict: .error, reason: "wait something: not seen within 10 ms"))
  }

  @Test func timesAfterALeapGoOn() {
    var clock = WallClock()
    #expect(clock.time(wall: 5) == 5)
    clock.leap(from: 1_000, by: 60_000)
    clock.leap(from: 62_000, by: 1_000)
    #expect(clock.ahead == 61_000)
    // Before both, between them, after both.
    #expect(clock.time(wall: 999) == 999)
    #expect(clock.time(wall: 61_000) == 1_000)
    #expect(clock.time(wall: 61_500) == 1_500)
    #expect(clock.time(wall: 63_000) == 2_000)
    #expect(clock.time(wall: .max) == .max - 61_000)
    var wild = WallClock()
    wild.leap(from: .max, by: .max)
    #expect(wild.time(wall: .min) == .min)
  }

  /// A second reading is stamped by the wall clock, which the case may have set forward.
  @Test func aSecondReadingIsToldByTheCasesClock() {
    func record(_ second: UInt32) -> [UInt8] {
      [second, 0, 1, 1].flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } } + [0]
    }
    let header: [UInt8] = [0x4d, 0x3c, 0xb2, 0xa1] + [UInt8](repeating: 0, count: 20)
    var clock = WallClock()
    clock.leap(from: 10_000_000_000, by: 61_000_000_000)
    let reading = SecondReading(
      captures: [
        .init(node: "server", interface: "eth0", outgoing: false, pcap: Data(header + record(9) + record(72)))
      ], before: [:], after: [:], clock: clock)
    let packets = reading.replacing(in: Observation(caseID: "x/y")).packets
    #expect(packets.map(\.time) == [9_000_000_000, 11_000_000_000])
    var cut = reading
    cut.until = 10_999_999_999
    #expect(cut.replacing(in: Observation(caseID: "x/y")).packets.map(\.time) == [9_000_000_000])
    // libpcap shows once what passes lo, as coming in; the lab's own sockets see it leave too.
    var looped = reading
    looped.captures[0].interface = "lo"
    var nothing = looped.captures[0]
    (nothing.outgoing, nothing.pcap) = (true, Data(header))
    looped.captures.append(nothing)
    #expect(
      looped.replacing(in: Observation(caseID: "x/y")).packets.map(\.outgoing) == [true, false, true, false])
  }
}

/// Ends that had no word, or a wrong one, and counters that follow from a setting.
@Suite struct OutcomeTests {
  private func judgement(_ kind: Attempt.Kind, _ errno: String, synAck: Bool = false) -> Judgement {
    var wire = Wire()
    let began = wire.time
    wire.syn("late", isn: 5000, tsval: 1)
    if synAck { wire.both("late", fromServer: true, seq: 900, ack: 5001, flags: [.syn, .ack], ts: (1, 1)) }
    wire.finish(0, "late", "late", isn: 5000, began: began, errno: errno)
    wire.observation.attempts[0].kind = kind
    return judge(JudgeTests.test(Expectation(.connected)), on: .current(), seen: wire.observation)
  }

  @Test(arguments: [
    (Attempt.Kind.send, "ECONNRESET", false, "reset: the connection was reset (ECONNRESET)"),
    (.send, "ETIMEDOUT", false, "lost (ETIMEDOUT)"),
    (.send, "EPIPE", false, "ended with EPIPE"),
    (.connect, "ECONNRESET", true, "reset: the connection was reset (ECONNRESET)"),
    (.connect, "ETIMEDOUT", false, "dropped (ETIMEDOUT)"),
    // Was called "dropped".
    (.connect, "ETIMEDOUT", true, "a SYN-ACK, and ETIMEDOUT nevertheless"),
    (.connect, "EHOSTUNREACH", false, "unreachable (EHOSTUNREACH)"),
    (.connect, "EPROTO", false, "ended with EPROTO"),
    (.send, "ECONNREFUSED", false, "refused (ECONNREFUSED)"),
  ])
  func anEndIsSaidAsItWas(kind: Attempt.Kind, errno: String, synAck: Bool, words: String) {
    let judgement = judgement(kind, errno, synAck: synAck)
    #expect(judgement.verdict == .fail)
    #expect(judgement.reason == "late #0: expected connected, saw \(words)")
    #expect((judgement.attempts[0].outcome == nil) == (words.hasPrefix("ended") || words.hasPrefix("a SYN")))
  }

  /// `tcp_v4_err`: who was quick, not what was refused.
  @Test func anICMPThatFoundItsSocketLockedIsNotJudged() {
    var seen = JudgeTests.dropped()
    seen.countersAfter["late"]?["TcpExt.LockDroppedIcmps"] = 1
    let test = JudgeTests.test(Expectation(.dropped, by: "tw-paws"))
    #expect(judge(test, on: .current(), seen: seen).verdict == .pass)
    seen.countersAfter["late"]?["TcpExt.TCPBacklogDrop"] = 1
    #expect(judge(test, on: .current(), seen: seen).verdict == .fail)
  }

  /// Which counters a kernel has was asked; what it lacks is no witness, and what it has and did not move is one.
  @Test func aCounterThatAKernelLacksIsNoWitness() {
    var test = JudgeTests.test(Expectation(.dropped, by: "tw-paws"))
    test.rules[0].witnesses = AuthorWitnesses(counters: ["late": ["TcpExt.TCPKeepAlive": Amount(1)]])
    let seen = JudgeTests.dropped()
    #expect(
      judge(test, on: .current(), seen: seen).reason == "late TcpExt.TCPKeepAlive: expected +1, saw +0")
    let old = Kernel.current(without: [.counter("TcpExt.TCPKeepAlive")])
    #expect(judge(test, on: old, seen: seen).verdict == .pass)
  }

  /// RHEL 7's conntrack counts neighbour discovery among what is INVALID: it may be more there, and never less.
  @Test func whatNeighboursSayIsNoWitnessWhereItIsCounted() {
    var seen = JudgeTests.dropped()
    seen.countersAfter["hop", default: [:]]["conntrack.invalid"] = 7
    let test = JudgeTests.test(Expectation(.dropped, by: "tw-paws"))
    var old = Kernel.current()
    #expect(judge(test, on: old, seen: seen).reason == "hop conntrack.invalid: expected +0, saw +7")
    old.capabilities.insert(.feature(.neighboursInvalid))
    #expect(judge(test, on: old, seen: seen).verdict == .pass)
    var claimed = test
    for (wanted, holds) in [(7, true), (3, true), (8, false)] {
      claimed.rules[0].witnesses = AuthorWitnesses(counters: ["hop": ["conntrack.invalid": Amount(wanted)]])
      #expect((judge(claimed, on: old, seen: seen).verdict == .pass) == holds, "\(wanted)")
    }
  }

  private func served(
    _ count: Int, closes: Step.Closer, settings: [String: String], counters: [String: Int], on kernel: Kernel
  ) -> Judgement {
    var wire = Wire()
    for id in 0..<count {
      _ = wire.served(
        attempt: id, client: id == 0 ? "late" : "early", isn: UInt32(1000 * (id + 1)), tsval: 1)
    }
    for index in wire.observation.attempts.indices {
      wire.observation.attempts[index].step = 0
      wire.observation.attempts[index].server = "server"
      wire.observation.attempts[index].label = "late"
    }
    wire.observation.countersAfter["server"] = counters
    var test = JudgeTests.test(Expectation(.connected))
    test.settings["server"] = settings
    test.workload = [.connect(.init(client: "late", label: "late", closes: closes, times: 1, again: 0))]
    return judge(test, on: kernel, seen: wire.observation)
  }

  /// `tcp_time_wait`: what finds as many sockets in TIME_WAIT as the setting says is closed, and counted.
  @Test(arguments: [
    (Step.Closer.server, "0", 1, true), (.server, "0", 0, false), (.server, "0", 2, false),
    (.client, "0", 0, true), (.client, "0", 1, false), (.nobody, "0", 1, false),
    (.server, "1", 0, true), (.server, "1", 1, false),
  ])
  func anOverflowOfTimeWaitFollowsFromItsSetting(
    closes: Step.Closer, buckets: String, overflows: Int, holds: Bool
  ) {
    let judgement = served(
      1, closes: closes, settings: ["tcp_max_tw_buckets": buckets],
      counters: ["TcpExt.TCPTimeWaitOverflow": overflows], on: .current())
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
  }

  /// A client that had not closed yet when the RST came counts it (`tcp_reset` in CLOSE_WAIT), and one in LAST_ACK does
  /// not: which it is, is a matter of how soon its program reads the end.
  @Test(arguments: [(false, 1, true), (false, 0, false), (true, 0, true), (true, 1, false)])
  func aResetInPlaceOfTimeWaitEndsWhoHadNotClosed(closed: Bool, counted: Int, holds: Bool) {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 1)
    wire.both("late", fromServer: true, seq: 901, ack: 1001, flags: [.fin, .ack])
    wire.both("late", fromServer: false, seq: 1001, ack: 902, flags: [.ack])
    if closed { wire.both("late", fromServer: false, seq: 1001, ack: 902, flags: [.fin, .ack]) }
    wire.both("late", fromServer: true, seq: 902, flags: [.rst])
    wire.moved("server", ["TcpExt.TCPTimeWaitOverflow": 1, "Tcp.OutRsts": 1])
    wire.moved("late", ["Tcp.EstabResets": counted])
    var test = JudgeTests.test(Expectation(.connected))
    test.settings["server"] = ["tcp_max_tw_buckets": "0"]
    test.workload = [.connect(.init(client: "late", label: "late", closes: .server, times: 1, again: 0))]
    let judgement = judge(test, on: .current(), seen: wire.observation)
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
  }

  /// Without the setting nothing explains them.
  @Test(arguments: ["TcpExt.TCPTimeWaitOverflow", "TcpExt.SyncookiesSent", "TcpExt.TCPReqQFullDoCookies"])
  func withoutTheSettingTheyMustStandStill(counter: String) {
    let judgement = served(1, closes: .server, settings: [:], counters: [counter: 1], on: .current())
    #expect(judgement.reason == "server \(counter): expected +0, saw +1")
  }

  /// `tcp_conn_request`: with the value 2 every SYN that no TIME_WAIT has let through is answered by a cookie.
  @Test(arguments: [
    (1, 1, 1, true), (1, 0, 0, false), (1, 1, 0, false), (1, 2, 1, false),
    // The second comes by a 4-tuple that the first has left, so either may be.
    (2, 2, 2, true), (2, 1, 1, true), (2, 0, 0, false), (2, 3, 2, false),
  ])
  func cookiesFollowFromTheirSetting(connections: Int, sent: Int, received: Int, holds: Bool) {
    let judgement = served(
      connections, closes: .server, settings: ["tcp_syncookies": "2"],
      counters: [
        "TcpExt.TCPReqQFullDoCookies": sent, "TcpExt.SyncookiesSent": sent,
        "TcpExt.SyncookiesRecv": received,
      ], on: .current())
    #expect((judgement.verdict == .pass) == holds, "\(judgement.reason)")
  }
}
