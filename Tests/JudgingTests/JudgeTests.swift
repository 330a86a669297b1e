import Evidence
import Foundation
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// early leaves a TIME_WAIT, late's SYN meets it: packets and counters written by hand.
@Suite struct JudgeTests {
  static func test(_ late: Expectation, kernel: [KernelCondition] = []) -> Case {
    let clients = ["early", "late"].map { Client(name: $0, group: $0, clock: .natural, isn: .ahead) }
    let hop = Hop(nat: .snat, backend: .auto, ports: 40000...40000, random: .none, dropInvalid: false)
    return Case(
      id: "made/by=hand", scenario: "made", title: "", why: "", axes: [],
      network: Network(topology: .snat, family: .ipv4, clients: clients, hop: hop), settings: [:],
      workload: [], rules: [Rule(kernel: kernel, outcomes: ["late": late], because: "so it is")])
  }

  /// A SYN that is older by timestamp, refused twice: old ACK and RST after the first, rate limit after the second.
  static func dropped(isn: UInt32 = 5000, tsval: UInt32 = 100, paws: Int = 2) -> Observation {
    var wire = Wire()
    let fin = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    let began = wire.time
    wire.wait(milliseconds: 5)
    wire.syn("late", isn: isn, tsval: tsval)
    wire.both("late", fromServer: true, seq: 902, ack: fin + 1, flags: [.ack], ts: (8, 1_000_000))
    wire.both("late", fromServer: false, seq: fin + 1, flags: [.rst])
    wire.wait(milliseconds: 1000)
    wire.syn("late", isn: isn, tsval: tsval + 1000)
    wire.wait(milliseconds: 2000)
    wire.finish(1, "late", "late", isn: isn, began: began, errno: "ETIMEDOUT")
    wire.observation.countersAfter["server"] = [
      "TcpExt.PAWSTimewait": paws, "TcpExt.TCPACKSkippedTimeWait": 1,
    ]
    wire.observation.countersAfter["late"] = [
      "TcpExt.TCPAbortOnTimeout": 1, "Tcp.AttemptFails": 1, "Tcp.OutRsts": 1,
    ]
    // Otherwise the RST would have ended TIME_WAIT, and the second SYN met the listener.
    wire.observation.settings["server"] = ["tcp_rfc1337": "1"]
    return wire.observation
  }

  @Test func aDropWithAllItsWitnessesPasses() {
    let judgement = judge(
      Self.test(Expectation(.dropped, by: "tw-paws")), on: .current(), seen: Self.dropped())
    #expect(judgement.verdict == .pass, "\(judgement.reason)")
    #expect(judgement.reason == "so it is")
    #expect(judgement.attempts.map(\.outcome) == [.connected, .dropped])
    #expect(judgement.attempts[1].syns == 2)
  }

