import Foundation
import Model

/// A run in the words of other tools.
public enum Format: String, Sendable, CaseIterable {
  /// For people: the lines of `pawslab run`.
  case text
  /// One self-contained page.
  case html
  /// JUnit XML, as Jenkins, GitLab and others read it.
  case junit
  /// KTAP version 1 (Documentation/dev-tools/ktap.rst), which TAP parsers read too.
  case ktap
  /// GitHub-flavoured Markdown, for a job's summary.
  case markdown
  /// Workflow commands of GitHub Actions, one for each case that failed.
  case github
  /// A report of the kernel CI database (``Results/kcidb(time:)``).
  case kcidb
  /// What a test of tmt with `result: custom` leaves in `$TMT_TEST_DATA/results.yaml` (``Results/tmt()``).
  case tmt
  /// Commands of LAVA's test shell (``Results/lava``).
  case lava
  /// The lines and the summary of a test of LTP (``Results/ltp``).
  case ltp
  /// `results.json` itself.
  case json

  /// What `--out` calls the file; nil for what is only printed.
  public var file: String? {
    switch self {
    case .text, .github, .kcidb, .tmt, .lava, .ltp, .json: nil
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

    /// The stable name of machine formats: the kernel's, a dot, the scenario's. No part has a dot of its own.
    var name: String {
      let own = String(
        kernel.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") ? $0 : "-" })
      let scenario = cases.first.map { CaseName(id: $0.id).segments.first ?? "" } ?? ""
      return "\(own.isEmpty ? "-" : own).\(scenario)"
    }

    func count(_ standings: Standing...) -> Int { cases.count { standings.contains($0.standing) } }
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
  var scenarios: [String] { Self.scenarios(of: cases) }

  static func scenarios(of entries: [Entry]) -> [String] {
    var seen: Set<String> = []
    return entries.map(\.scenario).filter { seen.insert($0).inserted }
  }

  /// `1 passed, ...` and on which kernels.
  var headline: String {
    let systems = kernelNames.map { name in
      (name == "host" ? "" : "\(name): ") + "Linux \(kernels[name]?.release ?? "?")"
    }
    return (nothingWasJudged ? "nothing was judged: " : "")
      + "\(summary.text) in \(fixed(summary.seconds, decimals: 1)) s on \(systems.joined(separator: "; "))"
  }

}

extension Results.Entry {
  /// What machine formats call it. Made from the id, whatever a file says; one segment more where seeds are told apart, and
  /// none for seed 0, which nobody has asked for: so a case keeps its name.
  var machineName: String {
    let name = CaseName(id: id).description
    if over != nil { return "\(name).over-seeds" }
    return name + (place.file.seed.map { ".seed-\($0)" } ?? "")
  }

  /// What disagreed, a line each.
  var evidence: [String] {
    let all =
      attempts.filter { !$0.holds }.map {
        "\($0.attempt.label) #\($0.attempt.id): \($0.word), expected \($0.expected), "
          + "\($0.syns) SYNs sent, \($0.synsAtServer) at the server"
      } + witnesses.filter { !$0.holds }.map(\.text)
    return Folded.lines(all, text: { $0 }, more: Folded.more)
  }

  /// The same without what the reason says already.
  var furtherEvidence: [String] { evidence.filter { $0 != reason } }
}
