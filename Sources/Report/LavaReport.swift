import Judging
import Model

/// Lines of a POSIX shell.
typealias ShellText = FormatText<Shell>

enum Shell: TextFormat {
  /// One word. `<LAVA_SIGNAL_...>` on a terminal is an order to the dispatcher
  /// (lava_dispatcher/actions/test/shell.py), and no text of a case is to be one.
  static func escaped(_ text: String) -> String {
    ShellWord.quoted(Visible.line(text).replacing("<LAVA_", with: "\\u{3c}LAVA_"))
  }
}

extension Results {
  /// Commands of LAVA's test shell: a test set for each lab file and kernel, a test case for each case, by its dotted
  /// name (``CaseName``), with the seconds that it took. To be piped into `sh`.
  ///
  /// LAVA knows `pass`, `fail`, `skip` and `unknown` (lava_dispatcher/lava_test_shell/lava-test-case): a case that broke is
  /// `unknown`, a failure that is known is `skip`. What was wrong stands before it in the log.
  public var lava: String {
    var lines: [ShellText] = ["set -e"]
    for suite in suites {
      lines.append("lava-test-set start \(suite.name)")
      for entry in suite.cases {
        if entry.standing != .passed {
          lines += (entry.reasons + entry.furtherEvidence).map { "printf '%s\\n' \($0)" }
        }
        let result: ShellText =
          switch entry.standing {
          case .passed: "pass"
          case .failed: "fail"
          case .known, .skipped: "skip"
          case .broken: "unknown"
          }
        lines.append(
          "lava-test-case \(entry.machineName) --result " + result
            + " --measurement \(fixed(entry.seconds)) --units seconds")
      }
      lines.append("lava-test-set stop")
    }
    return (lines.joined(separator: "\n") + "\n").description
  }
}
