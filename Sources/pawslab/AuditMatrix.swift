import Diagnosis
import Report

/// The judge's mechanisms against what audit finds.
struct AuditMatrix {
  private enum Column: String, CaseIterable {
    /// By a finding that names nothing else; by one that names several; some of them.
    case found
    case among = "among several"
    case partly
    /// By no finding, and by an exposure; by neither.
    case exposed = "exposure only"
    case neither
    /// Beside any of those: exposures to another mechanism that is shown elsewhere.
    case another = "exposed to another"
    case alike = "... by another value"
    case wrong
  }

  private var counts: [String: [Column: Int]] = [:]
  private(set) var wrong: [String] = []
  private(set) var open: [String] = []

  init(_ cases: [AuditedCase]) {
    var shown: [String: [(facts: Set<String>, kernel: String)]] = [:]
    for test in cases {
      for node in test.nodes {
        for finding in node.findings where !finding.hasHappened {
          for mechanism in finding.mechanisms where test.means(mechanism) {
            shown["\(finding.rule) \(mechanism)", default: []].append((node.facts, test.kernel))
          }
        }
      }
    }
    for test in cases { note(test, shown) }
  }

  private mutating func note(
    _ test: AuditedCase, _ shown: [String: [(facts: Set<String>, kernel: String)]]
  ) {
    let row = test.judged.isEmpty ? "nothing" : test.judged.sorted().joined(separator: " + ")
    let all = test.nodes.flatMap(\.findings)
    let findings = all.filter(\.hasHappened)
    let found = test.judged(as: findings)
    let alone = test.judged(as: findings.filter { Set($0.mechanisms.map(AuditedCase.kind)).count == 1 })
    let exposed = test.judged(as: all.filter { !$0.hasHappened })
    let named = found.union(exposed)
    var columns: Set<Column> = []
    if test.judged.isEmpty {
      if findings.isEmpty { silent += 1 }
      if all.isEmpty { withoutExposure += 1 }
    } else {
      attempted += 1
      if alone == test.judged {
        columns.insert(.found)
      } else if found == test.judged {
        columns.insert(.among)
      } else if !found.isEmpty {
        columns.insert(.partly)
      } else {
        columns.insert(exposed == test.judged ? .exposed : .neither)
      }
    }
    func say(_ finding: Audit.Finding, _ mechanism: String, _ node: String) -> String {
      "\(test.id) on \(test.kernel): judged \(row); \(node): \(finding.rule) (\(mechanism)): \(finding.what)"
    }
    for node in test.nodes {
      for finding in node.findings {
        if finding.hasHappened {
          if finding.mechanisms.contains(where: test.means) { continue }
          if test.judged.isEmpty {
            open.append("found " + say(finding, finding.mechanisms.joined(separator: ", "), node.name))
          }
          guard !test.isFree, !test.claims(finding) else { continue }
          columns.insert(.wrong)
          wrong.append("WRONG " + say(finding, finding.mechanisms.joined(separator: ", "), node.name))
          continue
        }
        for mechanism in finding.mechanisms where !test.means(mechanism) {
          let others = shown["\(finding.rule) \(mechanism)"] ?? []
          let own = others.filter { $0.kernel == test.kernel }
          if own.contains(where: { $0.facts.isSubset(of: node.facts) }) {
            columns.insert(.another)
          } else if !others.isEmpty {
            columns.insert(.alike)
            open.append("alike " + say(finding, mechanism, node.name))
          } else if !test.isFree {
            columns.insert(.wrong)
            wrong.append("WRONG " + say(finding, mechanism, node.name))
          }
        }
      }
    }
    if found != test.judged {
      let words =
        named == test.judged
        ? "only an exposure tells" : "nothing tells \(test.judged.subtracting(named).sorted()), no finding"
      open.append(
        "open  \(test.id) on \(test.kernel): judged \(row), \(words) \(test.judged.subtracting(found).sorted())"
      )
    }
    for column in columns { counts[row, default: [:]][column, default: 0] += 1 }
    totals[row, default: 0] += 1
  }

  private var totals: [String: Int] = [:]
  /// Cases in which all are connected and no node has a finding; neither a finding nor an exposure.
  private var silent = 0
  private var withoutExposure = 0
  /// Cases that the judge explains by some mechanism.
  private var attempted = 0

  /// The two halves of what audit is for, in words.
  var sums: [String] {
    func sum(_ column: Column) -> Int { counts.values.reduce(0) { $0 + ($1[column] ?? 0) } }
    let connected = totals["nothing"] ?? 0
    return [
      "judged by a mechanism: \(attempted); found: \(sum(.found)), among several: \(sum(.among)), partly: "
        + "\(sum(.partly)), by an exposure only: \(sum(.exposed)), by neither: \(sum(.neither))",
      "connected: \(connected); without a finding: \(silent), without an exposure too: \(withoutExposure)",
      wrong.isEmpty ? "nothing is wrong" : "wrong: \(wrong.count)",
    ]
  }

  private var rows: [String] { totals.keys.sorted() }

  var lines: [String] {
    func padded(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    let head = "judged".padding(toLength: 30, withPad: " ", startingAt: 0)
    var lines = [head + padded("cases", 7) + Column.allCases.map { padded($0.rawValue, 21) }.joined()]
    for row in rows {
      lines.append(
        row.padding(toLength: 30, withPad: " ", startingAt: 0) + padded("\(totals[row] ?? 0)", 7)
          + Column.allCases.map { padded(counts[row]?[$0].map(String.init) ?? ".", 21) }.joined())
    }
    return lines
  }

  var markdown: MarkdownText {
    var text: MarkdownText = "| judged | cases |"
    for column in Column.allCases { text += " \(column.rawValue) |" }
    text += "\n| --- | --- |"
    for _ in Column.allCases { text += " --- |" }
    for row in rows {
      text += "\n| \(row) | \(totals[row] ?? 0) |"
      for column in Column.allCases { text += " \(counts[row]?[column].map(String.init) ?? "") |" }
    }
    return text + "\n"
  }
}
