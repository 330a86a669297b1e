import Foundation
import Model

/// Records beside each other: what each kernel does, file by file; where they differ and why; what is skipped and why.
public struct RecordTable: Sendable {
  private let results: Results
  private let names: [String]

  /// In the order of the kernels' versions; of one version by name.
  ///
  /// - Throws: `Failure` where two of them are of one name.
  public init(_ records: [KernelRecord]) throws(Failure) {
    let records = records.sorted { left, right in
      let order = left.kernel.release.compare(right.kernel.release, options: .numeric)
      return order == .orderedSame ? left.name < right.name : order == .orderedAscending
    }
    let names = records.map(\.name)
    if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw Failure(
        stage: "record", object: twice, cause: "two of these records are of this name", isUsage: true)
    }
    let kernels = Dictionary(records.map { ($0.name, $0.kernel) }) { first, _ in first }
    var results = Results([], kernels: kernels, seconds: 0)
    for record in records { results.cases += record.results.cases }
    (self.results, self.names) = (results, names)
  }

  /// Markdown.
  public var markdown: String {
    let kernels = results.kernels
    var lines: [MarkdownText] = [
      "| lab file | " + names.map { "\($0)" }.joined(separator: " | ") + " |",
      "|---|" + names.map { _ in "---|" }.joined(),
      "| Linux | " + names.map { "\(kernels[$0]?.release ?? "?")" }.joined(separator: " | ") + " |",
    ]
    func row(_ title: MarkdownText, _ entries: [Results.Entry]) {
      let cells = names.map { name -> MarkdownText in
        "\(Results.words(entries.filter { $0.kernel == name }))"
      }
      lines.append("| " + title + " | " + cells.joined(separator: " | ") + " |")
    }
    for scenario in Set(results.cases.map(\.scenario)).sorted() {
      row("\(scenario)", results.cases.filter { $0.scenario == scenario })
    }
    row("all", results.cases)
    let differences = Difference.all(results.cases, between: names)
    lines += ["", "## Where they differ, and why", ""]
    lines.append("\(block: Difference.lines(differences, kernels: kernels))")
    lines += Difference.unexplained(differences, kernels).map { "\n\($0)" }
    lines += ["", "## What is skipped, and why", ""]
    lines.append("\(block: skips)")
    return (lines.joined(separator: "\n") + "\n").description
  }

  /// `12 on debian-11, 3 on debian-12: why`
  private var skips: [String] {
    let skipped = results.cases.filter { $0.verdict == .skip }
    // `59 s really pass in it` and `3,601 s` are one reason.
    let reasons = Dictionary(grouping: skipped) { entry in
      entry.reason.first?.isNumber == true ? "N\(entry.reason.drop { $0 != " " })" : entry.reason
    }
    .sorted { $0.key < $1.key }
    return reasons.map { reason, entries in
      let counts = names.compactMap { name -> String? in
        let count = entries.count { $0.kernel == name }
        return count == 0 ? nil : "\(count) on \(name)"
      }
      return "\(reason): \(counts.joined(separator: ", "))"
    }
  }
}
