import Evidence
import Foundation
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// Each mechanism passes by its own witnesses, and not where another cause did the same.
@Suite struct MechanismTests {
  static func judged(
    _ text: String, _ wire: Wire, on kernel: Kernel = .current(), _ change: (inout Case) -> Void = { _ in }
  ) throws -> Judgement {
    var test = JudgeTests.test(try #require(Expectation(text: text), "\(text)"))
    change(&test)
    return judge(test, on: kernel, seen: wire.observation)
  }

  private func judged(
    _ text: String, _ wire: Wire, on kernel: Kernel = .current(), _ change: (inout Case) -> Void = { _ in }
  ) throws -> Judgement { try Self.judged(text, wire, on: kernel, change) }

  static func timedOut(_ client: String) -> [String: Int] {
    ["TcpExt.TCPAbortOnTimeout": 1, "Tcp.AttemptFails": 1]
  }

  // MARK: challenge-ack

  private func challenged(tsval: UInt32 = 2_000_000, closes: Bool = false) -> Wire {
    var wire = Wire()
    wire.opened(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    if closes {
      wire.both("early", fromServer: true, seq: 901, ack: 1001, flags: [.fin, .ack], ts: (7, 1_000_000))
    }
    wire.challenged(isn: 5000, tsval: tsval, seq: 901, ack: 1001)
    wire.moved(
      "server",
      [
        "TcpExt.TCPSYNChallenge": 1, "TcpExt.TCPChallengeACK": 1, "Tcp.EstabResets": 1, "Tcp.InErrs": 1,
      ])
    wire.moved("late", ["Tcp.OutRsts": 1])
    return wire
  }

  @Test func aSYNForAnOpenConnectionIsChallenged() throws {
    #expect(try judged("delayed by challenge-ack", challenged()).verdict == .pass)
    #expect(try judged("delayed by challenge-ack", challenged(tsval: 100)).verdict == .pass)
    // Only its writing half was closed: FIN_WAIT2, and no TIME_WAIT of that substate, which counts nothing.
    let half = halfClosed {
      $0.challenged(isn: 5000, tsval: 100, seq: 902, ack: 1001)
      $0.moved("late", ["Tcp.OutRsts": 1])
      $0.moved("server", ["TcpExt.TCPSYNChallenge": 1, "TcpExt.TCPChallengeACK": 1])
    }
    #expect(try judged("delayed by challenge-ack", half).verdict == .pass)
    #expect(try judged("delayed by fin-wait-2", half).verdict == .fail)
    // TIME_WAIT answers with the same packets: the server had closed it.
    #expect(
      try judged("delayed by challenge-ack", challenged(closes: true)).reason
        == "late #1 connection before on its addresses and ports: expected open at the server, saw closed")
    #expect(try judged("delayed by tw-paws", challenged(tsval: 100)).verdict == .fail)
    var silent = challenged()
    silent.observation.countersAfter["server"]?["TcpExt.TCPSYNChallenge"] = nil
    #expect(try judged("delayed by challenge-ack", silent).verdict == .fail)
    // Until 6.11 PAWS comes first, also for a SYN.
    var old = challenged(tsval: 100)
    old.observation.countersAfter["server"] = ["TcpExt.PAWSEstab": 1, "Tcp.EstabResets": 1]
    let kernel = Kernel.current(without: [.counter("TcpExt.PAWSTimewait")])
    #expect(try judged("delayed by challenge-ack", old, on: kernel).verdict == .pass)
    #expect(try judged("delayed by challenge-ack", old).verdict == .fail)
    #expect(try judged("delayed by tw-paws", old, on: kernel).verdict == .fail)
  }

  // MARK: fin-wait-2

  private func halfClosed(_ body: (inout Wire) -> Void) -> Wire {
    var wire = Wire()
    wire.opened(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    wire.both("early", fromServer: true, seq: 901, ack: 1001, flags: [.fin, .ack], ts: (7, 1_000_000))
    wire.both("early", fromServer: false, seq: 1001, ack: 902, flags: [.ack], ts: (1_000_000, 7))
    wire.wait(milliseconds: 1)
    body(&wire)
    return wire
  }

  @Test func aSYNForAHalfClosedConnectionIsRefusedOrReset() throws {
    let older = halfClosed {
      $0.challenged(isn: 5000, tsval: 100, seq: 902, ack: 1001)
      $0.moved("late", ["Tcp.OutRsts": 1])
    }
    #expect(try judged("delayed by fin-wait-2", older).verdict == .pass)
    #expect(try judged("delayed by challenge-ack", older).verdict == .fail)
    #expect(try judged("delayed by tw-seq", older).verdict == .fail)
    func reset(isn: UInt32, tsval: UInt32) -> Wire {
      halfClosed { wire in
        let began = wire.time
        wire.syn("late", isn: isn, tsval: tsval)
        wire.both("late", fromServer: true, seq: 0, ack: isn + 1, flags: [.rst, .ack])
        wire.finish(1, "late", "late", isn: isn, began: began, errno: "ECONNREFUSED")
        wire.moved("late", ["Tcp.AttemptFails": 1])
        wire.moved("server", ["Tcp.OutRsts": 1])
      }
    }
    #expect(try judged("refused by fin-wait-2", reset(isn: 5000, tsval: 2_000_000)).verdict == .pass)
    // What it would not have reset, a closed port has.
    #expect(
      try judged("refused by fin-wait-2", reset(isn: 5, tsval: 2_000_000)).reason.hasSuffix("saw before it"))
    #expect(
      try judged("refused by fin-wait-2", reset(isn: 5000, tsval: 2)).reason.hasSuffix(
        "saw older by timestamp"))
    var closed = Wire()
    _ = closed.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    #expect(try judged("refused by fin-wait-2", closed).verdict == .fail)
  }