  @Test func theRightOutcomeByAnotherMechanismFails() {
    let judgement = judge(
      Self.test(Expectation(.dropped, by: "tw-seq")), on: .current(), seen: Self.dropped())
    #expect(judgement.verdict == .fail)
    #expect(
      judgement.reason
        == "late #1 refused SYNs that TIME_WAIT refuses, by sequence number: expected 2, saw 0")
  }

  @Test func aCounterThatIsOffByOneFails() {
    let judgement = judge(
      Self.test(Expectation(.dropped, by: "tw-paws")), on: .current(), seen: Self.dropped(paws: 3))
    #expect(judgement.reason == "server TcpExt.PAWSTimewait: expected +2, saw +3")
  }

  /// Where the kernel names why, its word counts: as many as were refused, on the node where it was.
  @Test func theKernelsOwnReasonIsAWitness() {
    var kernel = Kernel.current()
    kernel.layout = ["reason TCP_RFC7323_TW_PAWS": 42]
    let test = Self.test(Expectation(.dropped, by: "tw-paws"))
    var seen = Self.dropped()
    func drop(_ reason: String, on node: String, count: Int) -> KernelDrop {
      KernelDrop(
        node: node, reason: reason, source: "198.19.0.1", sourcePort: 40000, destination: "198.19.0.2",
        destinationPort: 8000, sequence: 5000, count: count)
    }
    seen.drops = [drop("TCP_RFC7323_TW_PAWS", on: "server", count: 2)]
    #expect(judge(test, on: kernel, seen: seen).verdict == .pass)
    for wrong in [
      [], [drop("TCP_RFC7323_TW_PAWS", on: "server", count: 1)],
      [drop("TCP_RFC7323_TW_PAWS", on: "hop", count: 2)], [drop("NO_SOCKET", on: "server", count: 2)],
    ] {
      seen.drops = wrong
      let judgement = judge(test, on: kernel, seen: seen)
      #expect(judgement.verdict == .fail)
      #expect(judgement.reason.hasPrefix("late #1 drop reason TCP_RFC7323_TW_PAWS: expected 2, saw"))
      #expect(judgement.lacksOnlyDropReasons)
    }
    // One too many was never only not heard, and a missing one excuses nothing else.
    seen.drops = [drop("TCP_RFC7323_TW_PAWS", on: "server", count: 3)]
    #expect(!judge(test, on: kernel, seen: seen).lacksOnlyDropReasons)
    seen.drops = []
    seen.countersAfter["hop"] = ["conntrack.invalid": 1]
    #expect(!judge(test, on: kernel, seen: seen).lacksOnlyDropReasons)
    seen.countersAfter["hop"] = nil
    // A kernel that was not asked, or has no such reason, proves nothing by its silence.
    seen.drops = nil
    #expect(judge(test, on: kernel, seen: seen).verdict == .pass)
  }

  @Test func aCounterThatNothingNamesMustNotMove() {
    var seen = Self.dropped()
    seen.countersAfter["hop"] = ["conntrack.invalid": 1]
    let judgement = judge(Self.test(Expectation(.dropped, by: "tw-paws")), on: .current(), seen: seen)
    #expect(judgement.reason == "hop conntrack.invalid: expected +0, saw +1")
  }

  @Test func anOlderKernelCountsElsewhere() {
    var seen = Self.dropped()
    seen.countersAfter["server"] = ["TcpExt.PAWSEstab": 2, "TcpExt.TCPACKSkippedTimeWait": 1]
    let old = Kernel.current(without: [.counter("TcpExt.PAWSTimewait")])
    #expect(judge(Self.test(Expectation(.dropped, by: "tw-paws")), on: old, seen: seen).verdict == .pass)
  }

  @Test func anOutcomeThatWasNotExpectedFailsByName() {
    let judgement = judge(Self.test(Expectation(.connected)), on: .current(), seen: Self.dropped())
    #expect(judgement.reason == "late #1: expected connected, saw dropped (ETIMEDOUT)")
  }

  @Test func aPredictionNeedsBothBranches() {
    var seen = Self.dropped()
    seen.settings["server"] = ["tcp_rfc1337": "1"]
    let judgement = judge(Self.test(Expectation(.predicted, by: "time-wait")), on: .current(), seen: seen)
    #expect(judgement.reason == "late branches: expected accepted and refused, saw refused only")
    #expect(judgement.attempts[1].expected == Expectation(.dropped, by: "time-wait"))
  }

  @Test func aSequenceNumberOtherThanPinnedFails() {
    var seen = Self.dropped()
    seen.attempts[1].isn = 6000
    let judgement = judge(Self.test(Expectation(.dropped, by: "tw-paws")), on: .current(), seen: seen)
    #expect(judgement.reason == "late ISN: expected as pinned, saw other")
  }

  @Test func aCaptureWithHolesProvesNothing() {
    var seen = Self.dropped()
    seen.captureLosses = ["server": 3]
    #expect(
      judge(Self.test(Expectation(.dropped, by: "tw-paws")), on: .current(), seen: seen).verdict == .error)
  }

  @Test func judgingASavedObservationGivesTheSame() throws {
    let test = Self.test(Expectation(.dropped, by: "tw-paws"))
    let seen = Self.dropped()
    var saved = try JSONDecoder().decode(Observation.self, from: JSONEncoder().encode(seen))
    var (writer, reader) = (Pcapng.Writer(), Pcapng.Reader())
    for packet in seen.packets { writer.add(packet) }
    saved.packets = try reader.add(writer.take())
    #expect(judge(test, on: .current(), seen: saved) == judge(test, on: .current(), seen: seen))
  }

  @Test func aSkewThatDidNotReachTheServerFails() {
    var test = Self.test(Expectation(.dropped, by: "tw-paws"))
    test.network.clients[1].clock = .offset(milliseconds: -600_000)
    var seen = Self.dropped()
    seen.clockReference = ClockReference(time: 1_000_000_000, ticks: 1_000_000, ticksPerSecond: 1000)
    seen.clockChanges = [ClockChange(client: "late", time: 0, ticks: -600_000)]
    #expect(judge(test, on: .current(), seen: seen).reason.hasPrefix("late clock: expected -600000 ticks"))
  }
}

