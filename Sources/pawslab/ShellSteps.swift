import Evidence
import Foundation
import Judging
import Lab
import Model
import Report
import Wire

/// The steps of a case for somebody in a shell of its network: the program that asks for them, and what it is told.
struct ShellSteps: Sendable {
  let test: Case
  let kernel: Kernel

  /// The programs by name. The lab's pipes are their descriptors 8 and 9, or in a guest at paths that the environment
  /// has; only who has the lock is answered (flock(1), where there is one).
  static let programs: [String: String] = ["step": script, "steps": script]

  private static let script = #"""
    #!/bin/sh
    # Asks pawslab, which keeps this network up, for steps of its case.
    if [ -n "$PAWSLAB_ASK" ]; then exec 8>"$PAWSLAB_ASK" 9<"$PAWSLAB_ANSWER"; fi
    if ! : >&8; then echo "step: not in a shell of pawslab's" >&2; exit 2; fi 2>/dev/null
    flock 8 2>/dev/null
    trap 'flock -u 8 2>/dev/null' EXIT
    trap 'exit 130' INT TERM
    echo "$$ ${0##*/} $*" >&8 || exit 3
    told=
    while IFS= read -r line <&9; do
      case $line in
        "= $$") told=1 ;;
        ". $$ "*) exit "${line##* }" ;;
        *) [ -z "$told" ] || printf '%s\n' "$line" ;;
      esac
    done
    exit 3

    """#

  /// Where the case is: each step, and which is the next.
  func list(next: Int) -> [String] {
    var lines: [String] = []
    for (index, step) in test.workload.enumerated() {
      let mark = index < next ? "done" : index == next ? "next" : ""
      let place = mark.padding(toLength: 4, withPad: " ", startingAt: 0)
      lines += Columns.fit("  \(place)  \(index + 1). \(step.action.words)")
    }
    if next == test.workload.count { lines.append("  all steps are done") }
    return lines
  }

  /// What is said of what was asked for, and the status of the program that asked: 0, 1 where the case came to something
  /// else than expected, 3 where it broke.
  func answer(_ told: StepTold) -> (lines: [String], status: Int) {
    let asked = told.asked
    guard asked.words.first == "step" else { return (list(next: asked.next), 0) }
    var lines: [String] = []
    if asked.began < asked.next {
      for index in asked.began..<asked.next {
        lines += Columns.fit("\(index + 1). \(test.workload[index].action.words)")
        lines += told.attempts.filter { $0.step == index }.map { "   \(Self.words($0))" }
      }
    } else if asked.failure == nil {
      return (list(next: asked.next), 0)
    }
    lines += ladder(told).map { "  " + $0 }
    var status = 0
    if let failure = asked.failure {
      lines += Columns.fit("step: \(failure)")
      status = 3
    }
    if let seen = told.observation {
      let judgement = judge(test, on: kernel, seen: seen)
      let result = CaseResult(
        test: test, kernel: KernelName.host.text, judgement: judgement, observation: seen, seconds: 0)
      lines.append("")
      lines += TextReport(detail: .verbose, colour: false).lines(result, width: Columns.width - 2)
        .map { "  \($0.description)" }
      if judgement.verdict != .pass { status = 1 }
    } else if asked.next < test.workload.count, asked.failure == nil {
      lines += Columns.fit("next: \(asked.next + 1). \(test.workload[asked.next].action.words)")
    }
    return (lines.flatMap { Visible.lines($0) }, status)
  }

  /// `late #1: ETIMEDOUT after 2032.6 ms`; what it is called, its packets say.
  private static func words(_ attempt: Attempt) -> String {
    let time = String(format: "%.1f ms", Double(attempt.ended.subtracting(attempt.began)) / 1_000_000)
    return "\(attempt.label) #\(attempt.id): "
      + (attempt.errno.map { "\($0) after \(time)" } ?? "done in \(time)")
  }

  /// The packets since somebody asked last, with what is to be noticed on each.
  private func ladder(_ told: StepTold) -> [String] {
    guard let since = told.packets.map(\.time).min() else { return ["no packets"] }
    var seen = Observation(caseID: test.id)
    seen.packets = told.all
    return Ladder(
      seen, lanes: Lanes(test.network), limit: 60, since: since,
      ticksPerSecond: kernel.timestampTicksPerSecond
    ).lines(width: Columns.width - 2)
  }
}
