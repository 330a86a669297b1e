import Testing

@testable import Diagnosis

/// A RST that answers a SYN-ACK, seen where it cannot be told what the client was told.
struct RefusedAnswerTests {
  /// At the server, whose SYN-ACKs echo what came: two SYNs, each answered, each answer refused.
  private static func refused(synTTL: UInt8, resetTTL: UInt8) throws -> Answer {
    var packets: [Wire.Packet] = []
    func say(
      _ time: Int, _ fromClient: Bool, seq: Int, ack: Int, _ flags: Int, tsval: Int, tsecr: Int, ttl: UInt8
    ) {
      Wire.say(&packets, time, fromClient, seq: seq, ack: ack, flags, tsval: tsval, tsecr: tsecr, ttl: ttl)
    }
    for second in 0..<2 {
      let (time, tsval) = (second * 1_000_000, 900_000 + second * 1000)
      say(time, true, seq: 100, ack: 0, 0x02, tsval: tsval, tsecr: 0, ttl: synTTL)
      say(time + 100, false, seq: 500 + second, ack: 101, 0x12, tsval: 1, tsecr: tsval, ttl: 64)
      say(time + 200, true, seq: 101, ack: 0, 0x04, tsval: 0, tsecr: 0, ttl: resetTTL)
    }
    let link = try #require(Wire.Link.all.first)
    return try Wire.answer(Wire.file(.pcap, link, packets, version: 4), at: .server)
  }

  /// Was: lost-answer, likely, where a box had rewritten the timestamps of SYNs.
  @Test func ofTheSameTTLItMayBeTheClientsOwn() throws {
    let answer = try Self.refused(synTTL: 63, resetTTL: 63)
    #expect(answer.verdict == .notEnough, "\(answer.headline)")
    #expect(answer.named.isEmpty)
    #expect(Set(answer.fitting).isSuperset(of: ["lost-answer", "ts-echo"]))
    #expect(answer.missing.contains { $0.what.hasPrefix("the same at the client") }, "\(answer.missing)")
  }

  @Test func ofAnotherTTLItIsSomebodyElses() throws {
    let answer = try Self.refused(synTTL: 63, resetTTL: 64)
    #expect(
      answer.fitting.contains("lost-answer") && !answer.fitting.contains("ts-echo"), "\(answer.headline)")
  }
}
