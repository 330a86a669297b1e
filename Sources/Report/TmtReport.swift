import Foundation
import Judging
import Model

extension Results {
  /// Results of a test of tmt that has `result: custom` (tmt, spec/plans/results; tmt/schemas/results.yaml), as JSON,
  /// which YAML is too.
  ///
  /// `/` is the test itself, with the worst of what came of it; `/KERNEL/NAME` is a case, by its dotted name (``CaseName``).
  /// A failure that is known is `warn`.
  public func tmt() throws -> String {
    var lines = [TmtResult(name: "/", result: overall, note: [Visible.line(headline)])]
    for suite in suites {
      let kernel = suite.name.split(separator: ".").first ?? "-"
      lines += suite.cases.map { entry in
        TmtResult(
          name: "/\(kernel)/\(entry.machineName)", result: Self.outcome(of: entry.standing),
          note: entry.standing == .passed
            ? [] : (entry.reasons + entry.furtherEvidence).map { Visible.line($0) },
          duration: Self.clock(entry.seconds))
      }
    }
    return try jsonDocument(lines)
  }

  private var overall: String {
    if count(.broken) > 0 { return "error" }
    if count(.failed) > 0 { return "fail" }
    if nothingWasJudged { return "skip" }
    return count(.passed) == 0 && count(.known) > 0 ? "warn" : "pass"
  }

  private static func outcome(of standing: Standing) -> String {
    switch standing {
    case .passed: "pass"
    case .failed: "fail"
    case .known: "warn"
    case .skipped: "skip"
    case .broken: "error"
    }
  }

  /// `00:01:02`: hours, minutes and seconds, rounded up, so that what took time shows it.
  private static func clock(_ seconds: Double) -> String {
    let whole = seconds.isFinite ? Int(min(max(0, seconds), 3_599_999).rounded(.up)) : 0
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(two(whole / 3600)):\(two(whole / 60 % 60)):\(two(whole % 60))"
  }
}

/// One of them.
private struct TmtResult: Encodable {
  var name: String
  var result: String
  var note: [String]
  var duration: String?
}
