import Model

extension Results {
  /// KTAP: a subtest for each lab file and kernel.
  ///
  /// What is said of a case comes before its result line, to which kunit.py and the specification give it. A parent
  /// fails with any of its cases and is skipped with all of them.
  public var ktap: String {
    var lines: [KTAPText] = ["KTAP version 1", "1..\(suites.count)"]
    for (number, suite) in suites.enumerated() {
      lines += ["  KTAP version 1", "  # Subtest: \(suite.name)", "  1..\(suite.cases.count)"]
      for (index, entry) in suite.cases.enumerated() { lines += result(entry, number: index + 1) }
      let bad = suite.cases.contains(where: \.standing.isBad)
      let skipped = suite.count(.skipped) == suite.cases.count
      lines.append(
        "\(status(bad)) \(number + 1) \(suite.name)" + (skipped ? " # SKIP none of its cases could run" : ""))
    }
    return (lines.joined(separator: "\n") + "\n").description
  }

  private func result(_ entry: Entry, number: Int) -> [KTAPText] {
    let standing = entry.standing
    let line: KTAPText = "  \(status(standing.isBad)) \(number) \(entry.machineName)"
    var lines: [KTAPText] = []
    switch standing {
    case .passed: return [line]
    case .skipped: return [line + " # SKIP \(inResult: entry.why)"]
    case .failed, .broken, .known:
      // Nothing of this can look like "# Subtest: NAME", for a word of ours comes first.
      for (index, text) in Visible.lines(entry.reason).enumerated() {
        lines.append(index > 0 ? "  #   | \(text)" : "  # \(entry.standingInWords): \(text)")
      }
      lines += entry.furtherEvidence.map { "  #   \($0)" }
    }
    // kselftest.h writes an expected failure so (ksft_test_result_xfail).
    return lines + [standing == .known ? line + " # XFAIL \(inResult: entry.known?.text ?? "")" : line]
  }

  private func status(_ bad: Bool) -> KTAPText { bad ? "not ok" : "ok" }
}
