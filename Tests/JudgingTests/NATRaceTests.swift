import Evidence
import Foundation
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// Who is confirmed second with one tuple is dropped, has a port left, and was not alone.
@Suite struct NATRaceTests {
  private static let server = ("198.19.0.2", 8000)

  private func judged(
    _ text: String, _ wire: Wire, on kernel: Kernel = .current(), held: Bool = true,
    ports: ClosedRange<Int> = 40000...40003, random: Hop.Randomness = .fully,
    _ change: (inout Case) -> Void = { _ in }
  ) throws -> Judgement {
    try MechanismTests.judged(text, wire, on: kernel) { test in
      test.network.hosts[2].nat?.ports = ports
      test.network.hosts[2].nat?.random = random
      test.workload = [
        Step(
          Burst(
            clients: ["early", "late"], label: "late", closes: .nobody, connections: 1,
            held: held ? "hop" : nil))
      ]
      change(&test)
    }
  }

  /// early's SYN comes through, and late's, sent in the same step, does a second later.
  private func raced(
    lost: Int = 1, counted: Int = 1, source: Int = 40001, winner: Int = 40000, sameStep: Bool = true,
    answered: Bool = true
  ) -> Wire {
    var wire = Wire()
    let began = wire.time
    let (early, late) = (("198.18.0.2", wire.port("early")), ("198.18.0.2", wire.port("late")))
    wire.segment(
      on: "early", outgoing: true, from: early, to: Self.server, seq: 1000, flags: [.syn], ts: (1, 0))
    for _ in 0..<lost {
      wire.segment(
        on: "late", outgoing: true, from: late, to: Self.server, seq: 9000, flags: [.syn], ts: (1, 0))
      if !answered || lost > 1 { wire.wait(milliseconds: 1000) }
    }
    connected(&wire, "early", 1000, by: winner)
    wire.finish(0, "early", "late", isn: 1000, began: began, errno: nil)
    if answered {
      wire.wait(milliseconds: 1000)
      wire.segment(
        on: "late", outgoing: true, from: late, to: Self.server, seq: 9000, flags: [.syn], ts: (1, 0))
      connected(&wire, "late", 9000, by: source)
    } else {
      wire.moved("late", MechanismTests.timedOut("late"))
    }
    wire.finish(1, "late", "late", isn: 9000, began: began, errno: answered ? nil : "ETIMEDOUT")
    if sameStep { wire.observation.attempts[1].step = 0 }
    for index in wire.observation.attempts.indices { wire.observation.attempts[index].server = "server" }
    wire.moved("hop", ["conntrack.insert_failed": counted, "conntrack.drop": counted])
    return wire
  }

  /// What follows a SYN that has come through.
  private func connected(_ wire: inout Wire, _ client: String, _ isn: UInt32, by port: Int) {
    let (own, outside) = (("198.18.0.2", wire.port(client)), ("198.19.0.1", port))
    wire.segment(
      on: "server", outgoing: false, from: outside, to: Self.server, seq: isn, flags: [.syn], ts: (1, 0))
    for (node, peer) in [("server", outside), (client, own)] {
      wire.segment(
        on: node, outgoing: node == "server", from: Self.server, to: peer, seq: 900, ack: isn + 1,
        flags: [.syn, .ack], ts: (7, 1))
    }
    for (node, source) in [(client, own), ("server", outside)] {
      wire.segment(
        on: node, outgoing: node == client, from: source, to: Self.server, seq: isn + 1, ack: 901,
        flags: [.ack], ts: (1, 7))
    }
  }

