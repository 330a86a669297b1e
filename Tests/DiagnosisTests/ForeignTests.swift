import Diagnosis
import Foundation
import Testing

/// Outages that are none of the lab's mechanisms, captured by tcpdump (Foreign/record.sh): none of them is named.
@Suite struct ForeignTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "Foreign")
  static let captures = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
    .filter { $0.hasSuffix(".pcap") }.sorted()

  /// What it looks like, by cause and place; one that says nothing is wrong from there on.
  static let looks: [String: String] = [
    "closed": "nobody-listens", "closed6": "nobody-listens", "input_reset": "nobody-listens",
    "forward_reset": "nobody-listens", "input_drop": "nothing-answers", "input_drop6": "nothing-answers",
    "forward_drop": "nothing-answers", "dead": "nothing-answers", "no_route_back": "nothing-answers",
    "syn_loss": "loss", "linger": "program-resets", "unread": "program-resets", "vanished": "client-gone",
    "client_drop": "client-drops", "blackhole": "too-large", "peer_gone": "peer-gone", "loop": "routing-loop",
  ]

  static func answer(_ name: String) throws -> Answer {
    try Wire.answer([UInt8](try Data(contentsOf: folder.appendingPathComponent(name))), pieces: 1 << 20)
  }

  @Test func thereAreMany() { #expect(Self.captures.count >= 50) }

  @Test(arguments: captures) func noMechanismIsNamed(name: String) throws {
    let answer = try Self.answer(name)
    #expect(answer.named.isEmpty, "\(answer.headline)")
    let cause = String(name.prefix { $0 != "." })
    guard let looks = Self.looks[cause], answer.verdict != .nothingWrong else { return }
    // From elsewhere than the client's own machine its filter is one on the way.
    if cause == "client_drop", !name.contains("client.") {
      #expect(answer.fitting.contains("lost-answer"))
    } else {
      #expect(answer.suspects.contains { $0.name == looks && !$0.isMechanism }, "\(answer.headline)")
    }
  }

  /// Most are said to be none, outright; of the rest something fits that has to be looked at elsewhere.
  @Test func mostAreSaidToBeNone() throws {
    let verdicts = try Self.captures.map { try Self.answer($0).verdict }
    #expect(verdicts.count { $0 == .noneOfThese } >= 30)
    #expect(verdicts.count { $0 == .notEnough } <= 6)
  }

  /// What went well is not made a trouble of.
  @Test(arguments: ["healthy", "mute", "killed"], ["client", "hop", "server"])
  func whatWentWellIsSaidToHave(cause: String, place: String) throws {
    #expect(try Self.answer("\(cause).\(place).pcap").verdict == .nothingWrong)
  }
}
