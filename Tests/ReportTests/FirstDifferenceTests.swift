import Evidence
import Foundation
import Report
import Testing

@Suite struct FirstDifferenceTests {
  private func seen(_ times: [Int64], counter: Int = 0) -> Observation {
    var observation = Observation(caseID: "a")
    observation.packets = times.map {
      Packet(node: "client", interface: "eth0", time: $0, outgoing: true, length: 3, bytes: Data([1, 2, 3]))
    }
    observation.countersAfter = ["server": ["TcpExt.PAWSEstab": counter]]
    return observation
  }

  @Test func whatIsTheSameHasNone() throws {
    #expect(try FirstDifference.between(seen([1, 2]), seen([1, 2])) == nil)
  }

  @Test func theFirstPacketIsNamed() throws {
    #expect(
      try FirstDifference.between(seen([1, 2, 3]), seen([1, 7, 9], counter: 1))
        == "packet 2: then client eth0 sent at +0.000000001 s, 3 bytes, now client eth0 sent at +0.000000006 s, 3 bytes"
    )
    #expect(
      try FirstDifference.between(seen([1]), seen([1, 7]))
        == "packet 2: only now, client eth0 sent at +0.000000006 s, 3 bytes")
    var other = seen([1])
    other.packets[0].bytes = Data([1, 2, 4])
    #expect(try #require(try FirstDifference.between(seen([1]), other)).hasSuffix("and other bytes at 2"))
  }

  @Test func thenWhateverElseDiffers() throws {
    #expect(
      try FirstDifference.between(seen([1]), seen([1], counter: 2))
        == "countersAfter.server.TcpExt.PAWSEstab: then 0, now 2")
    var other = seen([1])
    other.timings = [Timing(part: "a", milliseconds: 1)]
    #expect(try FirstDifference.between(seen([1]), other) == "timings: then 0, now 1")
  }
}
