import Evidence
import Foundation
import Judging
import Linux
import Model
import TestSupport
import Testing

@testable import Worker

@Suite struct PerformableTests {
  /// A verb costs a file in Model/Steps and one in Worker/Steps: the second was forgotten.
  @Test func everyStepCanBePerformed() {
    for (verb, type) in Step.verbs { #expect(type is any Performable.Type, "\(verb)") }
  }
}

/// Steps that end, lose and forge connections, on the real kernel.
@Suite(.serialized, .enabled(if: geteuid() == 0, "SKIPPED: needs root for namespaces"))
struct StepsTests {
  /// A case with this workload between `client` and `server`.
  static func run(
    _ workload: String, topology: String = "{kind: direct}", clients: String = "{client: {}}",
    settings: String = "", change: @escaping @Sendable (inout Case) -> Void = { _ in }
  ) throws -> Ran {
    try Ran(
      """
      title: one step after the other
      why: the kernel's source
      topology: \(topology)
      clients: \(clients)
      \(settings.isEmpty ? "" : "settings: \(settings)")
      workload:
      \(workload)
      expect: [{otherwise: true, because: what is said below}]
      """, change: change)
  }

  private static let kernel = try? onOwnThread { try Probe.kernel(privilege: .root) }
  private static let hasIPVS = kernel?.has(.ipvs) == true
  private static let hasNetem = kernel?.has(.netem) == true

  /// What sockets a node has after a step.
  private func states(_ ran: Ran, _ node: String, after step: Int) -> [String: Int] {
    ran.seen.sockets.first { $0.node == node && $0.step == step }?.states ?? [:]
  }

  private func segments(_ ran: Ran, on node: String) -> [Segment] {
    ran.seen.packets.compactMap { Segment($0) }.filter { $0.node == node }
  }

  // MARK: both files that could not pass

  /// `tcp_max_tw_buckets` of 0: the socket is closed instead of kept (tcp_time_wait, net/ipv4/tcp_minisocks.c).
  @Test func noTimeWaitIsKept() throws {
    let ran = try Self.run(
      "  - {connect: client, closes: server}", settings: "{server: {tcp_max_tw_buckets: 0}}")
    #expect(ran.failure == nil)
    #expect(ran.judgement.verdict == .pass, "\(ran.judgement.reason)")
    #expect(states(ran, "server", after: 0)["TIME-WAIT"] == nil)
  }

  /// The hop forgets an open connection, then the server sends; with `nf_conntrack_tcp_loose` and without.
  @Test(arguments: [0, 1]) func natForgetsInMidConnection(loose: Int) throws {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {flush: conntrack}
        - {send: server, on: client, as: later}
      """, topology: "{kind: snat}", settings: "{hop: {nf_conntrack_tcp_loose: \(loose)}}")
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "later reset"])
    let attempt = try #require(ran.seen.attempts.first)
    #expect(attempt.closed == nil)
    #expect(attempt.closedAtServer == "ECONNRESET")
  }

  // MARK: ends

  /// Neither sees the other's FIN before its own is sent: CLOSING, and TIME-WAIT at both (RFC 9293, figure 13).
  @Test(arguments: ["ipv4", "ipv6"]) func bothCloseAtOnce(family: String) throws {
    let ran = try Self.run(
      "  - {connect: client, closes: both}", topology: "{kind: direct, family: \(family)}")
    #expect(ran.failure == nil)
    #expect(ran.judgement.verdict == .pass, "\(ran.judgement.reason)")
    #expect(states(ran, "server", after: 0) == ["TIME-WAIT": 1])
    #expect(states(ran, "client", after: 0) == ["TIME-WAIT": 1])
  }

  @Test(arguments: ["client", "server"]) func anAbortIsARST(end: String) throws {
    let ran = try Self.run("  - {connect: client, abort: \(end)}\n  - {connect: client, as: again}")
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "again connected"])
    #expect(states(ran, "server", after: 0) == [:])
    let resets = segments(ran, on: "client").filter { $0.flags.contains(.rst) }
    #expect(resets.count == 1)
    #expect(resets.first?.outgoing == (end == "client"))
    let attempt = try #require(ran.seen.attempts.first)
    #expect(attempt.closed == (end == "client" ? Attempt.aborted : "ECONNRESET"))
    #expect(attempt.closedAtServer == (end == "client" ? "ECONNRESET" : Attempt.aborted))
  }

  /// The end that closed keeps FIN_WAIT2, the other CLOSE_WAIT, until that closes too.
  @Test(arguments: ["client", "server"]) func aPeerThatNeverCloses(end: String) throws {
    let other = end == "client" ? "server" : "client"
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {close: \(end), on: client, peer: stays}
        - {connect: client, as: between, closes: client}
        - {close: \(other), on: client}
      """)
    #expect(ran.failure == nil)
    #expect(states(ran, end, after: 1) == ["FIN-WAIT-2": 1])
    #expect(states(ran, other, after: 1) == ["CLOSE-WAIT": 1])
    #expect(states(ran, other, after: 3)["CLOSE-WAIT"] == nil)
    #expect(states(ran, end, after: 3)["TIME-WAIT"] == (end == "client" ? 2 : 1))
    let attempt = try #require(ran.seen.attempts.first)
    #expect(end == "client" ? attempt.closedAtServer == "FIN" : attempt.closed == "FIN")
  }