  @Test func whoIsConfirmedSecondIsDropped() throws {
    let judgement = try judged("predicted by nat-race", raced())
    #expect(judgement.verdict == .pass, "\(judgement.reason)")
    #expect(
      judgement.attempts.map(\.expected) == [
        Expectation(.connected), Expectation(.delayed, by: "nat-race"),
      ])
    // A route that is lost counts nothing, and one too many is of another cause.
    for counted in [0, 2] {
      #expect(try judged("predicted by nat-race", raced(counted: counted)).verdict == .fail)
    }
    #expect(try judged("predicted by nat-race", raced(lost: 2, counted: 2)).verdict == .pass)
    #expect(try judged("predicted by nat-race", raced(lost: 2, counted: 1)).verdict == .fail)
  }

  /// The next SYN may meet somebody too, and so on until none is left.
  @Test func whoMeetsSomebodyEachTimeIsDropped() throws {
    let judgement = try judged("predicted by nat-race", raced(lost: 2, counted: 2, answered: false))
    #expect(judgement.verdict == .pass, "\(judgement.reason)")
    #expect(judgement.attempts[1].expected == Expectation(.dropped, by: "nat-race"))
    #expect(
      try judged("predicted by nat-race", raced(lost: 2, counted: 1, answered: false)).verdict == .fail)
  }

  /// Nobody else was there at once: what is dropped alone has lost no race.
  @Test func whoIsAloneLosesNoRace() throws {
    #expect(
      try judged("predicted by nat-race", raced(sameStep: false)).reason
        == "late #1 connections of its step that came through meanwhile: expected at least 1, saw 0")
  }

  /// Where the NAT keeps ports, the other has the port that this one came with.
  @Test(arguments: [(true, true), (false, false)]) func aPortThatIsKeptIsTheSame(same: Bool, passes: Bool)
    throws
  {
    let own = Wire().port("late")
    let wire = raced(source: 50001, winner: same ? own : 50002)
    let kept = try judged("predicted by nat-race", wire, ports: 50000...59999, random: .none)
    #expect((kept.verdict == .pass) == passes, "\(kept.reason)")
    // One that it may not keep is drawn, and where nothing is held it may have drawn one, or have a mapping.
    #expect(
      try judged("predicted by nat-race", wire, held: false, ports: 50000...59999, random: .none).verdict
        == .pass)
    #expect(try judged("predicted by nat-race", wire, random: .none).verdict == .pass)
    #expect(try judged("predicted by nat-race", wire, ports: 50000...59999).verdict == .pass)
  }

  /// The same counters where no port was left: the NAT's range is used up, and that is another mechanism's.
  @Test func whereNoPortIsLeftThereIsNoRace() throws {
    var wire = Wire()
    wire.opened(attempt: 0, client: "early", isn: 1000, tsval: 1)
    wire.wait(milliseconds: 1)
    let began = wire.time
    for _ in 0..<2 {
      wire.segment(
        on: "late", outgoing: true, from: ("198.18.0.2", wire.port("late")), to: Self.server, seq: 9000,
        flags: [.syn], ts: (5, 0))
      wire.wait(milliseconds: 1000)
    }
    wire.finish(1, "late", "late", isn: 9000, began: began, errno: "ETIMEDOUT")
    wire.observation.attempts[1].step = 0
    wire.moved("late", MechanismTests.timedOut("late"))
    wire.moved("hop", ["conntrack.insert_failed": 2, "conntrack.drop": 2])
    let used = try judged("predicted by nat-race", wire, held: false, ports: 40000...40000)
    #expect(used.verdict == .pass, "\(used.reason)")
    #expect(used.attempts[1].expected == Expectation(.dropped, by: "hop"))
    let left = try judged("predicted by nat-race", wire, held: false)
    #expect(left.attempts[1].expected == Expectation(.dropped, by: "nat-race"))
    #expect(left.verdict == .fail)
  }

  /// In every repeat as many reasons as SYNs that are lost; what a program has held is dropped without one.
  @Test(arguments: [
    ("NETFILTER_DROP", 1, true, true), ("NETFILTER_DROP", 1, false, true), ("NOT_SPECIFIED", 1, true, true),
    ("NOT_SPECIFIED", 1, false, false), ("NETFILTER_DROP", 0, true, false),
    ("NETFILTER_DROP", 2, true, false),
    ("IP_NOPROTO", 1, true, false),
  ])
  func theKernelSaysWhy(reason: String, count: Int, held: Bool, passes: Bool) throws {
    var kernel = Kernel.current()
    kernel.layout = ["reason NETFILTER_DROP": 42, "reason NOT_SPECIFIED": 2]
    var wire = raced()
    wire.observation.drops = [
      KernelDrop(
        node: "hop", reason: reason, source: "", sourcePort: 1, destination: "", destinationPort: 1,
        sequence: 9000, count: count)
    ]
    let judgement = try judged("predicted by nat-race", wire, on: kernel, held: held)
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  /// What is held meets always; what is not need not.
  @Test func aBurstThatIsHeldHasBothBranches() throws {
    var wire = Wire()
    wire.opened(attempt: 0, client: "early", isn: 1000, tsval: 1)
    wire.observation.attempts[0].label = "late"
    #expect(
      try judged("predicted by nat-race", wire).reason.hasSuffix(
        "expected accepted and refused, saw accepted only"))
    #expect(try judged("predicted by nat-race", wire, held: false).verdict == .pass)
    // A mutant that has its connections one after the other.
    #expect(try judged("predicted by nat-race", wire) { $0.workload = $0.workload[0].apart }.verdict == .fail)
  }

  @Test func theCauseIsThatTheyMeet() throws {
    func changes(held: Bool) -> [String] {
      var test = JudgeTests.test(Expectation(.predicted, by: "nat-race"))
      test.workload = [
        Step(
          Burst(
            clients: ["early", "late"], label: "late", closes: .nobody, connections: 2,
            held: held ? "hop" : nil))
      ]
      return Mutant.all(of: [test], on: .current()).map {
        "\($0.change): \($0.test.workload.map(\.verb).joined(separator: " "))"
      }
    }
    #expect(changes(held: true) == ["ports: burst", "apart: connect connect"])
    #expect(changes(held: false) == ["listener: burst"])
  }
}
