import Testing

/// `pawslab reference`, as a user calls it.
@Suite struct ReferenceCommandTests {
  @Test func withoutANameItIsAnOverview() throws {
    let ended = try ProgramTests.run("reference")
    #expect(ended.status == 0)
    for word in ["sections: ", "steps: ", "connect", "tcp_rfc1337", "tw-paws", "ipvs-fullnat", "tc-bpf"] {
      #expect(ended.output.contains(word), "\(word)")
    }
    #expect(ended.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test func aWordIsExplained() throws {
    let ended = try ProgramTests.run("reference", "tcp_rfc1337")
    #expect(ended.status == 0)
    #expect(ended.output.contains("0 or 1") && ended.output.contains("/proc/sys/net/ipv4/tcp_rfc1337"))
    #expect(!ended.output.contains("tcp_tw_reuse"))
  }

  @Test func whatNothingIsCalledByIsUsage() throws {
    let ended = try ProgramTests.run("reference", "conect")
    #expect(ended.status == 2)
    #expect(ended.errors == "pawslab: reference conect: nothing is called so; did you mean connect?\n")
    #expect(try ProgramTests.run("reference", "qqqqqq").errors.contains("the topics are sections, steps"))
  }

  /// Every row has as many cells as its head.
  @Test func markdownIsTables() throws {
    let ended = try ProgramTests.run("reference", "--format", "markdown")
    #expect(ended.status == 0)
    #expect(ended.output.hasPrefix("## Sections\n"))
    var columns = 0
    for line in ended.output.split(separator: "\n") where line.hasPrefix("|") {
      let cells = line.replacing("\\|", with: "").count { $0 == "|" }
      if line.hasPrefix("| --- |") { #expect(cells == columns) }
      if line.hasPrefix("| key |") || line.hasPrefix("| name |") { columns = cells }
      #expect(cells == columns, "\(line)")
    }
  }

  /// A mistake shows its line on a terminal.
  @Test func aMistakeShowsItsLine() throws {
    let ended = try ProgramTests.run("list", "Tests/LabFileTests/Broken/unknown-option.yaml")
    #expect(ended.status == 2)
    #expect(ended.errors.contains("\n   14 |     close: server\n      |     ^~~~~\n"), "\(ended.errors)")
  }
}
