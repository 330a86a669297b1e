import Diagnosis
import Report

/// The judge's mechanisms against what audit finds.
struct AuditMatrix {
  private enum Column: String, CaseIterable {
    case counted
    case set = "set"
    case both = "set and counted"
    case partly
    case silent
    /// Beside any of those: findings of another mechanism that is shown elsewhere.
    case exposed = "exposed to another"
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
    let findings = test.nodes.flatMap(\.findings)
    let set = test.judged(as: findings.filter { !$0.hasHappened })
    let counted = test.judged(as: findings.filter(\.hasHappened))
    var columns: Set<Column> = []
    let named = set.union(counted)
    if test.judged.isEmpty {
      if findings.isEmpty { columns.insert(.silent) }
    } else if named.isEmpty {
      columns.insert(.silent)
    } else if named != test.judged {
      columns.insert(.partly)
    } else {
      columns.insert(
        set == named && counted == named ? .both : set == named ? .set : counted == named ? .counted : .both)
    }
    func say(_ finding: Audit.Finding, _ mechanism: String, _ node: String) -> String {
      "\(test.id) on \(test.kernel): judged \(row); \(node): \(finding.rule) (\(mechanism)): \(finding.what)"
    }
    for node in test.nodes {
      for finding in node.findings {
        if finding.hasHappened {
          guard !test.isFree, !finding.mechanisms.contains(where: test.means), !test.claims(finding) else {
            continue
          }
          columns.insert(.wrong)
          wrong.append("WRONG " + say(finding, finding.mechanisms.joined(separator: ", "), node.name))
          continue
        }
        for mechanism in finding.mechanisms where !test.means(mechanism) {
          let others = shown["\(finding.rule) \(mechanism)"] ?? []
          let own = others.filter { $0.kernel == test.kernel }
          if own.contains(where: { $0.facts.isSubset(of: node.facts) }) {
            columns.insert(.exposed)
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
    if !test.judged.isEmpty, named != test.judged {
      open.append(
        "open  \(test.id) on \(test.kernel): judged \(row), nothing tells \(test.judged.subtracting(named).sorted())"
      )
    }
    for column in columns { counts[row, default: [:]][column, default: 0] += 1 }
    totals[row, default: 0] += 1
  }

  private var totals: [String: Int] = [:]

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
