import Evidence
import Foundation
import Linux
import Model
import Testing
import Wire

@testable import Worker

/// Connections that end otherwise than by a FIN, and cases that break, on the real kernel.
@Suite(.serialized, .enabled(if: geteuid() == 0, "SKIPPED: needs root for namespaces"))
struct EndsTests {
  /// The hop forgets an open connection; what the server sends then ends at the hop, which resets it. Was an error:
  /// `SIOCOUTQ(socket): Bad file descriptor`, the descriptor being closed already. So is every later byte, from
  /// whichever end, and the steps after it are as ever: settle() wanted two established sockets at the server.
  @Test func aResetWhileASendWaitsIsAnOutcomeAndLaterStepsGoOn() throws {
    let ran = try Ran(
      """
      title: NAT forgets in mid-connection, and life goes on
      why: nf_conntrack_tcp_loose
      topology: {kind: snat}
      clients: {client: {}, other: {}}
      workload:
        - {connect: client, closes: nobody}
        - {connect: other, as: kept, closes: nobody}
        - {flush: conntrack}
        - {send: server, on: client, as: later}
        - {connect: other, closes: server}
        - {send: client, on: client, as: last}
        - {connect: client, as: again, closes: client}
      expect: [{otherwise: true, because: what word is there for it}]
      """)
    #expect(ran.failure == nil)
    #expect(
      ran.outcomes == [
        "client connected", "kept connected", "later reset", "other connected", "last reset",
        "again connected",
      ])
    #expect(
      ran.judgement.reason
        == "later #2: expected delivered, saw reset: the connection was reset (ECONNRESET)")
    #expect(ran.judgement.verdict == .fail)
  }

  /// What the client sends is dropped by the hop: no copy ever reaches the server, so that nothing there ends the wait.
  /// Was an error after 20 s.
  @Test func aSilentLossIsAnOutcome() throws {
    let ran = try Ran(
      """
      title: a firewall drops what NAT has forgotten
      why: nf_conntrack_tcp_loose
      topology: {kind: snat, hop: {drop_invalid: true}}
      clients: {client: {}, other: {}}
      settings: {hop: {nf_conntrack_tcp_loose: 0}}
      workload:
        - {connect: client, closes: nobody}
        - {flush: conntrack}
        - {send: client, on: client, as: later}
        - {connect: other, closes: server}
      expect: [{otherwise: true, because: it is not}]
      """)
    #expect(ran.failure == nil)
    #expect(ran.outcomes == ["client connected", "later lost", "other connected"])
    let copies = ran.seen.packets.compactMap { Segment($0) }.filter {
      $0.node == "client" && $0.outgoing && $0.payload == 1
    }
    #expect(copies.count == 4)
    let arrived = ran.seen.packets.compactMap { Segment($0) }.filter {
      $0.node == "server" && !$0.outgoing && $0.payload == 1
    }
    #expect(arrived.isEmpty)
  }

  /// What breaks a case is looked for in what was seen until then. Was lost.
  @Test func whatBreaksKeepsWhatWasSeen() throws {
    let ran = try Ran(
      """
      title: a step that cannot be
      why: it names nobody
      topology: {kind: snat}
      clients: {client: {}}
      workload: [{connect: client, closes: server}, {set: {server.tcp_rfc1337: 1}}]
      expect: [{otherwise: true, because: it connects}]
      """, change: { test in test.workload[1] = .set(node: "nobody", setting: "tcp_rfc1337", value: "1") })
    #expect(ran.failure.map { "\($0)" }?.contains("no node of that name") == true)
    #expect(ran.judgement.verdict == .error)
    #expect(ran.judgement.reason.contains("no node of that name"))
    #expect(ran.seen.attempts.map(\.errno) == [nil])
    #expect(ran.seen.packets.count > 10)
    #expect(ran.seen.counters(of: "server")["Tcp.PassiveOpens"] == 1)
    #expect(ran.seen.settings["server"]?["tcp_rfc1337"] == "0")
    #expect(ran.seen.rules.contains("SNAT"))
  }

  /// Each did nothing, without a word.
  @Test(arguments: [
    (Step.set(node: "nobody", setting: "tcp_rfc1337", value: "1"), "no node of that name"),
    (.set(node: "server", setting: "tcp_rfc1338", value: "1"), "the lab knows no such setting"),
    (.clock(client: "client", to: .natural), "it can be set to an offset only"),
    (.clock(client: "nobody", to: .offset(milliseconds: 1)), "no client of that group"),
    (.remove(server: "server"), "no director here"),
  ])
  func aStepThatWouldDoNothingIsAnError(step: Step, words: String) throws {
    let ran = try Ran(
      """
      title: one step
      why: it is put in below
      topology: {kind: direct}
      clients: {client: {}}
      workload: [{connect: client, closes: server}]
      expect: [{otherwise: true, because: it connects}]
      """, change: { $0.workload = [step] })
    #expect(ran.failure.map { "\($0)" }?.contains(words) == true, "\(ran.failure.map { "\($0)" } ?? "none")")
  }

  /// Conntrack was emptied, whatever table the step named.
  @Test(arguments: [(Step.Table.conntrack, true), (.tcpMetrics, false)])
  func aChurnEmptiesTheTableThatItNames(table: Step.Table, isEmptied: Bool) throws {
    let entries = Counted()
    let ran = try Ran(
      """
      title: three connections
      why: each leaves an entry in the hop's table
      topology: {kind: snat, hop: {ports: 40000-49999}}
      clients: {client: {}}
      workload: [{churn: client, connections: 3, closes: client, flush: conntrack}]
      expect: [{otherwise: true, because: they connect}]
      """,
      between: { testbed in
        entries.read = {
          try testbed.node(named: Network.hop)?.namespace.run {
            try Sysctl.read("net/netfilter/nf_conntrack_count")
          } ?? ""
        }
      },
      change: { test in
        guard var churn = test.workload.first?.action as? Churn else { return }
        churn.flush = table
        test.workload = [.churn(churn)]
      })
    #expect(ran.judgement.verdict == .pass, "\(ran.judgement.reason)")
    let counted = try entries.read()
    #expect((counted == "1") == isEmptied, "\(counted) connections are known")
  }

  /// A wait for what does not come asks 20 times a second, says what it waits for, and costs next to nothing. It took
  /// 6 to 9 s of processor, and said "servers [:], clients 0".
  @Test func whatIsAwaitedIsNamedAndCostsLittle() throws {
    let ran = try Ran(
      """
      title: a FIN that never comes
      why: a rule eats every FIN of the client
      topology: {kind: direct}
      clients: {client: {}}
      workload: [{connect: client, closes: client}]
      expect: [{otherwise: true, because: it connects}]
      """,
      between: { testbed in
        let rules = "tcp flags & fin == fin counter drop"
        let output = try testbed.servers[0].namespace.run {
          try Tool.run(
            ["nft", "-f", "-"],
            stdin: "table ip lost { chain in { type filter hook prerouting priority -300; \(rules); }; }",
            environment: [:])
        }
        try #require(output.status == 0, "\(output.stderr)")
      })
    let failure = ran.failure.map { "\($0)" } ?? ""
    #expect(failure.contains("1 connections to be closed at server"), "\(failure)")
    #expect(failure.contains("0 established sockets at the servers, where there are 1"), "\(failure)")
    #expect(ran.wall >= 10_000)
    #expect(ran.processor < ran.wall / 10, "\(ran.processor) ms of processor in \(ran.wall) ms")
    #expect(ran.judgement.verdict == .error)
    #expect(!ran.seen.packets.isEmpty)
  }

  private final class Counted: @unchecked Sendable {
    var read: () throws -> String = { "" }
  }
}

@Suite struct WorkerLineTests {
  /// An answer that could not be coded was left out, and the worker looked as if it had died.
  @Test func anAnswerThatCannotBeCodedIsAFailure() throws {
    var observation = Observation(caseID: "x/y")
    observation.processorSeconds = .nan
    let line = WorkerProgram.line(.observation(observation))
    #expect(line.last == UInt8(ascii: "\n"))
    guard case .failure(let failure) = try JSONDecoder().decode(WorkerEvent.self, from: Data(line)) else {
      Issue.record("not a failure")
      return
    }
    #expect(failure.cause.hasPrefix("it cannot be coded"))
  }
}
