import LabFile
import Testing

/// A mistake shows its line, and what of it is meant.
@Suite struct ExcerptTests {
  static func excerpt(_ right: String, _ wrong: String) throws -> [String] {
    let text = MistakeTests.good.replacing(right, with: wrong, maxReplacements: 1)
    do { _ = try LabFiles.parse(text, file: "lab/x.yaml") } catch {
      return try #require(error.mistakes.first).excerpt { $0.replacing("\t", with: " ") }
    }
    return []
  }

  @Test(arguments: [
    (
      "    closes: server", "    close: server",
      ["   17 |     close: server", "      |     ^~~~~"]
    ),
    (
      "late: dropped by tw-paws", "late: dropped by tw-pavs",
      ["   23 |     late: dropped by tw-pavs", "      |           ^~~~~~~~~~~~~~~~~~"]
    ),
    (
      "clock: behind", "clock: \"behi d\"",
      ["    7 |   late: {clock: \"behi d\"}", "      |                 ^~~~~~~~"]
    ),
    (
      "conntrack: flushed}\n    late", "conntrack: flashed}\n    late",
      [
        "   22 |   - when: {server.tcp_rfc1337: 1, conntrack: flashed}",
        "      |                                              ^~~~~~~",
      ]
    ),
    // A mapping, a list: where it begins.
    ("family: [ipv4, ipv6]", "family: {a: b}", ["   13 |   family: {a: b}", "      |           ^"]),
    // Wide characters, a mark on another.
    (
      "controls: [family]", "controls: [\"日本\", \"e\u{301}x\"]",
      ["   14 | controls: [\"日本\", \"e\u{301}x\"]", "      |            ^~~~~~"]
    ),
    ("controls: [family]", "controls:\t[famil]", ["   14 | controls: [famil]", "      |            ^~~~~"]),
  ])
  func theLineIsShown(right: String, wrong: String, lines: [String]) throws {
    #expect(try Self.excerpt(right, wrong) == lines)
  }

  @Test func longLinesAreCut() throws {
    let long = String(repeating: "x", count: 300)
    let lines = try Self.excerpt(
      "late: {clock: behind}", "late: {clock: behind} # \(long)\n  more: {clck: \(long)}")
    #expect(lines.allSatisfy { $0.count <= 110 }, "\(lines)")
    #expect(lines.last == "      |          ^~~~")
    let far = try Self.excerpt("[kept, flushed]", "[kept, flushed, \"\(long.prefix(120))\", kept] # \(long)")
    #expect(far.allSatisfy { $0.count <= 110 }, "\(far)")
    #expect(far.first?.contains(", kept] # xxx") == true)
    #expect(far.last?.hasSuffix(" ^~~~") == true)
  }

  @Test func theWholeFileHasNoLine() throws {
    do { _ = try LabFiles.load(path: "no/such.yaml") } catch {
      #expect(error.mistakes.map { $0.excerpt { $0 } } == [[]])
    }
  }
}