  /// The half that is open still carries a byte.
  @Test func aHalfClosedConnectionCarriesBytesOneWay() throws {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {close: client, half: true}
        - {send: server, on: client, as: back}
        - {close: server}
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "back delivered"])
    #expect(states(ran, "client", after: 1) == ["FIN-WAIT-2": 1])
    #expect(states(ran, "server", after: 1) == ["CLOSE-WAIT": 1])
    #expect(states(ran, "server", after: 3) == [:])
    #expect(states(ran, "client", after: 3) == ["TIME-WAIT": 1])
  }

  /// The client is gone without a packet; its kernel resets what the server sends.
  @Test(arguments: ["client", "server"]) func anEndThatVanishesResetsWhatComes(end: String) throws {
    let other = end == "client" ? "server" : "client"
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {vanish: \(end), on: client}
        - {send: \(other), on: client, as: later}
        - {connect: client, as: again}
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "later reset", "again connected"])
    #expect(states(ran, end, after: 1) == [:])
    #expect(states(ran, other, after: 1) == ["ESTAB": 1])
    let before = segments(ran, on: "client").filter { $0.payload == 1 || $0.flags.contains(.rst) }
    #expect(before.first?.flags.contains(.rst) == false)
  }

  /// A SYN for a connection that the server holds ESTABLISHED: a challenge ACK, a RST, and the SYN again
  /// (tcp_send_challenge_ack, net/ipv4/tcp_input.c).
  @Test func aRebootedClientOnTheSamePortIsChallenged() throws {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody, port: 45000}
        - {vanish: client}
        - {connect: client, as: again, port: 45000}
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "again delayed"])
    #expect(ran.seen.counters(of: "server")["TcpExt.TCPChallengeACK"] == 1)
    #expect(ran.seen.attempts.map { $0.local?.hasSuffix(":45000") } == [true, true])
    #expect(ran.seen.attempts.first?.closedAtServer == "ECONNRESET")
  }

  /// Of several connections of a client those are meant that one step has made.
  @Test func bytesGoOnTheConnectionsOfOneLabel() throws {
    let ran = try Self.run(
      """
        - {connect: client, as: one, closes: nobody}
        - {connect: client, as: two, closes: nobody}
        - {close: server, on: one}
        - {send: client, on: two, as: later}
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["one connected", "two connected", "later delivered"])
    #expect(ran.seen.attempts.map(\.closed) == ["FIN", nil, nil])
    #expect(states(ran, "server", after: 3) == ["ESTAB": 1, "TIME-WAIT": 1])
  }

  /// Where a rule of the case's own network eats every FIN of the client, that is evidence and no error: the socket stays
  /// in FIN_WAIT1, and the next step goes on.
  @Test func aFINThatIsLostByTheCaseItselfIsEvidence() throws {
    let ran = try Self.run(
      """
        - {connect: client, as: kept, closes: nobody}
        - {flush: conntrack}
        - {close: client, on: kept}
        - {connect: other, closes: server}
      """, topology: "{kind: snat, hop: {drop_invalid: true}}", clients: "{client: {}, other: {}}",
      settings: "{hop: {nf_conntrack_tcp_loose: 0}}")
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["kept connected", "other connected"])
    #expect(states(ran, "client", after: 2) == ["FIN-WAIT-1": 1])
    #expect(states(ran, "server", after: 3) == ["ESTAB": 1, "TIME-WAIT": 1])
  }

  // MARK: listeners

  /// A connection that waits for accept(2) is one; its byte is acknowledged by the kernel, and read when it is taken.
  @Test func whatWaitsForAcceptIsConnectedAndServedLater() throws {
    let ran = try Self.run(
      """
        - {listen: server, accept: false}
        - {connect: client, closes: nobody}
        - {send: client, on: client, as: queued}
        - {listen: server, accept: true}
        - {send: server, on: client, as: later}
        - {connect: client, as: again, closes: server}
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "queued delivered", "later delivered", "again connected"])
    let attempts = ran.seen.attempts
    #expect(attempts.map(\.answered) == [false, nil, nil, nil])
    #expect(attempts[1].read == false)
    #expect(attempts[0].server == "server", "it was accepted later")
    #expect(states(ran, "server", after: 1) == ["ESTAB": 1])
  }

  /// With a backlog of 0 one connection waits (`sk_acceptq_is_full`); the next SYN is dropped, and counted.
  @Test func aFullQueueDropsSYNs() throws {
    let ran = try Self.run(
      """
        - {listen: server, backlog: 0, accept: false}
        - {connect: client, as: first, closes: nobody}
        - {connect: client, as: second, closes: nobody}
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes.first == "first connected")
    #expect(ran.seen.attempts.last?.errno == "ETIMEDOUT")
    #expect(ran.seen.counters(of: "server")["TcpExt.ListenOverflows"] ?? 0 >= 2)
  }

  @Test func aClosedListenerRefusesAndAnOpenOneTakes() throws {
    let ran = try Self.run(
      """
        - {connect: client, as: before}
        - {listen: server, open: false}
        - {connect: client, as: between}
        - {listen: server, open: true}
        - {connect: client, as: after}
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["before connected", "between refused", "after connected"])
  }

  // MARK: bursts

  /// All at once: every attempt has begun before any has ended, and each is counted once.
  @Test func aBurstBeginsAtOneInstant() throws {
    let ran = try Self.run(
      "  - {burst: [a, b], closes: server, connections: 3}", topology: "{kind: snat}",
      clients: "{a: {count: 4}, b: {count: 4}}")
    #expect(ran.failure == nil)
    #expect(ran.judgement.verdict == .pass, "\(ran.judgement.reason)")
    let attempts = ran.seen.attempts
    #expect(attempts.count == 24)
    #expect(attempts.allSatisfy { $0.errno == nil && $0.server == "server" })
    #expect(Set(attempts.map { "\($0.client) \($0.local ?? "")" }).count == 24)
    let lastBegan = attempts.map(\.began).max() ?? .max
    #expect(attempts.allSatisfy { $0.ended > lastBegan })
  }

  // MARK: directors

  @Test(.enabled(if: hasIPVS, "SKIPPED: this kernel has no IPVS")) func aDrainedServerGetsNoNewConnections()
    throws
  {
    let ran = try Self.run(
      """
        - {weight: {server.1: 0}}
        - {connect: client, as: one, times: 2}
        - {remove: server.2}
        - {weight: {server.1: 1}}
        - {connect: client, as: other, times: 2}
        - {add: server.2, weight: 3}
        - {weight: {server.1: 0}}
        - {connect: client, as: back}
      """, topology: "{kind: ipvs-nat, servers: 2}")
    #expect(ran.failure == nil)
    #expect(ran.judgement.verdict == .pass, "\(ran.judgement.reason)")
    #expect(
      ran.seen.attempts.map(\.server) == ["server.2", "server.2", "server.1", "server.1", "server.2"])
  }

  /// The director forgets an open connection: what the client sends then finds no entry, and is no SYN.
  @Test(.enabled(if: hasIPVS, "SKIPPED: this kernel has no IPVS")) func aDirectorForgetsWhatItHasPassedOn()
    throws
  {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {flush: ipvs}
        - {send: client, on: client, as: later}
      """, topology: "{kind: ipvs-nat, servers: 2}")
    #expect(ran.failure == nil)
    #expect(ran.outcomes.first == "client connected")
    #expect(ran.outcomes.last != "later delivered")
  }

  // MARK: links

  /// Without carrier nothing passes; its routes and addresses are there again with it.
  @Test(arguments: ["ipv4", "ipv6"]) func aLinkGoesDownAndComesBack(family: String) throws {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {link: {client: down}}
        - {send: client, on: client, as: lost}
        - {connect: client, as: nowhere}
        - {link: {client: up}}
        - {flush: neighbours}
        - {connect: client, as: again, closes: server}
      """, topology: "{kind: snat, family: \(family)}")
    #expect(ran.failure == nil)
    #expect(ran.outcomes.first == "client connected")
    // Who is the neighbour is asked three times, a second apart, and SYNs end after 3 s too.
    let errnos = ran.seen.attempts.map { $0.errno == "EHOSTUNREACH" ? "ETIMEDOUT" : $0.errno }
    #expect(errnos == [nil, "ETIMEDOUT", "ETIMEDOUT", nil])
    #expect(ran.outcomes.last == "again connected")
  }

  /// A packet is late by what was asked for, each way.
  @Test(.enabled(if: hasNetem, "SKIPPED: this kernel has no netem")) func aShapedLinkIsLate() throws {
    let ran = try Self.run(
      """
        - {shape: client, delay: 40}
        - {connect: client, as: late}
        - {shape: client}
        - {connect: client, as: prompt}
      """, topology: "{kind: snat}")
    #expect(ran.failure == nil)
    let took = ran.seen.attempts.map { ($0.ended - $0.began) / 1_000_000 }
    #expect(took.first ?? 0 >= 160)
  }

  // MARK: forged segments

  /// A RST at the number that is expected ends the connection; one beside it is challenged (RFC 5961, 3.2), and one
  /// outside of the window is nobody's (tcp_validate_incoming, net/ipv4/tcp_input.c).
  @Test(arguments: [(0, "reset", 0), (10, "delivered", 1), (-100_000, "delivered", 0)])
  func aForgedRSTIsTakenByItsNumber(offset: Int, outcome: String, challenges: Int) throws {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {forge: R, from: hop, like: client, seq: \(offset)}
        - {send: client, on: client, as: later}
      """, topology: "{kind: snat, hop: {ports: 40000-49999}}")
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "later \(outcome)"])
    #expect(ran.seen.counters(of: "server")["TcpExt.TCPChallengeACK"] ?? 0 == challenges)
    let forged = segments(ran, on: "server").filter { $0.flags == .rst && !$0.outgoing }
    #expect(forged.count == 1)
  }

  /// A segment with an older timestamp is refused by PAWS, and answered by what is expected (tcp_paws_discard).
  @Test(arguments: [(-10_000, 1), (0, 0)]) func aForgedTimestampIsJudgedByPAWS(ticks: Int, refused: Int)
    throws
  {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {forge: P., from: client, like: client, ts: \(ticks), payload: 3}
      """)
    #expect(ran.failure == nil)
    #expect(ran.seen.counters(of: "server")["TcpExt.PAWSEstab"] ?? 0 == refused)
  }

  // MARK: time and programs

  /// Sockets are served while time passes: an orphan in FIN_WAIT2 is gone after tcp_fin_timeout.
  @Test func timePassesAndSocketsAreServed() throws {
    let ran = try Self.run(
      """
        - {connect: client, closes: nobody}
        - {close: server, on: client, peer: stays}
        - {wait: 1.6}
      """, settings: "{server: {tcp_fin_timeout: 1}}")
    #expect(ran.failure == nil)
    #expect(states(ran, "server", after: 1) == ["FIN-WAIT-2": 1])
    #expect(states(ran, "server", after: 2) == [:])
    #expect(states(ran, "client", after: 2) == ["CLOSE-WAIT": 1])
    #expect(ran.wall >= 1_600)
  }

  /// A program runs in a node's network, hears and says what it is given, and is not what the lab thinks of its end.
  @Test func aProgramRunsInANode() throws {
    let ran = try Self.run(
      """
        - {exec: [cat], in: client, input: "hello"}
        - {exec: [sh, -c, "echo $WORD; echo no >&2; exit 7"], in: server, environment: {WORD: yes}, exit: 7}
        - {exec: [cat, /proc/net/route], in: client}
      """)
    #expect(ran.failure == nil)
    let programs = ran.seen.programs ?? []
    #expect(programs.map(\.status) == [0, 7, 0])
    #expect(programs.map(\.holds) == [true, true, true])
    #expect(ran.judgement.verdict == .pass, "\(ran.judgement.reason)")
    #expect(programs[0].output.hasPrefix("hello"))
    #expect(programs[1].output == "yes\n")
    #expect(programs[1].errors == "no\n")
    #expect(programs.map(\.node) == ["client", "server", "client"])
    #expect(programs[2].output.contains("eth0"))
  }

  /// What a program opens is read from its node's link; the server says what it hears.
  @Test func whatAProgramOpensIsAnAttempt() throws {
    let ran = try Self.run(
      """
        - exec:
            - python3
            - -c
            - 'import socket; s = socket.create_connection(("198.18.0.1", 8000)); s.sendall(b"hello there"); print(s.recv(64).decode())'
          in: client
          as: foreign
      """)
    #expect(ran.failure == nil)
    #expect(ran.seen.programs?.first?.output == "hello there\n", "\(ran.seen.programs ?? [])")
    #expect(ran.seen.attempts.map(\.label) == ["foreign"])
    #expect(ran.seen.attempts.map(\.errno) == [nil])
    #expect(ran.seen.attempts.first?.server == "server")
  }

  /// A program that does not end is killed when its time is over, and that is evidence.
  @Test func aProgramThatDoesNotEndIsKilled() throws {
    let ran = try Self.run("  - {exec: [sleep, 60], in: client, within: 1}")
    #expect(ran.failure == nil)
    let program = try #require(ran.seen.programs?.first)
    #expect(program.isOverdue == true)
    #expect(program.signal == 9)
    #expect(!program.holds)
    #expect(ran.judgement.verdict == .fail)
    #expect(ran.judgement.reason == "sleep on client: expected exit 0, saw killed, its time was over")
  }
}
