import Judging
import Model

extension Results {
  /// What a test of LTP prints (lib/tst_test.c, `print_result` and `do_exit`): a line for each case, then the counts, by
  /// which kirk counts (libkirk/ltp.py).
  ///
  /// A failure that is known is `TCONF`, as what is skipped: LTP has no other word for what does not count.
  public var ltp: String {
    var lines: [KTAPText] = []
    for entry in cases {
      let place = entry.source.map(\.description) ?? entry.scenario
      let word: KTAPText =
        switch entry.standing {
        case .passed: "TPASS"
        case .failed: "TFAIL"
        case .known, .skipped: "TCONF"
        case .broken: "TBROK"
        }
      let name = "\(entry.machineName) on \(entry.kernel)"
      lines.append("\(place): " + word + ": \(name)" + (entry.standing == .passed ? "" : ": \(entry.why)"))
    }
    lines += [
      "", "Summary:", "passed   \(count(.passed))", "failed   \(count(.failed))",
      "broken   \(count(.broken))", "skipped  \(count(.skipped) + count(.known))", "warnings 0",
    ]
    return (lines.joined(separator: "\n") + "\n").description
  }
}
