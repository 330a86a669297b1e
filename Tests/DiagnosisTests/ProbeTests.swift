import Testing

@testable import Diagnosis

/// A connection stood still for two hours, and one end asks whether the other is there (tcp_keepalive_timer).
struct ProbeTests {
  enum End { case nobodyKnowsIt, silent, silentAndGivenUp, answered }

  private static let hour = 3_600_000_000

  /// At the client: as the lab's keepalive.yaml saw it on 6.1, with `tcp_keepalive_time` of two hours.
  private static func asked(byClient: Bool, _ end: End) throws -> Answer {
    var packets: [Wire.Packet] = []
    func say(_ time: Int, _ fromClient: Bool, seq: Int, ack: Int, _ flags: Int, payload: Int = 0) {
      Wire.say(
        &packets, time, fromClient, seq: seq, ack: ack, flags, tsval: 1_000 + time / 1_000, tsecr: 1_000,
        payload: payload)
    }
    say(0, true, seq: 100, ack: 0, 0x02)
    say(100, false, seq: 500, ack: 101, 0x12)
    say(200, true, seq: 101, ack: 501, 0x10)
    say(300, true, seq: 101, ack: 501, 0x18, payload: 5)
    say(400, false, seq: 501, ack: 106, 0x18, payload: 1)
    say(500, true, seq: 106, ack: 502, 0x10)
    let (own, other) = byClient ? (106, 502) : (502, 106)
    for probe in 0..<(end == .silent || end == .silentAndGivenUp ? 9 : 1) {
      say(2 * hour + probe * 75_000_000, byClient, seq: own - 1, ack: other, 0x10)
    }
    switch end {
    case .nobodyKnowsIt: say(2 * hour + 100, !byClient, seq: other, ack: 0, 0x04)
    case .silentAndGivenUp: say(2 * hour + 9 * 75_000_000, byClient, seq: own, ack: other, 0x14)
    case .answered: say(2 * hour + 100, !byClient, seq: other, ack: own, 0x10)
    case .silent: break
    }
    let link = try #require(Wire.Link.all.first)
    return try Wire.answer(Wire.file(.pcap, link, packets, version: 4), at: byClient ? .client : .server)
  }

  /// Was: nothing is wrong.
  @Test(arguments: [true, false]) func aRSTThatAnswersAProbeIsOfWhoKnowsNoSuchConnection(byClient: Bool)
    throws
  {
    let answer = try Self.asked(byClient: byClient, .nobodyKnowsIt)
    // From the far side it may be one that a NAT on the way has let through.
    #expect(Set(answer.fitting) == (byClient ? ["no-socket", "conntrack-invalid"] : ["no-socket"]))
    #expect(
      answer.suspects.first?.evidence.first?.contains("answers a probe (keepalive, or of a closed window)")
        == true)
  }

  /// Was: a program ends the connection by a RST itself; and without that RST, nothing is wrong.
  @Test(arguments: [
    (true, End.silentAndGivenUp), (false, .silentAndGivenUp), (true, .silent), (false, .silent),
  ])
  func whoAsksInVainHasLostItsPeer(byClient: Bool, end: End) throws {
    let answer = try Self.asked(byClient: byClient, end)
    #expect(answer.suspects.first?.name == "peer-gone", "\(answer.headline)")
    #expect(!answer.fitting.contains("program-resets"))
    let words = answer.suspects.first?.evidence.first ?? ""
    #expect(words.hasPrefix("9 probes of the \(byClient ? "client" : "server")"), "\(words)")
    #expect(words.hasSuffix("gives up by a RST") == (end == .silentAndGivenUp), "\(words)")
  }

  @Test(arguments: [true, false]) func whoIsAnsweredHasNothingToSay(byClient: Bool) throws {
    let answer = try Self.asked(byClient: byClient, .answered)
    #expect(answer.suspects.isEmpty, "\(answer.headline)")
    #expect(answer.happened.first?.words.hasPrefix("1 connection that went well, in ") == true)
  }
}
