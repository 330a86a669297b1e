import Evidence
import Foundation
import Judging
import Model
import Testing

/// What a director adds to judging: whose address the servers saw, who served, what came in a tunnel.
@Suite struct DirectorTests {
  private func judged(
    source: Rule.Source?, served: [String: ServedBy] = [:], peers: [String], servers: [String]
  )
    -> Judgement
  {
    var test = JudgeTests.test(Expectation(.connected))
    test.rules[0].source = source
    test.rules[0].served = served
    var wire = Wire()
    for (index, label) in ["early", "late"].enumerated() {
      _ = wire.served(attempt: index, client: label, isn: UInt32(1000 * (index + 1)), tsval: 100)
      wire.observation.attempts[index].peer = peers[index]
      wire.observation.attempts[index].server = servers[index]
    }
    return judge(test, on: .current(), seen: wire.observation)
  }

  @Test func theAddressThatTheServerSawIsHeldAgainstTheRule() {
    let hop = ["198.19.0.1:40000", "198.19.0.1:40000"]
    let client = ["198.18.0.2:50000", "198.18.0.2:50000"]
    let servers = ["server", "server"]
    #expect(judged(source: .hop, peers: hop, servers: servers).verdict == .pass)
    #expect(judged(source: .client, peers: client, servers: servers).verdict == .pass)
    let wrong = judged(source: .client, peers: hop, servers: servers)
    #expect(wrong.verdict == .fail)
    #expect(wrong.reason.contains("source at server: expected client, saw hop (198.19.0.1:40000)"))
    #expect(judged(source: .hop, peers: ["192.0.2.1:1", "192.0.2.1:1"], servers: servers).verdict == .fail)
    // An address of which the hop's is only a part is somebody's.
    let longer = ["198.19.0.12:40000", "198.19.0.12:40000"]
    #expect(judged(source: .hop, peers: longer, servers: servers).verdict == .fail)
  }

  @Test func whoServedIsComparedWithAnEarlierStep() throws {
    let same = try #require(ServedBy(text: "same as early"))
    let other = try #require(ServedBy(text: "other than early"))
    #expect(ServedBy(text: "like early") == nil)
    #expect("\(other)" == "other than early")
    let peers = ["198.18.0.2:1", "198.18.0.2:2"]
    for (servers, passes) in [(["server.1", "server.1"], same), (["server.1", "server.2"], other)] {
      #expect(judged(source: nil, served: ["late": passes], peers: peers, servers: servers).verdict == .pass)
      let fails = passes == same ? other : same
      let judgement = judged(source: nil, served: ["late": fails], peers: peers, servers: servers)
      #expect(judgement.reason.hasPrefix("late served: expected \(fails), saw \(servers[1])"))
    }
  }

  @Test func aSegmentInATunnelIsReadFromWithin() throws {
    var wire = Wire()
    wire.syn("late", isn: 5000, tsval: 9)
    let plain = try #require(wire.observation.packets.last)
    let bytes = [UInt8](plain.bytes)
    let outer: [UInt8] = [0x45, 0, 0, 72, 0, 0, 0, 0, 64, 4, 0, 0, 198, 19, 0, 1, 198, 19, 0, 10]
    var packet = plain
    packet.bytes = Data(bytes[..<14] + outer + bytes[14...])
    let segment = try #require(Segment(packet))
    #expect(segment.tunnelled)
    #expect(segment.source == "198.19.0.1")
    #expect((segment.sequence, segment.tsval) == (5000, 9))
    #expect(Segment(plain)?.tunnelled == false)
    // Cut within the inner header, it is no segment.
    packet.bytes = Data(packet.bytes.prefix(40))
    #expect(Segment(packet) == nil)
  }