  // MARK: at the hop

  /// late's first SYN gets no further than the hop.
  private func lost(_ counters: [String: Int], later: Bool) -> Wire {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1)
    wire.wait(milliseconds: 1)
    let began = wire.time
    func syn(_ wire: inout Wire) {
      wire.segment(
        on: "late", outgoing: true, from: ("198.18.0.2", wire.port("late")), to: ("198.19.0.2", 8000),
        seq: 9000,
        flags: [.syn], ts: (5, 0))
      wire.wait(milliseconds: 1000)
    }
    syn(&wire)
    if later {
      wire.syn("late", isn: 9000, tsval: 6)
      wire.both("late", fromServer: true, seq: 5000, ack: 9001, flags: [.syn, .ack], ts: (9, 6))
      wire.both("late", fromServer: false, seq: 9001, ack: 5001, flags: [.ack], ts: (6, 9))
    } else {
      syn(&wire)
      wire.moved("late", Self.timedOut("late"))
    }
    wire.finish(1, "late", "late", isn: 9000, began: began, errno: later ? nil : "ETIMEDOUT")
    wire.moved("hop", counters)
    return wire
  }

  @Test(arguments: [
    ("delayed by hop", ["conntrack.insert_failed": 1, "conntrack.drop": 1], true),
    ("dropped by hop", ["conntrack.insert_failed": 2, "conntrack.drop": 2], false),
    ("delayed by conntrack-full", ["conntrack.drop": 1], true),
    ("dropped by conntrack-full", ["conntrack.drop": 2], false),
  ])
  func theHopSaysWhyItDrops(text: String, counters: [String: Int], later: Bool) throws {
    let judgement = try judged(text, lost(counters, later: later))
    #expect(judgement.verdict == .pass, "\(judgement.reason)")
    let others = [
      "delayed by hop", "dropped by hop", "delayed by conntrack-full", "dropped by conntrack-full",
    ]
    for other in others where other != text {
      #expect(try judged(other, lost(counters, later: later)).verdict == .fail, "\(other)")
    }
    // A route that is lost counts nothing.
    let silent = lost([:], later: later)
    #expect(try judged(text, silent).verdict == .fail)
    #expect(try judged(text, silent).fits == nil)
    #expect(try judged("connected", lost(counters, later: later)).fits == ["late: \(text)"])
  }

  /// The same counters under a limit that the connections before cannot have reached are of another cause.
  @Test(arguments: [("1", true), ("2", true), ("0", false), ("65536", false)])
  func aTableIsFullWhereItMayHaveSoFew(limit: String, passes: Bool) throws {
    let wire = lost(["conntrack.drop": 2], later: false)
    let judgement = try judged("dropped by conntrack-full", wire) {
      $0.settings = ["hop": ["nf_conntrack_max": limit]]
    }
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
    var read = wire
    read.observation.settings = ["hop": ["nf_conntrack_max": limit]]
    #expect((try judged("dropped by conntrack-full", read).verdict == .pass) == passes)
  }

  @Test(arguments: [(0, 0, false), (0, 1, true), (1, 1, false)])
  func aTableThatWasReadHasAsManyEntries(step: Int, entries: Int, passes: Bool) throws {
    var wire = lost(["conntrack.drop": 2], later: false)
    let end = ConntrackEntry.Direction(source: "a", destination: "b", sourcePort: 1, destinationPort: 2)
    let entry = ConntrackEntry(
      state: "ESTABLISHED", original: end, reply: end, assured: true, unreplied: false, seconds: 1)
    wire.observation.conntrack = [
      ConntrackCensus(step: 0, node: "hop", entries: []),
      ConntrackCensus(step: step, node: "hop", entries: Array(repeating: entry, count: entries)),
    ]
    let judgement = try judged("dropped by conntrack-full", wire) {
      $0.settings = ["hop": ["nf_conntrack_max": "1"]]
    }
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  // MARK: listener

  private func unanswered(_ counters: [String: Int], answered: Bool = false) -> Wire {
    var wire = Wire()
    let began = wire.time
    wire.syn("late", isn: 5000, tsval: 1)
    if answered { wire.both("late", fromServer: true, seq: 0, ack: 5001, flags: [.ack]) }
    wire.wait(milliseconds: 1000)
    wire.syn("late", isn: 5000, tsval: 1001)
    wire.finish(0, "late", "late", isn: 5000, began: began, errno: "ETIMEDOUT")
    wire.moved("late", Self.timedOut("late"))
    wire.moved("server", counters)
    return wire
  }

  @Test(arguments: [
    ("dropped by listen-overflow", ["TcpExt.ListenOverflows": 2, "TcpExt.ListenDrops": 2]),
    ("dropped by syn-queue", ["TcpExt.TCPReqQFullDrop": 2, "TcpExt.ListenDrops": 2]),
  ])
  func theListenerSaysWhyItDrops(text: String, counters: [String: Int]) throws {
    #expect(try judged(text, unanswered(counters)).verdict == .pass)
    #expect(try judged("connected", unanswered(counters)).fits == ["late: \(text)"])
    #expect(try judged(text, unanswered(counters, answered: true)).verdict == .fail)
    #expect(try judged(text, unanswered(counters.mapValues { $0 - 1 })).verdict == .fail)
    // The recycle rule's own symptom: ListenDrops alone.
    #expect(try judged(text, unanswered(["TcpExt.ListenDrops": 2])).verdict == .fail)
    #expect(
      try judged(text, unanswered(["TcpExt.PAWSPassive": 2, "TcpExt.ListenDrops": 2])).verdict == .fail)
  }

  @Test(arguments: [("1", true), ("0", false)]) func anOverflowMayAbort(value: String, passes: Bool) throws {
    var wire = Wire()
    let began = wire.time
    wire.syn("late", isn: 5000, tsval: 1)
    wire.both("late", fromServer: true, seq: 900, ack: 5001, flags: [.syn, .ack], ts: (1, 1))
    wire.both("late", fromServer: false, seq: 5001, ack: 901, flags: [.ack], ts: (1, 1))
    wire.both("late", fromServer: true, seq: 901, flags: [.rst])
    wire.finish(0, "late", "late", isn: 5000, began: began, errno: "ECONNRESET")
    wire.moved("late", ["Tcp.EstabResets": 1])
    wire.moved("server", ["TcpExt.ListenOverflows": 1, "TcpExt.ListenDrops": 1, "Tcp.OutRsts": 1])
    let change: (inout Case) -> Void = { $0.settings["server"] = ["tcp_abort_on_overflow": value] }
    #expect((try judged("reset by listen-overflow", wire, change).verdict == .pass) == passes)
    // An application's own RST.
    wire.observation.countersAfter["server"] = ["Tcp.OutRsts": 1]
    #expect(try judged("reset by listen-overflow", wire, change).verdict == .fail)
  }

  @Test func aCookieForgetsOptionsWithoutTimestamps() throws {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "late", isn: 1000, tsval: nil)
    wire.moved(
      "server",
      [
        "TcpExt.TCPReqQFullDoCookies": 1, "TcpExt.SyncookiesSent": 1, "TcpExt.SyncookiesRecv": 1,
      ])
    wire.observation.attempts[0].server = "server"
    let off: (inout Case) -> Void = { $0.network.clients[1].clock = .off }
    #expect(try judged("connected by syn-cookie", wire, off).verdict == .pass)
    let always = try judged("connected by syn-cookie", wire) { test in
      off(&test)
      test.settings["server"] = ["tcp_syncookies": "2"]
    }
    #expect(always.verdict == .pass, "\(always.reason)")
    #expect(try judged("connected", wire, off).fits == ["late: connected by syn-cookie"])
    wire.observation.countersAfter["server"] = nil
    #expect(try judged("connected by syn-cookie", wire, off).verdict == .fail)
    // A SYN-ACK that has a window scale is none.
    var full = Wire()
    let began = full.time
    full.syn("late", isn: 1000, tsval: nil)
    full.both("late", fromServer: true, seq: 900, ack: 1001, flags: [.syn, .ack])
    full.addOption([3, 3, 7, 1])
    full.both("late", fromServer: false, seq: 1001, ack: 901, flags: [.ack])
    full.finish(0, "late", "late", isn: 1000, began: began, errno: nil)
    full.moved(
      "server",
      ["TcpExt.TCPReqQFullDoCookies": 1, "TcpExt.SyncookiesSent": 1, "TcpExt.SyncookiesRecv": 1])
    #expect(
      try judged("connected by syn-cookie", full, off).reason
        == "late #0 options of the SYN-ACK: expected no window scale, no SACK, saw some of them")
  }

  // MARK: tw-buckets

  @Test(arguments: [(true, 1, true), (true, 0, false), (false, 1, false)])
  func whatIsNotKeptRefusesNothing(closes: Bool, overflows: Int, passes: Bool) throws {
    var wire = Wire()
    if closes {
      _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    } else {
      wire.opened(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    }
    wire.wait(milliseconds: 1)
    wire.opened(attempt: 1, client: "late", isn: 500, tsval: 100)
    wire.observation.attempts[0].server = "server"
    wire.moved("server", ["TcpExt.TCPTimeWaitOverflow": overflows])
    let judgement = try judged("connected by tw-buckets", wire) { test in
      test.settings["server"] = ["tcp_max_tw_buckets": "0"]
      test.workload = [
        .connect(
          .init(client: "early", label: "early", closes: closes ? .server : .nobody, times: 1, again: 0)),
        .connect(.init(client: "late", label: "late", closes: .nobody, times: 1, again: 0)),
      ]
    }
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  // MARK: rp-filter

  @Test func aFilterOfSourcesIsNamedWhereItIs() throws {
    let change: (inout Case) -> Void = { $0.settings["server"] = ["rp_filter": "1"] }
    let wire = unanswered(["TcpExt.IPReversePathFilter": 2])
    #expect(try judged("dropped by rp-filter", wire, change).verdict == .pass)
    #expect(
      try judged("dropped by rp-filter", wire).reason.hasSuffix("nodes that filter: expected one, saw none"))
    #expect(try judged("dropped by rp-filter", unanswered([:]), change).verdict == .fail)
    // At the hop: nothing comes to the server.
    let atHop = lost(["TcpExt.IPReversePathFilter": 2], later: false)
    #expect(
      try judged("dropped by rp-filter", atHop) { $0.settings["hop"] = ["rp_filter": "2"] }.verdict == .pass)
    #expect(try judged("dropped by rp-filter", atHop, change).verdict == .fail)
  }

  /// The answer that a filter keeps back is none: a SYN-ACK left the server, and never came.
  @Test func anAnswerThatIsKeptBackIsNone() throws {
    var wire = Wire()
    let began = wire.time
    wire.syn("late", isn: 5000, tsval: 1)
    wire.segment(
      on: "server", outgoing: true, from: ("198.19.0.2", 8000), to: ("198.19.0.1", 40000), seq: 900,
      ack: 5001,
      flags: [.syn, .ack], ts: (1, 1))
    wire.finish(0, "late", "late", isn: 5000, began: began, errno: "ETIMEDOUT")
    wire.moved("late", Self.timedOut("late"))
    wire.moved("hop", ["TcpExt.IPReversePathFilter": 1])
    let judgement = try judged("dropped by rp-filter", wire) { $0.settings["hop"] = ["rp_filter": "1"] }
    #expect(judgement.verdict == .pass, "\(judgement.reason)")
  }

  // MARK: icmp

  /// A SYN that an ICMP error answers.
  private func icmp(
    type: UInt8 = 3, code: UInt8, errno: String, source: String = "198.18.0.1", port: Int? = nil
  ) -> Wire {
    var wire = Wire()
    let began = wire.time
    let own = port ?? wire.port("late")
    wire.segment(
      on: "late", outgoing: true, from: ("198.18.0.2", wire.port("late")), to: ("198.19.0.2", 8000),
      seq: 9000,
      flags: [.syn], ts: (5, 0))
    wire.error(
      on: "late", type: type, code: code, from: source, about: ("198.18.0.2", own), to: ("198.19.0.2", 8000),
      seq: 9000)
    wire.finish(0, "late", "late", isn: 9000, began: began, errno: errno)
    wire.moved("late", ["Tcp.AttemptFails": 1, "Icmp.InDestUnreachs": 1])
    wire.moved("hop", ["Icmp.OutDestUnreachs": 1])
    return wire
  }

  @Test(arguments: [
    ("refused by icmp", 3 as UInt8, "ECONNREFUSED", true), ("unreachable by icmp", 1, "EHOSTUNREACH", true),
    ("unreachable by icmp", 0, "ENETUNREACH", true), ("unreachable by icmp", 13, "EHOSTUNREACH", true),
    ("unreachable by icmp", 0, "EHOSTUNREACH", false), ("refused by icmp", 1, "ECONNREFUSED", false),
    ("refused", 3, "ECONNREFUSED", false),
  ])
  func anICMPErrorEndsAnAttempt(text: String, code: UInt8, errno: String, passes: Bool) throws {
    let judgement = try judged(text, icmp(code: code, errno: errno))
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  @Test func anICMPErrorIsAboutThatSYN() throws {
    #expect(try judged("refused by icmp", icmp(code: 3, errno: "ECONNREFUSED", port: 1)).verdict == .fail)
    #expect(
      try judged("refused by icmp", icmp(code: 3, errno: "ECONNREFUSED", source: "192.0.2.1")).verdict
        == .pass)
    // A closed port.
    var wire = Wire()
    let began = wire.time
    wire.syn("late", isn: 5000, tsval: 1)
    wire.both("late", fromServer: true, seq: 0, ack: 5001, flags: [.rst, .ack])
    wire.finish(0, "late", "late", isn: 5000, began: began, errno: "ECONNREFUSED")
    wire.moved("late", ["Tcp.AttemptFails": 1])
    wire.moved("server", ["Tcp.OutRsts": 1])
    #expect(try judged("refused by icmp", wire).verdict == .fail)
    #expect(try judged("refused", wire).verdict == .pass)
  }

  // MARK: ipvs-quiesced

  @Test(arguments: [(0, 0, true), (0, 1, false)]) func whereAllAreQuiescedNobodyIsChosen(
    first: Int, second: Int, passes: Bool
  )
    throws
  {
    var wire = icmp(code: 3, errno: "ECONNREFUSED", source: "198.19.0.2")
    wire.observation.attempts[0].step = 1
    wire.observation.ipvs = [
      IPVSCensus(
        step: 0, node: "hop", entries: [],
        servers: [
          .init(virtual: "198.19.0.2:8000", server: "198.19.0.2:8000", weight: first),
          .init(virtual: "198.19.0.2:8000", server: "198.19.1.3:8000", weight: second),
        ])
    ]
    let change: (inout Case) -> Void = {
      $0.network = Network(topology: .ipvsNAT, family: .ipv4, clients: $0.network.clients)
    }
    let judgement = try judged("refused by ipvs-quiesced", wire, change)
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
    wire.observation.ipvs = nil
    #expect(try judged("refused by ipvs-quiesced", wire, change).reason.hasSuffix("saw not read"))
  }

  @Test(arguments: [
    (0, "198.19.0.2:8000", true), (1, "198.19.0.2:8000", false), (0, "198.19.1.3:8000", false),
  ])
  func anEntryOutlivesItsServersWeight(weight: Int, entry: String, passes: Bool) throws {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "late", isn: 1000, tsval: 1)
    wire.observation.attempts[0].server = "server"
    wire.observation.attempts[0].step = 1
    wire.observation.ipvs = [
      IPVSCensus(
        step: 0, node: "hop",
        entries: [
          IPVSEntry(
            state: "TIME_WAIT", client: "198.18.0.2:\(wire.port("late"))", virtual: "198.19.0.2:8000",
            server: entry,
            seconds: 9)
        ], servers: [.init(virtual: "198.19.0.2:8000", server: "198.19.0.2:8000", weight: weight)])
    ]
    let judgement = try judged("connected by ipvs-quiesced", wire) {
      $0.network = Network(topology: .ipvsNAT, family: .ipv4, clients: $0.network.clients)
    }
    #expect((judgement.verdict == .pass) == passes, "\(judgement.reason)")
  }

  // MARK: an author's own

  @Test func withoutWitnessesOfItsAuthorNothingIsSaid() throws {
    let wire = lost([:], later: false)
    #expect(try judged("dropped by witnesses", wire).reason.hasSuffix("expected some, saw none"))
    let packets = try PacketPattern(text: "none at server of late * > server Flags [S]")
    let judgement = try judged("dropped by witnesses", wire) {
      $0.rules[0].witnesses = AuthorWitnesses(packets: [packets])
    }
    #expect(judgement.verdict == .pass, "\(judgement.reason)")
  }
}
