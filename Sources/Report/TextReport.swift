import Scenario

/// A run as text: one line per case, the table, what went wrong.
public struct TextReport: Sendable {
  /// How much is said.
  public enum Detail: Sendable {
    /// Only what failed, and the last line.
    case quiet
    case normal
    /// Every witness.
    case verbose
  }

  /// How much is said.
  public let detail: Detail
  /// Whether escape sequences for colour are written.
  public let colour: Bool

  /// Makes a report.
  public init(detail: Detail, colour: Bool) {
    self.detail = detail
    self.colour = colour
  }

  /// `pass  time-wait-clash/rfc1337=1,...  2.05 s`, with what disagreed below.
  public func lines(_ result: CaseResult) -> [String] {
    let verdict = result.judgement.verdict
    if detail == .quiet, verdict == .pass || verdict == .skip { return [] }
    var lines = [
      "\(paint(verdict))  \(result.test.id)  \(fixed(result.seconds, decimals: 2)) s"
    ]
    if verdict != .pass || detail == .verbose { lines.append("       \(result.judgement.reason)") }
    let shown =
      detail == .verbose
      ? result.judgement.witnesses : result.judgement.witnesses.filter { !$0.holds }
    if verdict == .fail || detail == .verbose {
      for attempt in result.judgement.attempts where detail == .verbose || !attempt.holds {
        lines.append(
          "       \(attempt.attempt.label) #\(attempt.attempt.id): \(attempt.outcome.rawValue)"
            + ", expected \(attempt.expected), \(attempt.syns) SYNs sent, \(attempt.synsAtServer) at the server"
            + ", \(fixed(attempt.milliseconds, decimals: 1)) ms")
      }
      for witness in shown {
        lines.append(
          "       \(witness.holds ? "ok" : "NO")  \(witness.name): expected \(witness.expected), saw \(witness.seen)"
        )
      }
    }
    return lines
  }

  /// Scenario by verdict, then the reasons for skips, then the sum.
  public func summary(_ results: [CaseResult], seconds: Double, kernel: Kernel) -> [String] {
    let summary = Results.Summary(results, seconds: seconds)
    let last =
      "\(summary.text) in \(fixed(seconds, decimals: 1)) s on Linux \(kernel.release)"
      + (kernel.privilege == .userNamespace ? ", in a user namespace" : "")
    guard detail != .quiet else { return [last] }
    var scenarios: [String] = []
    for result in results where !scenarios.contains(result.test.scenario) {
      scenarios.append(result.test.scenario)
    }
    let width = max(8, scenarios.map(\.count).max() ?? 8)
    var lines = [pad("scenario", width) + "   pass  fail  skip error  longest"]
    for scenario in scenarios {
      let own = results.filter { $0.test.scenario == scenario }
      let counts = Verdict.allCases.map { verdict in
        pad(String(own.count { $0.judgement.verdict == verdict }), 6, right: true)
      }
      let longest = fixed(own.map(\.seconds).max() ?? 0, decimals: 2)
      lines.append(pad(scenario, width) + " " + counts.joined() + "  " + pad(longest + " s", 9, right: true))
    }
    var reasons: [(reason: String, count: Int)] = []
    for result in results where result.judgement.verdict == .skip {
      if let index = reasons.firstIndex(where: { $0.reason == result.judgement.reason }) {
        reasons[index].count += 1
      } else {
        reasons.append((result.judgement.reason, 1))
      }
    }
    for reason in reasons { lines.append("skipped \(reason.count): \(reason.reason)") }
    return lines + ["", last]
  }

  private func paint(_ verdict: Verdict) -> String {
    let text = pad(verdict.rawValue, 5)
    guard colour else { return text }
    let code =
      switch verdict {
      case .pass: 32
      case .fail: 31
      case .skip: 33
      case .error: 35
      }
    return "\u{1b}[\(code)m\(text)\u{1b}[0m"
  }
}
