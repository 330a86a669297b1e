import Evidence
import Foundation
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// Another cause with the same symptom: each of these once passed, or could never pass.
@Suite struct HoleTests {
  private func judged(_ expected: Expectation, _ wire: Wire, _ change: (inout Case) -> Void = { _ in })
    -> Judgement
  {
    var test = JudgeTests.test(expected)
    change(&test)
    return judge(test, on: .current(), seen: wire.observation)
  }

  // MARK: F1

  /// No TIME_WAIT at all is none that was recycled.
  @Test func whatWasNeverThereWasNotRecycled() {
    var test = JudgeTests.test(Expectation(.connected))
    test.rules[0].timeWait = .recycled
    test.settings["server"] = ["tcp_tw_recycle": "1"]
    test.workload = [.connect(.init(client: "late", label: "late", closes: .server, times: 1, again: 0))]
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "late", isn: 1000, tsval: 1)
    wire.observation.attempts[0].server = "server"
    wire.observation.sockets = [
      SocketCensus(step: 0, node: "late", states: ["TIME-WAIT": 1], timeWait: [60_000])
    ]
    let never = judge(test, on: .current(), seen: wire.observation)
    #expect(never.reason == "servers' TIME_WAIT: expected under 2 s left, saw none")
    var killed = wire
    killed.moved("server", ["TcpExt.TWKilled": 1])
    #expect(judge(test, on: .current(), seen: killed.observation).verdict == .pass)
    var remembered = wire
    remembered.observation.stamps = [
      StampCensus(
        step: 0, node: "server", stamps: [.init(remote: "198.19.0.1", local: nil, tsval: 1, age: 0)])
    ]
    #expect(judge(test, on: .current(), seen: remembered.observation).verdict == .pass)
    var earlier = wire
    earlier.observation.sockets.insert(
      SocketCensus(step: -1, node: "server", states: ["TIME-WAIT": 1], timeWait: [700]), at: 0)
    #expect(judge(test, on: .current(), seen: earlier.observation).verdict == .pass)
    // Without the setting nothing explains so short a timer.
    test.settings = [:]
    #expect(
      judge(test, on: .current(), seen: killed.observation).reason
        == "server TcpExt.TWKilled: expected +0, saw +1")
  }

  // MARK: F2 and F3

  /// On 5.10 and 6.1 an ESTABLISHED socket answers an older SYN with the same packets and counters as TIME_WAIT does.
  @Test func anEstablishedSocketIsNoTimeWait() {
    var wire = Wire()
    wire.opened(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    wire.challenged(isn: 5000, tsval: 100, seq: 901, ack: 1001)
    wire.moved("server", ["TcpExt.PAWSEstab": 1])
    wire.moved("late", ["Tcp.OutRsts": 1])
    var test = JudgeTests.test(Expectation(.delayed, by: "tw-paws"))
    test.rules[0].because = "no"
    let judgement = judge(
      test, on: .current(without: [.counter("TcpExt.PAWSTimewait")]), seen: wire.observation)
    #expect(
      judgement.reason == "late #1 refused SYNs that TIME_WAIT refuses, by timestamp: expected 1, saw 0")
  }

  /// The same packets behind a connection that the server closed first.
  private func met(timeWait state: String?) -> Wire {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    wire.challenged(isn: 5000, tsval: 100, seq: 902, ack: 1002)
    wire.moved("server", ["TcpExt.PAWSTimewait": 1])
    wire.moved("late", ["Tcp.OutRsts": 1])
    guard let state else { return wire }
    wire.observation.sockets = [
      SocketCensus(
        step: 0, node: "server", states: [state: 1],
        entries: [
          SocketEntry(state: state, local: "198.19.0.2:8000", peer: "198.19.0.1:40000", timeWait: 60_000)
        ])
    ]
    return wire
  }

  @Test func theSocketThatAnsweredIsInTheCensusBefore() {
    let expected = Expectation(.delayed, by: "tw-paws")
    #expect(judged(expected, met(timeWait: nil)).verdict == .pass)
    #expect(judged(expected, met(timeWait: "TIME-WAIT")).verdict == .pass)
    let other = judged(expected, met(timeWait: "FIN-WAIT-2"))
    #expect(
      other.reason == "late #1 socket before: expected TIME-WAIT on its addresses and ports, saw FIN-WAIT-2")
    var wire = met(timeWait: "TIME-WAIT")
    wire.observation.sockets[0].entries = []
    #expect(judged(expected, wire).reason.hasSuffix("saw none"))
  }

  /// In FIN_WAIT2's substate a SYN that is older by timestamp moves no PAWS counter either.
  @Test func whatFinWait2RefusesIsNotRefusedBySequence() {
    var wire = Wire()
    let began = wire.time
    wire.opened(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    wire.both("early", fromServer: true, seq: 901, ack: 1001, flags: [.fin, .ack], ts: (7, 1_000_000))
    wire.both("early", fromServer: false, seq: 1001, ack: 902, flags: [.ack], ts: (1_000_000, 7))
    wire.challenged(isn: 5000, tsval: 100, seq: 902, ack: 1001)
    wire.moved("late", ["Tcp.OutRsts": 1])
    #expect(wire.time > began)
    let judgement = judged(Expectation(.delayed, by: "tw-seq"), wire)
    #expect(
      judgement.reason == "late #1 refused SYNs that TIME_WAIT refuses, by sequence number: expected 1, saw 0"
    )
  }

  // MARK: F4

  /// A SYN that a director kept, of a client whose earlier connection went to a server.
  private func kept(_ change: (inout Wire) -> Void = { _ in }) -> (Case, Observation) {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1)
    wire.observation.attempts[0].server = "server"
    let began = wire.time
    let port = wire.port("early")
    for _ in 0..<2 {
      wire.segment(
        on: "early", outgoing: true, from: ("198.18.0.2", port), to: ("198.19.0.2", 8000), seq: 9000,
        flags: [.syn],
        ts: (5, 0))
      wire.wait(milliseconds: 1000)
    }
    wire.finish(1, "early", "late", isn: 9000, began: began, errno: "ETIMEDOUT")
    wire.observation.attempts[1].step = 2
    wire.moved("early", ["TcpExt.TCPAbortOnTimeout": 1, "Tcp.AttemptFails": 1])
    change(&wire)
    var test = JudgeTests.test(Expectation(.dropped, by: "ipvs"))
    test.network = Network(topology: .ipvsNAT, family: .ipv4, clients: test.network.clients)
    test.workload = [.advance(seconds: 1), .remove(server: "server"), .advance(seconds: 1)]
    return (test, wire.observation)
  }

  @Test func ipvsIsNamedByItsEntryAndItsReason() {
    var (test, seen) = kept()
    #expect(judge(test, on: .current(), seen: seen).verdict == .pass)
    // A lost route, or drop_entry: nothing was removed.
    test.workload = []
    #expect(
      judge(test, on: .current(), seen: seen).reason
        == "late #1 server of the connection before: expected one that was removed, saw server")
    (test, seen) = kept { $0.observation.attempts[0].server = nil }
    #expect(
      judge(test, on: .current(), seen: seen).reason.hasSuffix("expected one that was removed, saw none"))
    // Where the kernel tells, it says NETFILTER_DROP at the director.
    var kernel = Kernel.current()
    kernel.layout = ["reason NETFILTER_DROP": 42]
    for (reason, node, passes) in [
      ("NETFILTER_DROP", "hop", true), ("IP_NOPROTO", "hop", false), ("NETFILTER_DROP", "server", false),
    ] {
      (test, seen) = kept {
        $0.observation.drops = [
          KernelDrop(
            node: node, reason: reason, source: "", sourcePort: 1, destination: "", destinationPort: 1,
            sequence: 9000, count: 2)
        ]
      }
      #expect((judge(test, on: kernel, seen: seen).verdict == .pass) == passes)
    }
  }

  @Test(arguments: [("198.19.0.2:8000", true), ("198.19.1.2:8000", false)])
  func theDirectorsEntryNamesTheServer(server: String, passes: Bool) {
    let (test, seen) = kept { wire in
      wire.observation.ipvs = [
        IPVSCensus(
          step: 0, node: "hop",
          entries: [
            IPVSEntry(
              state: "TIME_WAIT", client: "198.18.0.2:\(wire.port("early"))", virtual: "198.19.0.2:8000",
              server: server, seconds: 100)
          ])
      ]
    }
    #expect((judge(test, on: .current(), seen: seen).verdict == .pass) == passes)
  }

  // MARK: F5

  private func churned(_ tsvals: [UInt32], refusing: Set<Int>, earlierBy seconds: Int = 0) -> Wire {
    var wire = Wire()
    for (id, tsval) in tsvals.enumerated() {
      let client = id.isMultiple(of: 2) ? "early" : "late"
      let isn = UInt32(10_000 * (id + 1))
      // Longer than a recycled TIME_WAIT lasts, which asks for no stamp.
      wire.wait(milliseconds: 1000 + 1000 * seconds)
      guard refusing.contains(id) else {
        _ = wire.served(attempt: id, client: client, isn: isn, tsval: tsval, label: "all")
        continue
      }
      let began = wire.time
      wire.syn(client, isn: isn, tsval: tsval)
      wire.finish(id, client, "all", isn: isn, began: began, errno: "ETIMEDOUT")
      wire.moved(client, ["TcpExt.TCPAbortOnTimeout": 1, "Tcp.AttemptFails": 1])
      wire.moved("server", ["TcpExt.PAWSPassive": 1, "TcpExt.ListenDrops": 1])
    }
    for index in wire.observation.attempts.indices {
      wire.observation.attempts[index].step = 0
      wire.observation.attempts[index].server = refusing.contains(index) ? nil : "server"
    }
    return wire
  }

  private func churn(_ expected: Expectation, _ wire: Wire, on: String = "1", flush: Step.Table? = nil)
    -> Judgement
  {
    var test = JudgeTests.test(Expectation(.connected))
    test.rules[0].outcomes = ["all": expected]
    test.settings["server"] = ["tcp_tw_recycle": on]
    test.workload = [
      .churn(
        .init(
          clients: ["early", "late"], label: "all", connections: 2, rate: nil, closes: .server, flush: flush))
    ]
    return judge(test, on: .current(), seen: wire.observation)
  }

  /// What the server remembers may be of the same step: a churn's own refusals.
  @Test func aChurnsOwnStampsArePredicted() {
    let expected = Expectation(.predicted, by: "recycle")
    let wire = churned([5_000, 1_000, 6_000, 2_000], refusing: [1, 3])
    #expect(churn(expected, wire).verdict == .pass, "\(churn(expected, wire).reason)")
    #expect(churn(expected, wire).attempts.map(\.outcome) == [.connected, .dropped, .connected, .dropped])
    // Nothing is refused that is not older, nor by a server that remembers nothing.
    #expect(churn(expected, churned([5_000, 5_001, 6_000, 2_000], refusing: [1, 3])).verdict == .fail)
    #expect(churn(expected, wire, on: "0").verdict == .fail)
    #expect(churn(expected, wire, flush: .tcpMetrics).verdict == .fail)
    #expect(churn(expected, churned([5_000, 1_000, 6_000, 2_000], refusing: [1])).verdict == .fail)
    // After a minute nobody remembers.
    #expect(
      churn(expected, churned([5_000, 1_000, 6_000, 2_000], refusing: [1, 3], earlierBy: 61)).verdict == .fail
    )
    // One branch alone proves no prediction.
    #expect(churn(expected, churned([1_000, 5_000], refusing: [])).reason.contains("accepted only"))
  }

  @Test func aStampThatTheServerWasAskedForAndDidNotHaveIsNone() {
    var wire = churned([5_000, 1_000], refusing: [1])
    wire.observation.attempts[1].step = 1
    wire.observation.attempts[1].label = "late"
    wire.observation.stamps = [StampCensus(step: 0, node: "server", stamps: [])]
    var test = JudgeTests.test(Expectation(.dropped, by: "recycle"))
    test.settings["server"] = ["tcp_tw_recycle": "1"]
    let judgement = judge(test, on: .current(), seen: wire.observation)
    #expect(
      judgement.reason == "late #1 cached stamp: expected newer than the SYN's, younger than 60 s, saw none")
  }

  // MARK: F6

  /// An open connection, then segments of the client on it.
  private func stale(_ segments: [(tsval: UInt32, payload: Int)], counted: Int, acks: Int) -> Judgement {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 1_000_000)
    wire.wait(milliseconds: 1)
    let began = wire.time
    // Behind the NAT's port.
    let client = ("198.19.0.1", 40000), server = ("198.19.0.2", 8000)
    for (tsval, payload) in segments {
      wire.segment(
        on: "server", outgoing: false, from: client, to: server, seq: 1001, ack: 901,
        flags: payload > 0 ? [.psh, .ack] : [.ack], ts: (tsval, 7), payload: payload)
    }
    for _ in 0..<acks {
      wire.segment(
        on: "server", outgoing: true, from: server, to: client, seq: 901, ack: 1001, flags: [.ack],
        ts: (8, 1_000_000))
    }
    wire.observation.attempts.append(
      Attempt(
        id: 1, step: 1, label: "after", kind: .send, client: "late", local: "198.18.0.2:\(wire.port("late"))",
        remote: "198.19.0.2:8000", isn: nil, began: began, ended: wire.time, calls: 1, errno: "ETIMEDOUT",
        read: false,
        server: "server"))
    wire.moved("server", ["TcpExt.PAWSEstab": counted])
    var test = JudgeTests.test(Expectation(.connected))
    test.rules[0].outcomes = ["after": Expectation(.lost, by: "established-paws")]
    return judge(test, on: .current(), seen: wire.observation)
  }

  @Test func theReplayWindowIsNotRefused() {
    // Ten minutes back: each counts.
    #expect(stale([(400_000, 1), (400_200, 1)], counted: 2, acks: 2).verdict == .pass)
    #expect(stale([(400_000, 1), (400_200, 1)], counted: 1, acks: 2).verdict == .fail)
    // One tick is TCP_PAWS_WINDOW; a duplicate ACK 100 ms back is a replay.
    #expect(stale([(400_000, 1), (999_999, 1)], counted: 1, acks: 1).verdict == .pass)
    let replayed = stale([(400_000, 1), (999_900, 0)], counted: 1, acks: 1)
    #expect(replayed.verdict == .pass, "\(replayed.reason)")
    #expect(stale([(400_000, 1), (999_900, 1)], counted: 2, acks: 2).verdict == .pass)
    // By the RTO, which nobody tells, one 10 s back is one or the other.
    for counted in [1, 2] {
      #expect(stale([(400_000, 1), (990_000, 0)], counted: counted, acks: 1).verdict == .pass)
    }
    #expect(stale([(400_000, 1), (990_000, 0)], counted: 3, acks: 1).verdict == .fail)
    #expect(stale([(999_999, 1)], counted: 0, acks: 0).verdict == .fail)
  }

  // MARK: F7

  @Test(arguments: [
    "Tcp.OutRsts", "Tcp.AttemptFails", "Tcp.EstabResets", "Icmp.InDestUnreachs", "Icmp.OutDestUnreachs",
    "IpExt.InNoRoutes", "TcpExt.TWKilled", "TcpExt.TCPAbortOnClose", "TcpExt.TCPMigrateReqFailure",
  ])
  func theseMustStandStillToo(counter: String) {
    var seen = JudgeTests.dropped()
    seen.countersAfter["hop"] = [counter: 1]
    let judgement = judge(JudgeTests.test(Expectation(.dropped, by: "tw-paws")), on: .current(), seen: seen)
    #expect(judgement.reason == "hop \(counter): expected +0, saw +1")
  }
}
