import Evidence
import Model

/// Holds clients' timestamps and sequence numbers on the wire against what was asked for.
/// A skew that did not reach the server proves nothing, so this is looked at in every case.
enum ClockWitness {
  /// Wider than any delay between making a TSval and capturing it, far below any offset worth testing.
  private static let tolerance = 1.0

  static func witnesses(_ test: Case, trace: Trace, observation: Observation) -> [Witness] {
    var witnesses: [Witness] = []
    // What a rule on the way has made of it is no clock of the client's.
    let isRewritten = test.network.hosts.contains(where: \.rewritesTimestamps)
    for client in test.network.clients {
      let attempts = observation.attempts.filter { $0.client == client.name && $0.kind == .connect }
      let flows = attempts.map { ($0, trace.flow(of: $0)) }
      let syns = flows.flatMap { $1.synsAtServer.isEmpty || isRewritten ? $1.synsAtClient : $1.synsAtServer }
      guard !syns.isEmpty else { continue }
      let segments = syns + (trace.clientLink[client.name] ?? []).filter(\.outgoing)
      witnesses.append(clock(client, segments, observation))
      if client.isn != .natural {
        let wrong = flows.filter { attempt, flow in
          (flow.synsAtServer + flow.synsAtClient).contains { $0.sequence != attempt.isn }
        }
        witnesses.append(
          Witness(
            .isn(client: client.name), expected: .words("as pinned"),
            seen: .words(wrong.isEmpty ? "as pinned" : "other"), holds: wrong.isEmpty))
      }
    }
    return witnesses
  }

  private static func clock(
    _ client: Client, _ segments: [Segment], _ observation: Observation
  ) -> Witness {
    let subject = Witness.Subject.clock(client: client.name)
    switch client.clock {
    case .off:
      let stamped = segments.count { $0.tsval != nil }
      return Witness(
        subject, expected: .words("no timestamps"), seen: .words("\(stamped) segments with one"),
        holds: stamped == 0)
    case .microseconds:
      // Its own beginning, and a thousand times the ticks: between the first and the last of them as much time passed as
      // they say, of which a clock of milliseconds would say a thousandth.
      let stamped = segments.filter { $0.outgoing && $0.tsval != nil }.sorted { $0.time < $1.time }
      guard let first = stamped.first, let last = stamped.last, last.time - first.time > 100_000 else {
        return Witness(
          subject, expected: .words("timestamps in microseconds"), seen: .words("no two of them"),
          holds: false)
      }
      let passed = Double(last.time - first.time) / 1_000
      let said = Double(Int32(bitPattern: (last.tsval ?? 0) &- (first.tsval ?? 0)))
      let fits = said > passed / 2 && said < passed * 2
      return Witness(
        subject, expected: .words("timestamps in microseconds"),
        seen: .words(fits ? "as expected" : "\(said.saturated) ticks in \(passed.saturated) us"), holds: fits)
    case .natural:
      let plain = segments.count { $0.isSYN && $0.tsval == nil }
      return Witness(
        subject, expected: .words("timestamps on every SYN"), seen: .words("\(plain) SYNs without"),
        holds: plain == 0)
    case .offset:
      guard let reference = observation.clockReference else {
        return Witness(subject, expected: .words("a reference"), seen: .words("none"), holds: false)
      }
      let changes = observation.clockChanges.filter { $0.client == client.name }
      var worst = 0.0
      var unstamped = 0
      for segment in segments {
        guard let tsval = segment.tsval else {
          if segment.isSYN { unstamped += 1 }
          continue
        }
        let wanted = changes.last { $0.time <= segment.time }?.ticks ?? 0
        let elapsed =
          Double(segment.time.subtracting(reference.time)) / 1e9 * Double(reference.ticksPerSecond)
        let own = reference.ticks &+ UInt32(truncatingIfNeeded: elapsed.saturated)
        let difference = Int32(bitPattern: tsval &- own &- UInt32(truncatingIfNeeded: wanted))
        let error = Double(difference) / Double(reference.ticksPerSecond)
        if abs(error) > abs(worst) { worst = error }
      }
      let wanted = changes.map { "\($0.ticks)" }.joined(separator: ", then ")
      return Witness(
        subject, expected: .words("\(wanted.isEmpty ? "0" : wanted) ticks from the kernel's clock"),
        seen: .words(
          unstamped > 0
            ? "\(unstamped) SYNs without timestamps"
            : abs(worst) <= tolerance ? "as expected" : "off by \(worst.saturated) s"),
        holds: unstamped == 0 && abs(worst) <= tolerance)
    }
  }
}
