import Model

/// What a scenario shows, in words: what all of its cases have in common, and in what they differ.
public struct Overview {
  private let cases: [Case]

  /// - Parameter cases: those of one scenario.
  public init(_ cases: [Case]) { self.cases = cases }

  /// Line by line.
  public var lines: [String] {
    guard let first = cases.first else { return [] }
    var lines = [first.scenario + (first.source.map { "  (\($0.file))" } ?? ""), first.title, ""]
    lines += first.why.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    var values: [(axis: String, values: [String])] = []
    for value in cases.flatMap(\.axes) {
      if let index = values.firstIndex(where: { $0.axis == value.axis }) {
        if !values[index].values.contains(value.value) { values[index].values.append(value.value) }
      } else {
        values.append((value.axis, [value.value]))
      }
    }
    lines.append("\(cases.count) \(cases.count == 1 ? "case" : "cases")")
    lines += values.map { "  \($0.axis): \($0.values.joined(separator: ", "))" }
    lines.append("expected")
    var reasons: [String] = []
    for rule in cases.flatMap(\.rules) {
      let outcomes = rule.outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      let line =
        (outcomes.isEmpty ? "everything connected" : outcomes.joined(separator: ", "))
        + ", because \(rule.because)"
      if !reasons.contains(line) { reasons.append(line) }
    }
    return lines + reasons.map { "  " + $0 }
  }
}
