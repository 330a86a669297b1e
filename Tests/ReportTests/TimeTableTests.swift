import Foundation
import Report
import Testing

/// What time costs, in three formats.
@Suite struct TimeTableTests {
  static let table = TimeTable(
    head: .init(
      date: "2026-11-29T11:00:00Z", processor: "A | processor", processors: 2, release: "6.1.0",
      qemu: "QEMU 7.2",
      load: 1.25),
    kernels: [
      .init(
        name: "a", release: "5.10.0", cases: 24,
        rows: [
          .init(.cold, virtual: 20, real: 6.5), .init(.hour, virtual: 1.5),
          .init(.idleRate, virtual: 2400.04),
        ]),
      .init(
        name: "b", release: "6.1.0", cases: 3, rows: [.init(.cold, virtual: nil, real: 7)],
        missing: ["virtual time, which is not there"]),
    ])

  @Test func asTextEachKernelHasItsBlock() {
    #expect(
      Self.table.lines == [
        "2026-11-29T11:00:00Z, A | processor, 2 processors, Linux 6.1.0, QEMU 7.2, load 1.3",
        "a, Linux 5.10.0, 24 cases                           virtual        real",
        "from command to verdict, nothing saved (s)            20.00        6.50",
        "an hour in which nothing happens (s)                   1.50           -",
        "seconds of the guest's a second, idle                2400.0           -",
        "b, Linux 6.1.0, 3 cases                             virtual        real",
        "from command to verdict, nothing saved (s)                -        7.00",
        "not measured: virtual time, which is not there",
      ])
  }

  @Test func asMarkdownKernelsAreColumns() {
    let lines = Self.table.markdown.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(
      lines.prefix(1) == [
        "2026-11-29T11:00:00Z, A \\| processor, 2 processors, Linux 6.1.0, QEMU 7.2, load 1.3"
      ])
    #expect(lines.contains("| virtual / real | a, Linux 5.10.0, 24 cases | b, Linux 6.1.0, 3 cases |"))
    #expect(lines.contains("| from command to verdict, nothing saved (s) | 20\\.00 / 6.50 | \\- / 7.00 |"))
    #expect(lines.contains("| an hour in which nothing happens (s) | 1\\.50 / - | - |"))
    #expect(lines.contains("- b, not measured: virtual time, which is not there"))
    let columns = lines.filter { $0.hasPrefix("|") }.map { $0.split(separator: "|").count }
    #expect(Set(columns) == [3])
  }

  @Test func asJSONItIsReadAgain() throws {
    let read = try JSONDecoder().decode(TimeTable.self, from: Data(try Self.table.json().utf8))
    #expect(read.lines == Self.table.lines)
  }
}
