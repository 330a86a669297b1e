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
}
