import Foundation
import Testing

@testable import Judging

/// A witness is a subject and numbers; the words are made of them, and old files have nothing else.
@Suite struct WitnessTests {
  static let all: [Witness] = [
    Witness(.counter(node: "server", name: "TcpExt.PAWSEstab"), expected: .number(2), seen: 3),
    Witness(.counter(node: "server", name: "TcpExt.PAWSEstab"), expected: .within(1...3), seen: 3),
    Witness(.packets(of: .init(label: "late", id: 1), what: "old ACKs"), expected: .atLeast(1), seen: 0),
    Witness(
      .reason(of: .init(label: "late", id: 1), names: ["TCP_RFC7323_TW_PAWS"]), expected: .number(2),
      seen: .words("1, and 1 drops were not heard"), holds: true, unheard: true),
    Witness(
      .source(of: nil, server: nil), expected: .words("hop"), seen: .words("no connection accepted"),
      holds: false),
    Witness(.timeWait, expected: .words("over 50 s left"), seen: .words("none"), holds: false),
    Witness(.drops(node: "server", reason: "NO_SOCKET"), expected: .number(1), seen: 1),
    Witness(.pattern(text: "early > server Flags [S]"), expected: .number(1), seen: 0),
    Witness(name: "late clock", expected: "-600000 ticks", seen: "as expected", holds: true),
  ]

  @Test func everySubjectIsSavedWhole() throws {
    let data = try JSONEncoder().encode(Self.all)
    #expect(try JSONDecoder().decode([Witness].self, from: data) == Self.all)
    // Who reads the file by other means finds the words where they always were.
    let saved = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    #expect(saved[0]["name"] as? String == "server TcpExt.PAWSEstab")
    #expect(saved[0]["expected"] as? String == "+2")
    #expect(saved[1]["expected"] as? String == "+1 to +3")
    #expect(saved[2]["expected"] as? String == "at least 1")
  }

  @Test func numbersHoldByWhatIsExpected() {
    #expect(Self.all.prefix(3).map(\.holds) == [false, true, false])
    #expect(Self.all[2].name == "late #1 old ACKs")
  }

  /// Five strings and a Bool, as they were written until there were subjects.
  @Test(arguments: [
    ("server TcpExt.PAWSEstab", "+1", "+0", Witness.Reading.number(1), 0),
    ("hop conntrack.insert_failed", "+0", "+2", .number(0), 2),
    ("server TcpExt.TCPTimeWaitOverflow", "+1 to +3", "+2", .range(from: 1, to: 3), 2),
    ("server emulated.PAWSPassive", "+2", "+-1", .number(2), -1),
  ])
  func oldCountersAreReadAsCounters(
    name: String, expected: String, seen: String, wanted: Witness.Reading, was: Int
  ) {
    let witness = Witness(name: name, expected: expected, seen: seen, holds: true)
    guard case .counter(let node, let counter) = witness.subject else {
      Issue.record("\(witness.subject)")
      return
    }
    #expect("\(node) \(counter)" == name)
    #expect(witness.expected == wanted)
    #expect(witness.seen == .number(was))
    #expect((witness.name, witness.expectedWords, witness.seenWords) == (name, expected, seen))
  }

  @Test(arguments: [
    ("late #1 old ACKs", "1 to 2", "1"), ("late clock", "-600000 ticks", "as expected"),
    ("late #1 drop reason NETFILTER_DROP", "2", "1"), ("early late.x", "+1 to", "+1"), ("a b.c", "+1", "+"),
  ])
  func otherOldOnesStayAsTheyWere(name: String, expected: String, seen: String) throws {
    let witness = Witness(name: name, expected: expected, seen: seen, holds: true, unheard: true)
    #expect(witness.subject == .text(name: name))
    #expect((witness.expectedWords, witness.seenWords) == (expected, seen))
    #expect(witness.unheard == true)
    let again = try JSONDecoder().decode(Witness.self, from: JSONEncoder().encode(witness))
    #expect(again == witness)
  }
}
