import Foundation
import Report
import Testing

/// What the lab costs beside others, in three formats.
@Suite struct PeerTableTests {
  static func round(_ setup: Double, kernel: Int = 0) -> PeerTable.Round {
    PeerTable.Round(
      setup: setup, start: setup + 5, teardown: 50, processor: 2 * setup, kernelBytes: kernel,
      programBytes: 1024)
  }

  static let table: PeerTable = {
    var table = PeerTable(
      head: .init(
        date: "2026-11-29T21:00:00Z", processor: "A | processor", processors: 2, release: "6.1.0",
        loads: [1.25, 3]))
    table.networks = [
      .init(peer: "pawslab", clients: 100, rounds: [round(3, kernel: 1_024_000), round(40), nil]),
      .init(peer: PeerTable.yardstick, clients: 100, rounds: [round(2), round(20), round(1)]),
      .init(peer: "pawslab", clients: 1, rounds: [round(3)]),
    ]
    table.rates = [.init("boot (ms)", "pawslab", [1500, 1400, 1700])]
    table.missing = ["boot by virtme-ng: no vng"]
    return table
  }()

  /// Rounds of one number are of one minute: the load that doubles both changes nothing.
  @Test func theRatioIsThatOfPairs() {
    #expect(Self.table.ratio(Self.table.networks[0], \.setup) == 1.75)
    #expect(Self.table.ratio(Self.table.networks[2], \.setup) == nil, "nothing to hold it against")
    #expect(PeerTable.median([3, 1, 2]) == 2)
    #expect(PeerTable.median([]) == nil)
  }

  @Test func asTextEachHasItsLine() {
    let lines = Self.table.lines
    #expect(lines[0].hasSuffix("2 processors, Linux 6.1.0, load 1.3 to 3.0"))
    #expect(lines[3].hasPrefix("100      pawslab         21.5 (3.0 to 40.0), 1.75x"))
    #expect(lines[5].split(separator: " ").suffix(2) == ["-", "-"], "of one client it is the machine's noise")
    #expect(
      lines.suffix(2) == [
        "boot (ms), pawslab: 1500 (1400 to 1700)", "not measured: boot by virtme-ng: no vng",
      ])
  }

  @Test func asMarkdownNothingOfItIsMarkUp() {
    let text = Self.table.markdown
    #expect(text.hasPrefix("2026-11-29T21:00:00Z, A \\| processor, 2 processors"))
    #expect(text.contains("| clients | by | set-up (ms) |"))
    #expect(text.contains("\n- not measured: boot by virtme-ng: no vng\n"))
  }

  @Test func asJSONItIsReadAsItWasWritten() throws {
    let bytes = Data(try Self.table.json().utf8)
    #expect(try JSONDecoder().decode(PeerTable.self, from: bytes) == Self.table)
  }
}
