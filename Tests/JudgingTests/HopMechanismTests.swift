import Evidence
import Foundation
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// What becomes of bytes on an open connection, and of connections that the NAT's own table decides.
@Suite struct HopMechanismTests {
  private func judged(
    _ text: String, _ wire: Wire, on kernel: Kernel = .current(), _ change: (inout Case) -> Void = { _ in }
  ) throws -> Judgement { try MechanismTests.judged(text, wire, on: kernel, change) }

  // MARK: bytes on an open connection

  /// A byte of the client, as it comes to the server's link, and what comes back.
  private func sent(from source: (String, Int)?, resets: Bool, outgoingAtServer: Bool = true) -> Wire {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 1)
    wire.wait(milliseconds: 1)
    let began = wire.time
    let (own, server) = (("198.18.0.2", wire.port("late")), ("198.19.0.2", 8000))
    wire.segment(
      on: "late", outgoing: true, from: own, to: server, seq: 1001, ack: 901, flags: [.psh, .ack], ts: (2, 1),
      payload: 1)
    if let source {
      wire.segment(
        on: "server", outgoing: false, from: source, to: server, seq: 1001, ack: 901, flags: [.psh, .ack],
        ts: (2, 1),
        payload: 1)
    }
    if resets {
      if let source, outgoingAtServer {
        wire.segment(on: "server", outgoing: true, from: server, to: source, seq: 901, flags: [.rst])
      }
      wire.segment(on: "late", outgoing: false, from: server, to: own, seq: 901, flags: [.rst])
    }
    wire.wait(milliseconds: 1)
    wire.observation.attempts.append(
      Attempt(
        id: 1, step: 1, label: "after", kind: .send, client: "late", local: "198.18.0.2:\(wire.port("late"))",
        remote: "198.19.0.2:8000", isn: nil, began: began, ended: wire.time, calls: 1,
        errno: resets ? "ECONNRESET" : "ETIMEDOUT", read: false, server: "server"))
    return wire
  }

  private func judgedByte(_ text: String, _ wire: Wire, _ change: (inout Case) -> Void = { _ in }) throws
    -> Judgement
  {
    try judged("connected", wire) { test in
      test.rules[0].outcomes = ["after": Expectation(text: text) ?? Expectation(.connected)]
      change(&test)
    }
  }

  @Test func whatTheHopCallsInvalidIsSeen() throws {
    // Not rewritten: the server's listener knows no such connection, and its RST finds the client.
    var wire = sent(from: ("198.18.0.2", Wire().port("late")), resets: true)
    wire.moved("hop", ["conntrack.invalid": 2])
    wire.moved("server", ["Tcp.OutRsts": 1])
    wire.moved("late", ["Tcp.EstabResets": 1])
    #expect(try judgedByte("reset by conntrack-invalid", wire).verdict == .pass)
    #expect(try judgedByte("reset by no-socket", wire).verdict == .fail)
    // Rewritten, and reset: the server has lost it.
    var gone = sent(from: ("198.19.0.1", 40000), resets: true)
    gone.moved("server", ["Tcp.OutRsts": 1])
    gone.moved("late", ["Tcp.EstabResets": 1])
    #expect(try judgedByte("reset by no-socket", gone).verdict == .pass)
    #expect(try judgedByte("reset by conntrack-invalid", gone).verdict == .fail)
    // Dropped by the rule, as often as it was sent.
    var dropped = sent(from: nil, resets: false)
    dropped.moved("hop", ["conntrack.invalid": 1, "rule.FORWARD": 1])
    let rule: (inout Case) -> Void = { $0.network.hosts[2].rules = [.dropInvalid] }
    #expect(try judgedByte("lost by conntrack-invalid", dropped, rule).verdict == .pass)
    #expect(try judgedByte("lost by conntrack-invalid", dropped).verdict == .fail)
    #expect(try judgedByte("lost by established-paws", dropped, rule).verdict == .fail)
    dropped.observation.countersAfter["hop"]?["rule.FORWARD"] = nil
    #expect(try judgedByte("lost by conntrack-invalid", dropped, rule).verdict == .fail)
  }

  /// A listener that is looked at five minutes after a boot seems to have sent cookies (tcp_synq_no_recent_overflow), and
  /// what it then counts is one of the segments that its RSTs answer: no more, and never without one.
  @Test(arguments: [(0, true), (1, true), (2, false)])
  func aCookieThatWasNeverSentMayBeCounted(failed: Int, passes: Bool) throws {
    var wire = sent(from: ("198.18.0.2", Wire().port("late")), resets: true)
    wire.moved("hop", ["conntrack.invalid": 2])
    wire.moved("server", ["Tcp.OutRsts": 1, "TcpExt.SyncookiesFailed": failed])
    wire.moved("late", ["Tcp.EstabResets": 1])
    #expect((try judgedByte("reset by conntrack-invalid", wire).verdict == .pass) == passes)
  }

  /// The NAT itself has the address: its RST is seen only where it comes.
  @Test(arguments: [("1", 0, true), ("1", 2, false), ("0", 2, true), ("0", 0, false)])
  func aNATThatForgotAnswersForTheClient(loose: String, invalid: Int, passes: Bool) throws {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 1)
    wire.wait(milliseconds: 1)
    let began = wire.time
    let (server, hop) = (("198.19.0.2", 8000), ("198.19.0.1", 40000))
    wire.segment(
      on: "server", outgoing: true, from: server, to: hop, seq: 901, ack: 1001, flags: [.psh, .ack],
      ts: (2, 1), payload: 1)
    wire.segment(on: "server", outgoing: false, from: hop, to: server, seq: 1001, flags: [.rst])
    wire.observation.attempts.append(
      Attempt(
        id: 1, step: 1, label: "after", kind: .send, client: "late", local: "198.18.0.2:\(wire.port("late"))",
        remote: "198.19.0.2:8000", isn: nil, began: began, ended: wire.time, calls: 1, errno: "ECONNRESET",
        read: false,
        server: "server"))
    wire.moved("hop", ["Tcp.OutRsts": 1, "conntrack.invalid": invalid])
    wire.moved("server", ["Tcp.EstabResets": 1])
    let judgement = try judgedByte("reset by no-socket", wire) {
      $0.settings["hop"] = ["nf_conntrack_tcp_loose": loose]
    }
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  /// The probe of a keepalive has met the reset before a program sends: what it is told then has one cause still.
  @Test(arguments: [(true, "vanish", true), (false, "vanish", false), (true, "abort", false)])
  func aResetBeforeTheByteIsSeen(isAnswer: Bool, closed: String, passes: Bool) throws {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 1)
    wire.observation.attempts[0].closed = closed
    let (server, hop) = (("198.19.0.2", 8000), ("198.19.0.1", 40000))
    wire.wait(milliseconds: 7_200_000)
    let probe = wire.time
    if isAnswer {
      wire.segment(
        on: "server", outgoing: true, from: server, to: hop, seq: 900, ack: 1001, flags: [.ack], ts: (2, 1))
      wire.segment(on: "server", outgoing: false, from: hop, to: server, seq: 1001, flags: [.rst])
    }
    wire.wait(milliseconds: 140_000)
    let began = wire.time
    #expect(began > probe)
    wire.observation.attempts.append(
      Attempt(
        id: 1, step: 0, label: "after", kind: .send, client: "late",
        local: "198.18.0.2:\(wire.port("late"))",
        remote: "198.19.0.2:8000", isn: nil, began: began, ended: wire.time, calls: 1, errno: "ECONNRESET",
        read: false, server: "server"))
    wire.moved("hop", ["Tcp.OutRsts": 1])
    wire.moved("server", ["Tcp.EstabResets": 1])
    // What is gone without a packet is counted where it was (tcp_set_state).
    wire.moved("late", ["Tcp.EstabResets": 1])
    let judgement = try judgedByte("reset by no-socket", wire) {
      $0.workload = [.send(Send(client: "late", label: "after", from: .server))]
    }
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  /// What ended a connection later moves counters, whatever was expected of it.
  @Test(arguments: [
    (
      "abort", ["TcpExt.TCPAbortOnData": 1, "Tcp.OutRsts": 1, "Tcp.EstabResets": 1], ["Tcp.EstabResets": 1],
      true
    ),
    ("ECONNRESET", ["Tcp.EstabResets": 1], ["Tcp.OutRsts": 1], true),
    ("ECONNRESET", ["Tcp.EstabResets": 1], [:], false), ("FIN", ["Tcp.EstabResets": 1], [:], false),
    ("vanish", ["Tcp.EstabResets": 1], [:], true),
    ("vanish", ["Tcp.EstabResets": 1, "Tcp.OutRsts": 1], [:], false),
  ])
  func aConnectionThatIsResetIsExplained(
    closed: String, client: [String: Int], server: [String: Int], passes: Bool
  ) throws {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 1)
    wire.both("late", fromServer: closed != "abort", seq: closed == "abort" ? 1001 : 901, flags: [.rst])
    wire.observation.attempts[0].closed = closed
    wire.moved("late", client)
    wire.moved("server", server)
    let judgement = try judged("connected", wire)
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  // MARK: predictions with the hop

  /// One port, and conntrack kept: what the hop drops is foretold by what its range holds.
  @Test(arguments: [
    ("120", 1, nil, true), ("120", 121, nil, false), ("1", 2, nil, false), ("120", 1, 41000, false),
  ])
  func theHopsOwnClashIsPredicted(timeout: String, seconds: Int, ports: Int?, dropped: Bool) throws {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    wire.wait(milliseconds: seconds * 1000)
    let began = wire.time
    // Behind the old one, so that no kernel evicts for it.
    for _ in 0..<2 {
      wire.segment(
        on: "late", outgoing: true, from: ("198.18.0.2", wire.port("late")), to: ("198.19.0.2", 8000),
        seq: 10,
        flags: [.syn], ts: (5, 0))
    }
    wire.finish(1, "late", "late", isn: 10, began: began, errno: "ETIMEDOUT")
    wire.moved("late", MechanismTests.timedOut("late"))
    wire.moved("hop", ["conntrack.insert_failed": 2, "conntrack.drop": 2])
    let judgement = try judged("predicted by time-wait", wire) { test in
      test.settings["hop"] = ["nf_conntrack_tcp_timeout_time_wait": timeout]
      if let ports { test.network.hosts[2].nat?.ports = 40000...ports }
    }
    #expect((judgement.attempts[1].expected == Expectation(.dropped, by: "hop")) == dropped)
    #expect(judgement.attempts[1].holds == dropped)
  }

  @Test func aSYNThatHasAdvancedEvicts() throws {
    func expected(isn: UInt32, _ kernel: Kernel) throws -> Expectation {
      var wire = Wire()
      _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
      wire.wait(milliseconds: 5)
      let began = wire.time
      wire.segment(
        on: "late", outgoing: true, from: ("198.18.0.2", wire.port("late")), to: ("198.19.0.2", 8000),
        seq: isn,
        flags: [.syn], ts: (5, 0))
      wire.finish(1, "late", "late", isn: isn, began: began, errno: "ETIMEDOUT")
      return try judged("predicted by time-wait", wire, on: kernel).attempts[1].expected
    }
    let old = Kernel.current(without: [.feature(.natEvictsClosing)])
    #expect(try expected(isn: 5000, .current()) == Expectation(.connected))
    #expect(try expected(isn: 5000, old) == Expectation(.dropped, by: "hop"))
    #expect(try expected(isn: 500, .current()) == Expectation(.dropped, by: "hop"))
  }
}
