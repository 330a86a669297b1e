import Foundation
import Scenario

/// A run in the words of other tools.
public enum Format: String, Sendable, CaseIterable {
  /// For people: the lines of `pawslab run`.
  case text
  /// One self-contained page.
  case html
  /// JUnit XML, as Jenkins, GitLab and others read it.
  case junit
  /// KTAP version 1 (Documentation/dev-tools/ktap.rst).
  case ktap
  /// GitHub-flavoured Markdown, for a job's summary.
  case markdown
  /// Workflow commands of GitHub Actions, one for each case that failed.
  case github

  /// What `--out` calls the file; nil for what is only printed.
  public var file: String? {
    switch self {
    case .text, .github: nil
    case .html: "report.html"
    case .junit: "junit.xml"
    case .ktap: "results.ktap"
    case .markdown: "summary.md"
    }
  }
}

extension Results {
  /// The cases of one lab file on one kernel.
  struct Suite {
    var kernel: String
    var scenario: String
    var cases: [Entry]

    var name: String { "\(scenario) on \(kernel)" }
  }

  /// In the order of the cases.
  var suites: [Suite] {
    var suites: [Suite] = []
    var places: [String: Int] = [:]
    for entry in cases {
      let key = "\(entry.kernel) \(entry.scenario)"
      if let place = places[key] {
        suites[place].cases.append(entry)
      } else {
        places[key] = suites.count
        suites.append(Suite(kernel: entry.kernel, scenario: entry.scenario, cases: [entry]))
      }
    }
    return suites
  }

  /// The lab files, in the order of the cases.
  var scenarios: [String] {
    var seen: Set<String> = []
    return cases.map(\.scenario).filter { seen.insert($0).inserted }
  }

  /// `1 passed, ...` and on which kernels.
  var headline: String {
    let systems = kernelNames.map { name in
      (name == "host" ? "" : "\(name): ") + "Linux \(kernels[name]?.release ?? "?")"
    }
    return "\(summary.text) in \(fixed(summary.seconds, decimals: 1)) s on \(systems.joined(separator: "; "))"
  }

  /// JUnit XML: a suite for each lab file and kernel.
  public func junit(time: Date) -> String {
    var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites>"]
    let stamp = time.formatted(.iso8601).prefix(19)  // UTC, without a zone: so the schema wants it
    for (number, suite) in suites.enumerated() {
      func count(_ verdict: Verdict) -> Int { suite.cases.count { $0.verdict == verdict } }
      let seconds = suite.cases.reduce(0) { $0 + $1.seconds }
      lines.append(
        "  <testsuite id=\"\(number)\" package=\"pawslab\" name=\"\(escaped(suite.name))\" "
          + "timestamp=\"\(stamp)\" hostname=\"\(escaped(suite.kernel))\" tests=\"\(suite.cases.count)\" "
          + "failures=\"\(count(.fail))\" errors=\"\(count(.error))\" skipped=\"\(count(.skip))\" "
          + "time=\"\(fixed(seconds))\">")
      let release = kernels[suite.kernel]?.release ?? "?"
      lines.append(
        "    <properties><property name=\"kernel\" value=\"\(escaped(release))\"/></properties>")
      for entry in suite.cases {
        let open =
          "    <testcase classname=\"\(escaped(suite.kernel)).\(escaped(suite.scenario))\" "
          + "name=\"\(escaped(entry.shortName))\" time=\"\(fixed(entry.seconds))\""
        let reason = escaped(entry.reason)
        switch entry.verdict {
        case .pass: lines.append(open + "/>")
        case .skip: lines.append(open + "><skipped message=\"\(reason)\"/></testcase>")
        case .fail, .error:
          let kind = entry.verdict == .fail ? "failure" : "error"
          lines.append(
            open + "><\(kind) type=\"\(entry.verdict.rawValue)\" message=\"\(reason)\">"
              + escaped(entry.evidence.joined(separator: "\n")) + "</\(kind)></testcase>")
        }
      }
      lines += ["    <system-out/>", "    <system-err/>", "  </testsuite>"]
    }
    return lines.joined(separator: "\n") + "\n</testsuites>\n"
  }