  /// A director that has the connection in conntrack drops the SYN behind the RST that has closed its entry (`ip_vs_in`
  /// until f0a5e4d7a594): TIME_WAIT has refused one SYN of two. A later kernel's passes both on.
  @Test(arguments: [(true, "1", Verdict.pass), (false, "1", .fail), (true, "0", .fail)])
  func aDirectorDropsTheSYNBehindARST(isOld: Bool, conntrack: String, verdict: Verdict) {
    var test = JudgeTests.test(Expectation(.dropped, by: "tw-paws"))
    let clients = ["early", "late"].map { Client(name: $0, group: $0, clock: .natural, isn: .ahead) }
    test.network = Network(
      topology: .ipvsFullNAT, family: .ipv4, clients: clients,
      hop: Hop(nat: .snat, backend: .auto, ports: 40000...40000, random: .none, dropInvalid: false))
    test.settings = [Network.hop: ["vs.conntrack": conntrack, "vs.conn_reuse_mode": "1"]]
    var wire = Wire()
    let fin = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 1_000_000)
    let began = wire.time
    wire.wait(milliseconds: 5)
    wire.syn("late", isn: 5000, tsval: 100)
    wire.both("late", fromServer: true, seq: 902, ack: fin + 1, flags: [.ack], ts: (8, 1_000_000))
    wire.both("late", fromServer: false, seq: fin + 1, flags: [.rst])
    wire.wait(milliseconds: 1000)
    wire.segment(
      on: "late", outgoing: true, from: ("198.18.0.2", wire.port("late")), to: ("198.19.0.2", 8000),
      seq: 5000, flags: [.syn], ts: (1100, 0))
    wire.wait(milliseconds: 2000)
    wire.finish(1, "late", "late", isn: 5000, began: began, errno: "ETIMEDOUT")
    wire.observation.countersAfter["server"] = ["TcpExt.PAWSTimewait": 1]
    wire.observation.countersAfter["late"] = [
      "TcpExt.TCPAbortOnTimeout": 1, "Tcp.AttemptFails": 1, "Tcp.OutRsts": 1,
    ]
    let old: Set<Capability> = isOld ? [.feature(.ipvsReschedulesTracked)] : []
    let judgement = judge(test, on: .current(without: old), seen: wire.observation)
    #expect(judgement.verdict == verdict, "\(judgement.reason)")
  }

  /// The first packet to a server is lost where its link address is asked for by the virtual one's; the next are not.
  @Test func theFirstPacketToAServerIsLost() throws {
    func judged(_ family: Network.Family, _ way: Network.Topology, known: Bool) throws -> Judgement {
      var test = JudgeTests.test(try #require(Expectation(text: "delayed by ipvs-first-packet")))
      let clients = ["early", "late"].map { Client(name: $0, group: $0, clock: .natural, isn: .ahead) }
      test.network = Network(topology: way, family: family, clients: clients)
      var wire = Wire()
      if known { _ = wire.served(attempt: 0, client: "early", isn: 1000, tsval: 100) }
      let began = wire.time
      wire.segment(
        on: "late", outgoing: true, from: ("198.18.0.2", wire.port("late")), to: ("198.19.0.2", 8000),
        seq: 5000, flags: [.syn], ts: (200, 0))
      wire.wait(milliseconds: 1000)
      wire.opened(attempt: 1, client: "late", isn: 5000, tsval: 1200)
      wire.observation.attempts[wire.observation.attempts.count - 1].began = began
      for index in wire.observation.attempts.indices { wire.observation.attempts[index].server = "server" }
      return judge(test, on: .current(without: [.feature(.ipvsKeepsFirstPacket)]), seen: wire.observation)
    }
    let passes = try judged(.ipv6, .ipvsDR, known: false)
    #expect(passes.verdict == .pass, "\(passes.reason)")
    #expect(try judged(.ipv6, .ipvsDR, known: true).reason.contains("connections to server before"))
    #expect(try judged(.ipv4, .ipvsDR, known: false).reason.contains("forwarding"))
    #expect(try judged(.ipv6, .ipvsNAT, known: false).reason.contains("forwarding"))
  }
}