/// Every branch of `tcp_timewait_state_process`' test of a SYN, by captured numbers.
@Suite struct PredictionTests {
  @Test(arguments: [
    (5000 as UInt32, 2_000_000 as UInt32?, true),  // newer, ahead
    (5000, 1_000_000, true),  // same tick, ahead
    (5000, 999_999, false),  // older, ahead
    (1002, 999_999, false),  // older, at rcv_nxt
    (1002, 1_000_000, false),  // same tick, at rcv_nxt
    (1002, 1_000_001, true),  // newer, at rcv_nxt
    (500, 1_000_001, true),  // newer, behind
    (5000, nil, true),  // no timestamp, ahead
    (500, nil, false),  // no timestamp, behind
    (1002, 1_000_000 &+ 0x8000_0000, false),  // half the number space away is before
  ])
  func synMeetsTimeWait(isn: UInt32, tsval: UInt32?, accepted: Bool) throws {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    let began = wire.time
    wire.wait(milliseconds: 5)
    wire.syn("late", isn: isn, tsval: tsval)
    wire.finish(1, "late", "late", isn: isn, began: began, errno: "ETIMEDOUT")
    let judgement = judge(
      JudgeTests.test(Expectation(.predicted, by: "time-wait")), on: .current(), seen: wire.observation)
    #expect((judgement.attempts[1].expected.outcome == .connected) == accepted)
  }
}

@Suite struct MutationTests {
  @Test func everyCauseHasItsMutant() {
    let drop = JudgeTests.test(Expectation(.dropped, by: "tw-paws"))
    #expect(Mutant.all(of: [drop], on: .current()).map(\.change) == ["skew", "ports"])
    let served = JudgeTests.test(Expectation(.connected))
    #expect(Mutant.all(of: [served], on: .current()).map(\.change) == ["listener"])
    var sequence = JudgeTests.test(Expectation(.delayed, by: "tw-seq"))
    sequence.axes = [AxisValue(axis: "late.isn", value: "behind")]
    var other = served
    other.axes = [AxisValue(axis: "late.isn", value: "ahead")]
    let changes = Mutant.all(of: [sequence, other], on: .current()).map(\.change)
    #expect(
      changes == ["isn", "ports", "late.isn behind->ahead", "listener", "late.isn ahead->behind"])
  }
}

/// Several servers, by whatever names.
@Suite struct ServersTests {
  private static let network: Network = {
    var network = JudgeTests.test(Expectation(.connected)).network
    guard let index = network.hosts.firstIndex(where: { $0.server != nil }) else { return network }
    var web = network.hosts[index]
    web.name = "web"
    var mail = web
    mail.name = "mail"
    mail.addresses = [.init("192.0.2.9", on: "lo")]
    web.addresses = [.init("192.0.2.8", on: "lo")]
    network.hosts.replaceSubrange(index...index, with: [web, mail])
    return network
  }()

  /// What no packet tells is asked of the server that was called, and not of one that is called `server`.
  @Test(arguments: [
    ("192.0.2.9:8000", "mail"), ("192.0.2.8:8000", "web"), ("203.0.113.1:8000", "web"),
    ("[2001:db8::1]:8000", "web"),
  ])
  func theServerIsTheOneThatWasCalled(remote: String, server: String) {
    var wire = Wire()
    wire.finish(0, "late", "late", isn: 1, began: wire.time, errno: "ETIMEDOUT")
    wire.observation.attempts[0].remote = remote
    let trace = Trace(wire.observation, in: Self.network)
    #expect(trace.flow(of: wire.observation.attempts[0]).serverNode == server)
  }

  /// The first server's setting was taken for every server's.
  @Test func eachServerHasTimestampsOfItsOwn() {
    var test = JudgeTests.test(Expectation(.connected))
    test.network = Self.network
    test.settings = ["web": ["tcp_timestamps": "1"], "mail": ["tcp_timestamps": "0"]]
    #expect(!test.timestampsAreOff(on: "web", before: 1))
    #expect(test.timestampsAreOff(on: "mail", before: 1))
    test.workload = [.set(node: "web", setting: "tcp_timestamps", value: "0")]
    #expect(!test.timestampsAreOff(on: "web", before: 0))
    #expect(test.timestampsAreOff(on: "web", before: 1))
    test.workload = [.set(node: "mail", setting: "tcp_timestamps", value: "1")]
    #expect(!test.timestampsAreOff(on: "mail", before: 1))
    #expect(!test.timestampsAreOff(on: "web", before: 1))
  }
}