  /// KTAP: a subtest for each lab file and kernel.
  public var ktap: String {
    var lines = ["KTAP version 1", "1..\(suites.count)"]
    for (number, suite) in suites.enumerated() {
      lines += ["  KTAP version 1", "  # Subtest: \(suite.name)", "  1..\(suite.cases.count)"]
      for (index, entry) in suite.cases.enumerated() {
        let bad = [.fail, .error].contains(entry.verdict)
        // A number sign begins a directive.
        let name = entry.shortName.replacing("#", with: "")
        lines.append(
          "  \(bad ? "not ok" : "ok") \(index + 1) \(name)"
            + (entry.verdict == .skip ? " # SKIP \(entry.reason)" : ""))
        if bad {
          lines += (["\(entry.verdict.rawValue): \(entry.reason)"] + entry.evidence).map { "  # " + $0 }
        }
      }
      let bad = suite.cases.contains { [.fail, .error].contains($0.verdict) }
      lines.append("\(bad ? "not ok" : "ok") \(number + 1) \(suite.name)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Markdown: a table of lab files by kernel, then what failed, then what differs.
  public var markdown: String {
    var lines = ["### pawslab: \(headline)", ""]
    let names = kernelNames
    lines.append("| lab file | " + names.joined(separator: " | ") + " |")
    lines.append("|---|" + names.map { _ in "---|" }.joined())
    for scenario in scenarios {
      let cells = names.map { name in
        let own = cases.filter { $0.scenario == scenario && $0.kernel == name }
        let words = Verdict.allCases.compactMap { verdict -> String? in
          let count = own.count { $0.verdict == verdict }
          return count == 0 ? nil : "\(count) \(verdict.rawValue)"
        }
        return words.isEmpty ? "" : words.joined(separator: ", ")
      }
      lines.append("| \(scenario) | " + cells.joined(separator: " | ") + " |")
    }
    let bad = cases.filter { [.fail, .error].contains($0.verdict) }
    if !bad.isEmpty { lines += ["", "#### not as expected"] }
    for entry in bad {
      lines += ["", "- `\(entry.id)` on \(entry.kernel): **\(entry.verdict.rawValue)**, \(entry.reason)"]
      for line in entry.evidence { lines.append("  - \(line)") }
    }
    let differences = names.count > 1 ? Difference.all(cases, between: names) : []
    if !differences.isEmpty {
      lines += ["", "#### the kernels differ", "", "```"] + Difference.lines(differences) + ["```"]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// `::error ...` for each case that failed.
  public var github: String {
    cases.filter { [.fail, .error].contains($0.verdict) }.map { entry in
      func value(_ text: String) -> String {
        text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
      }
      let title = value("\(entry.id) on \(entry.kernel)").replacing(":", with: "%3A").replacing(
        ",", with: "%2C")
      let text = ([entry.reason] + entry.evidence).joined(separator: "\n")
      return "::error file=lab/\(entry.scenario).yaml,title=\(title)::\(value(text))\n"
    }.joined()
  }
}

extension Results.Entry {
  /// Without the lab file's name, and marked where it was emulated.
  var shortName: String {
    let axes = id.split(separator: "/", maxSplits: 1).dropFirst().first.map(String.init) ?? id
    return axes + (emulated == true ? " [emulated]" : "")
  }

  /// What disagreed, a line each.
  var evidence: [String] {
    attempts.filter { !$0.holds }.map {
      "\($0.attempt.label) #\($0.attempt.id): \($0.word), expected \($0.expected), "
        + "\($0.syns) SYNs sent, \($0.synsAtServer) at the server"
    } + witnesses.filter { !$0.holds }.map { "\($0.name): expected \($0.expected), saw \($0.seen)" }
  }
}

/// For XML and HTML, in text and in attributes; characters that XML has no place for become U+FFFD.
func escaped(_ text: some StringProtocol) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "\t", "\n": result.unicodeScalars.append(scalar)
    case _ where scalar.value < 0x20 || scalar.value == 0xfffe || scalar.value == 0xffff: result += "\u{fffd}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
