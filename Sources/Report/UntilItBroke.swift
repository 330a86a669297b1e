import Evidence
import Judging

extension CaseResult {
  /// What was seen until something broke, line by line, for whoever looks for the cause: how each attempt ended, which
  /// counters had moved, what sockets there were, what the kernel had thrown away. Nothing where the case was judged.
  var untilItBroke: [String] {
    guard judgement.verdict == .error, let seen = observation else { return [] }
    var lines = seen.attempts.prefix(50).map { attempt in
      let end =
        attempt.errno.map { "ended with \($0)" } ?? (attempt.kind == .send ? "acknowledged" : "connected")
      return "\(attempt.label) #\(attempt.id): \(end) after "
        + "\(fixed(milliseconds(from: attempt.began, to: attempt.ended), decimals: 1)) ms"
    }
    if seen.attempts.count > 50 { lines.append("and \(seen.attempts.count - 50) more attempts") }
    if seen.attempts.isEmpty { lines.append("no attempt had ended") }
    for node in test.network.nodes {
      for (name, change) in seen.counters(of: node).sorted(by: { $0.key < $1.key })
      where ["TcpExt.", "conntrack.", "emulated."].contains(where: name.hasPrefix) {
        lines.append("\(node) \(name) +\(change)")
      }
    }
    let last = seen.sockets.map(\.step).max()
    for census in seen.sockets where census.step == last {
      for (state, count) in census.states.sorted(by: { $0.key < $1.key }) {
        lines.append("\(census.node) sockets after step \(census.step + 1): \(count) \(state)")
      }
    }
    for drop in seen.drops ?? [] {
      lines.append(
        "\(drop.node) dropped \(drop.source):\(drop.sourcePort) > \(drop.destination):\(drop.destinationPort) "
          + "\(drop.reason) x\(drop.count)")
    }
    for run in seen.programs ?? [] {
      let end = run.status.map { "exit status \($0)" } ?? run.signal.map { "signal \($0)" } ?? "no end"
      lines.append("\(run.node) \(run.command.joined(separator: " ")): \(end)")
    }
    return lines
  }
}
