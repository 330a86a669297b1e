import Judging
import Model

extension Results {
  /// Markdown: a table of lab files by kernel, then what failed, then what differs.
  public var markdown: String {
    var lines: [MarkdownText] = ["### pawslab: \(headline)", ""]
    let names = kernelNames
    let findings = Finding.all(cases, on: names)
    if !findings.isEmpty {
      if let short = InShort(findings) { lines += ["\(block: short.text)", ""] }
      lines += ["#### who is hurt", "", "\(block: Finding.lines(findings, kernels: names))", ""]
    }
    let differences = names.count > 1 ? Difference.all(cases, between: names) : []
    if !differences.isEmpty {
      lines += [
        "#### the kernels differ", "", "\(block: Difference.lines(differences, kernels: kernels))", "",
      ]
    }
    lines.append("| lab file | " + names.map { "\($0)" }.joined(separator: " | ") + " |")
    lines.append("|---|" + names.map { _ in "---|" }.joined())
    for scenario in scenarios {
      let cells = names.map { name -> MarkdownText in
        let own = cases.filter { $0.scenario == scenario && $0.kernel == name }
        return "\(Self.words(own))"
      }
      lines.append("| \(scenario) | " + cells.joined(separator: " | ") + " |")
    }
    func list(_ title: MarkdownText, _ entries: [Entry]) {
      guard !entries.isEmpty else { return }
      lines += ["", "#### " + title]
      for entry in entries {
        let reason = Visible.joined(entry.reason)
        lines += ["", "- \(code: entry.words) on \(entry.kernel): **\(entry.standingInWords)**, \(reason)"]
        for line in entry.furtherEvidence { lines.append("  - \(line)") }
        if entry.seed != nil || entry.over != nil { lines.append("  - again: \(code: entry.command)") }
      }
    }
    list("not as expected", cases.filter(\.standing.isBad))
    list("known to fail", cases.filter { $0.standing == .known })
    if let remarks { lines += [""] + remarks.map { "- \($0)" } }
    let seeds = ofSeeds.flatMap { Self.lines(of: $0, among: names) }
    if !seeds.isEmpty { lines += ["", "#### over seeds", "", "\(block: seeds)"] }
    return (lines.joined(separator: "\n") + "\n").description
  }

  /// A case over its seeds, for whoever has several kernels or one.
  static func lines(of group: OfSeeds, among kernels: [String]) -> [String] {
    let first = group.entries[0]
    return ["\(first.id) over seeds \(group.seeds)" + (kernels.count > 1 ? " on \(first.kernel)" : "")]
      + group.table.lines.map { "  \($0)" }
      + (group.over.map { ["  \($0.verdict.rawValue): \($0.reason)"] } ?? [])
  }

  /// `12 pass, 1 fail`
  static func words(_ entries: [Entry]) -> String {
    let words: [(Standing, String)] = [
      (.passed, "pass"), (.failed, "fail"), (.known, "known to fail"), (.skipped, "skip"), (.broken, "error"),
    ]
    return words.compactMap { standing, word in
      let count = entries.count { $0.standing == standing }
      return count == 0 ? nil : "\(count) \(word)"
    }.joined(separator: ", ")
  }
}
