/// Holds what was seen against what was expected. Pure: the same values give the same judgement.
public func judge(_ test: Case, on kernel: Kernel, seen observation: Observation) -> Judgement {
  if let (node, lost) = observation.captureLosses.first {
    return Judgement(
      verdict: .error, reason: "the capture on \(node) lost \(lost) packets, so nothing can be judged")
  }
  guard let rule = test.rule(on: kernel) else {
    return Judgement(verdict: .error, reason: "no expectation for this kernel")
  }
  let trace = Trace(observation)
  var attempts: [JudgedAttempt] = []
  var witnesses: [Witness] = []
  var counters = ExpectedCounters()
  var branches: [String: Set<Bool>] = [:]

  for attempt in observation.attempts {
    let flow = trace.flow(of: attempt)
    let plain = Expectation(attempt.kind == .connect ? .connected : .delivered)
    var expected = rule.outcomes[attempt.label] ?? plain
    var answers: [TimeWaitRule.Answer] = []
    if expected.outcome == .predicted {
      let rfc1337 = observation.settings[Network.server]?["tcp_rfc1337"] == "1"
      answers = flow.synsAtServer.map {
        TimeWaitRule.answer(to: $0, after: trace.before($0), rfc1337: rfc1337)
      }
      expected = prediction(answers)
      branches[attempt.label, default: []].insert(expected.mechanism == nil)
    }
    let outcome = outcome(of: attempt, flow: flow)
    let judged = JudgedAttempt(
      attempt: attempt, outcome: outcome ?? .dropped, expected: expected, syns: flow.synsAtClient.count,
      synsAtServer: flow.synsAtServer.count,
      milliseconds: Double(attempt.ended - attempt.began) / 1_000_000, holds: outcome == expected.outcome)
    attempts.append(judged)
    if let mechanism = expected.mechanism {
      Mechanisms.expect(
        mechanism, of: judged, flow: flow, trace: trace, answers: answers, kernel: kernel,
        counters: &counters,
        witnesses: &witnesses)
    }
  }
  for label in rule.outcomes.keys.sorted() where !attempts.contains(where: { $0.attempt.label == label }) {
    witnesses.append(Witness(name: label, expected: "at least one attempt", seen: "none", holds: false))
  }
  for (label, seen) in branches.sorted(by: { $0.key < $1.key }) {
    witnesses.append(
      Witness(
        name: "\(label) branches", expected: "accepted and refused", seen: describe(seen),
        holds: seen.count == 2))
  }
  witnesses += ClockWitness.witnesses(test, trace: trace, observation: observation)
  witnesses += counters.witnesses(seen: observation, nodes: test.network.nodes)

  if let wrong = attempts.first(where: { !$0.holds }) {
    let seen = wrong.attempt.errno.map { "\(wrong.outcome.rawValue) (\($0))" } ?? wrong.outcome.rawValue
    return Judgement(
      verdict: .fail,
      reason: "\(wrong.attempt.label) #\(wrong.attempt.id): expected \(wrong.expected), saw \(seen)",
      attempts: attempts, witnesses: witnesses)
  }
  if let wrong = witnesses.first(where: { !$0.holds }) {
    return Judgement(
      verdict: .fail, reason: "\(wrong.name): expected \(wrong.expected), saw \(wrong.seen)",
      attempts: attempts, witnesses: witnesses)
  }
  return Judgement(verdict: .pass, reason: rule.because, attempts: attempts, witnesses: witnesses)
}

/// What an attempt did, by its errno and its packets; nil for an end that the lab has no word for.
private func outcome(of attempt: Attempt, flow: Trace.Flow) -> Outcome? {
  switch (attempt.kind, attempt.errno) {
  case (.send, nil): .delivered
  case (.send, _): attempt.read == true ? .unacknowledged : .lost
  case (.connect, nil):
    attempt.calls > 1 ? .served : flow.synsAtClient.count > 1 ? .delayed : .connected
  // ETIMEDOUT after a SYN-ACK would be another thing than a dropped SYN.
  case (.connect, "ETIMEDOUT"): flow.synAck == nil ? .dropped : nil
  case (.connect, "ECONNREFUSED"): .refused
  case (.connect, "ECONNRESET"): .reset
  case (.connect, "EADDRNOTAVAIL"): .exhausted
  case (.connect, _): nil
  }
}

/// What an attempt does whose SYNs get these answers: the first that is accepted connects.
private func prediction(_ answers: [TimeWaitRule.Answer]) -> Expectation {
  switch answers.firstIndex(of: .accepted) {
  case 0: Expectation(.connected)
  case nil where answers.isEmpty: Expectation(.connected)
  case nil: Expectation(.dropped, by: .timeWait)
  default: Expectation(.delayed, by: .timeWait)
  }
}

private func describe(_ branches: Set<Bool>) -> String {
  switch (branches.contains(true), branches.contains(false)) {
  case (true, true): "accepted and refused"
  case (true, false): "accepted only"
  default: "refused only"
  }
}
