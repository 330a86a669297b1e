import Model

/// How long a worker is waited for, in seconds. What a case may take follows from its steps and settings
/// (``Scenario/Case/longestWorkload``), so a worker that hangs is known long before the longest churn would be over:
/// it says nothing any more.
struct Patience: Sendable, Equatable {
  /// In all.
  var total: Int
  /// While it says nothing.
  var silence: Int

  /// So long either way.
  init(seconds: Int) { (total, silence) = (seconds, seconds) }

  /// For one case in a guest's own time, of which a minute idle takes a second at the most here.
  init(virtual test: Case) {
    self.init(seconds: 120 + min(test.longestWorkload, 1_000_000_000) / 1000 / 20)
  }

  /// For one case: set-up, its workload, evidence. An emulated processor that eight workers share takes its time.
  init(for test: Case, inGuest: Bool) {
    let factor = inGuest ? 2 : 1
    func seconds(_ parts: Int...) -> Int {
      let sum = parts.reduce(0) { total, part in
        let (sum, overflow) = total.addingReportingOverflow(part)
        return overflow ? .max : sum
      }
      // A century is enough, and Duration's range is not at stake.
      return min(sum / 1000 + 1, 3_000_000_000) * factor
    }
    total = seconds(Deadlines.slack, test.longestWorkload, Deadlines.slack)
    silence = min(total, seconds(test.longestSilence))
  }
}
