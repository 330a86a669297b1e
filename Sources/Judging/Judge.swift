import Evidence
import Model

/// Holds what was seen against what was expected. Pure: the same values give the same judgement.
public func judge(_ test: Case, on kernel: Kernel, seen observation: Observation) -> Judgement {
  if let broke = observation.broke { return Judgement(verdict: .error, reason: broke) }
  if let (node, lost) = observation.captureLosses.first {
    return Judgement(
      verdict: .error, reason: "the capture on \(node) lost \(lost) packets, so nothing can be judged")
  }
  if let missing = observation.packetsNotKept, missing > 0 {
    return Judgement(
      verdict: .error,
      reason:
        "\(missing) packets were seen and not kept (the capture's limit), so nothing can be judged again")
  }
  guard let rule = test.rule(on: kernel) else {
    return Judgement(verdict: .error, reason: "no expectation for this kernel")
  }
  if let unknown = rule.outcomes.values.compactMap(\.mechanism).first(where: { $0.rule == nil }) {
    return Judgement(
      verdict: .error,
      reason: "no mechanism is called \(unknown.rawValue): the case was written by another version of the lab"
    )
  }
  let judge = Judge(
    test: test, kernel: kernel, observation: observation, trace: Trace(observation, in: test.network))
  var judgement = judge.judgement(by: rule)
  if judgement.verdict == .fail { judgement.fits = judge.fits(rule, insteadOf: judgement) }
  return judgement
}

/// A case, its kernel and what was seen, to be held against one rule or another.
struct Judge {
  let test: Case
  let kernel: Kernel
  let observation: Observation
  let trace: Trace

  func judgement(by rule: Rule) -> Judgement {
    var book = Book(test: test, kernel: kernel, observation: observation, trace: trace, rule: rule)
    var attempts: [JudgedAttempt] = []
    var branches: [String: Set<Bool>] = [:]
    var tuples: Set<String> = []

    for attempt in observation.attempts {
      let plain = Expectation(attempt.kind == .connect ? .connected : .delivered)
      let expected = rule.outcomes[attempt.label] ?? plain
      book.open(at: attempt, expecting: expected)
      if expected.outcome == .predicted {
        let rule = expected.mechanism?.rule
        book.attempt.expected = rule?.predict(book) ?? plain
        if rule?.branches(in: test) != false {
          branches[attempt.label, default: []].insert(book.attempt.expected.mechanism == nil)
        }
      }
      let tuple = attempt.local.map { "\($0) \(attempt.remote)" }
      let again = attempt.kind == .connect && tuple.map { !tuples.insert($0).inserted } == true
      book.attempt.outcome = outcome(
        of: attempt, flow: book.flow, again: again && book.attempt.expected.outcome == .served)
      book.attempt.holds = book.attempt.outcome == book.attempt.expected.outcome
      attempts.append(book.attempt)
      book.counters.addEnd(of: book.attempt, book.flow, isProgram: test.isProgram(inStep: attempt.step))
      book.attempt.expected.mechanism?.rule?.expect(&book)
    }
    var witnesses = book.witnesses
    for label in rule.outcomes.keys.sorted() where !attempts.contains(where: { $0.attempt.label == label }) {
      witnesses.append(
        Witness(
          .attempts(label: label), expected: .words("at least one attempt"), seen: .words("none"),
          holds: false))
    }
    // What is asked over the seeds of a run no one case can show.
    for (label, seen) in branches.sorted(by: { $0.key < $1.key }) where rule.shares?[label] == nil {
      witnesses.append(
        Witness(
          .branches(label: label), expected: .words("accepted and refused"), seen: .words(describe(seen)),
          holds: seen.count == 2))
    }
    witnesses += programWitnesses(test, observation)
    witnesses += timeWaitWitness(rule, test: test, seen: observation)
    witnesses += serverWitnesses(rule, test: test, attempts: attempts)
    witnesses += ClockWitness.witnesses(test, trace: trace, observation: observation)
    PinnedSettings.expect(attempts, in: test, on: kernel, trace: trace, counters: &book.counters)
    Ends.expect(test, observation, trace: trace, counters: &book.counters)
    Reopenings.expect(test, observation, on: kernel, trace: trace, counters: &book.counters)
    if let own = rule.witnesses {
      book.counters.claim(own.counters)
      witnesses += own.witnesses(test, on: kernel, seen: observation, trace: trace)
    }
    witnesses += book.counters.witnesses(seen: observation, of: test, on: kernel)

    if let wrong = attempts.first(where: { !$0.holds }) {
      return Judgement(
        verdict: .fail,
        reason: "\(wrong.attempt.label) #\(wrong.attempt.id): expected \(wrong.expected), saw \(wrong.words)",
        attempts: attempts, witnesses: witnesses)
    }
    if let wrong = witnesses.first(where: { !$0.holds }) {
      return Judgement(
        verdict: .fail, reason: "\(wrong.name): expected \(wrong.expectedWords), saw \(wrong.seenWords)",
        attempts: attempts, witnesses: witnesses)
    }
    return Judgement(verdict: .pass, reason: rule.because, attempts: attempts, witnesses: witnesses)
  }
}

/// Whether programs that steps have run have ended as they were to.
private func programWitnesses(_ test: Case, _ observation: Observation) -> [Witness] {
  let programs = observation.programs ?? []
  return programs.map { program in
    let seen =
      program.isOverdue == true
      ? "killed, its time was over" : program.status.map { "exit \($0)" } ?? "signal \(program.signal ?? 0)"
    return Witness(
      .text(name: "\(program.command.first ?? "a program") on \(program.node)"),
      expected: .words("exit \(program.expected)"), seen: .words(seen), holds: program.holds)
  } + programs.compactMap { program in program.said(in: test) }
}

extension ProgramRun {
  /// Whether it has written what its step says; nil where that says nothing.
  fileprivate func said(in test: Case) -> Witness? {
    guard test.workload.indices.contains(step), let wanted = (test.workload[step].action as? Exec)?.says
    else { return nil }
    let written = [output, errors].joined(separator: "\n")
    let first = written.split(separator: "\n").first { !$0.allSatisfy(\.isWhitespace) }
    return Witness(
      .text(name: "what \(command.first ?? "a program") on \(node) writes"), expected: .words(wanted),
      seen: .words(written.contains(wanted) ? wanted : first.map { String($0.prefix(200)) } ?? "nothing"),
      holds: written.contains(wanted))
  }
}

/// How long the servers' TIME_WAIT sockets had left in the end.
private func timeWaitWitness(_ rule: Rule, test: Case, seen observation: Observation) -> [Witness] {
  guard let wanted = rule.timeWait else { return [] }
  let last = observation.sockets.map(\.step).max()
  let left = observation.sockets.filter { $0.step == last && test.network.isServer($0.node) }.flatMap(
    \.timeWait)
  let range = wanted == .recycled ? 0...2000 : 50_000...60_000
  // One that is recycled may be over by the time it is looked for. Then something else tells of it: TWKilled, which is
  // counted when so short a timer is armed (__inet_twsk_schedule); a stamp, for only what is remembered is recycled
  // (recycle_ok in tcp_time_wait); or an earlier look.
  let servers = test.network.serverNames
  let wasThere =
    servers.contains { (observation.counters(of: $0)["TcpExt.TWKilled"] ?? 0) > 0 }
    || observation.stamps.contains { servers.contains($0.node) && !$0.stamps.isEmpty }
    || observation.sockets.contains {
      servers.contains($0.node) && $0.timeWait.contains(where: range.contains)
    }
  return [
    Witness(
      .timeWait, expected: .words(wanted == .recycled ? "under 2 s left" : "over 50 s left"),
      seen: .words(
        left.isEmpty
          ? "none" + (wasThere ? ", and there was one" : "") : left.map { "\($0) ms" }.joined(separator: ", ")
      ),
      holds: (!left.isEmpty || wanted == .recycled && wasThere) && left.allSatisfy(range.contains))
  ]
}

/// Whose address the servers saw, and which of them served whom.
private func serverWitnesses(_ rule: Rule, test: Case, attempts: [JudgedAttempt]) -> [Witness] {
  var witnesses: [Witness] = []
  let accepted = attempts.filter { $0.attempt.kind == .connect && $0.attempt.peer != nil }
  if let source = rule.source {
    for judged in accepted {
      let attempt = judged.attempt
      let isClient = attempt.peer?.host == attempt.local?.host
      let seen =
        isClient
        ? "client"
        : attempt.peer.map { test.network.publicAddresses.contains($0.bareHost) } == true
          ? "hop" : "somebody"
      witnesses.append(
        Witness(
          .source(of: Witness.Title(attempt), server: attempt.server), expected: .words(source.rawValue),
          seen: .words("\(seen) (\(attempt.peer ?? "?"))"), holds: seen == source.rawValue))
    }
    if accepted.isEmpty {
      witnesses.append(
        Witness(
          .source(of: nil, server: nil), expected: .words(source.rawValue),
          seen: .words("no connection accepted"), holds: false))
    }
  }
  for (label, wanted) in rule.served.sorted(by: { $0.key < $1.key }) {
    let own = accepted.last { $0.attempt.label == label }?.attempt.server
    let other = accepted.last { $0.attempt.label == wanted.label }?.attempt.server
    witnesses.append(
      Witness(
        .served(label: label), expected: .words("\(wanted)"),
        seen: .words("\(own ?? "nobody"), \(wanted.label) by \(other ?? "nobody")"),
        holds: own != nil && other != nil && (own == other) == wanted.same))
  }
  return witnesses
}

/// What an attempt did, by its errno and its packets; nil for an end that the lab has no word for.
/// `again`: its 4-tuple is one that an earlier attempt had, and it was expected to be.
private func outcome(of attempt: Attempt, flow: Trace.Flow, again: Bool) -> Outcome? {
  switch (attempt.kind, attempt.errno) {
  case (.send, nil): .delivered
  case (_, "ECONNREFUSED"): .refused
  case (_, "EHOSTUNREACH"), (_, "ENETUNREACH"), (_, "EACCES"), (_, "EHOSTDOWN"), (_, "ENONET"): .unreachable
  case (.send, "ECONNRESET"): .reset
  case (.send, "ETIMEDOUT"): attempt.read == true ? .unacknowledged : .lost
  case (.send, _): nil
  case (.connect, nil):
    again ? .served : flow.synsAtClient.count > 1 ? .delayed : .connected
  // ETIMEDOUT after a SYN-ACK would be another thing than a dropped SYN, but where the client has refused each of them.
  case (.connect, "ETIMEDOUT"): flow.answered && flow.refusedAnswers == 0 ? nil : .dropped
  case (.connect, "ECONNRESET"): .reset
  case (.connect, "EADDRNOTAVAIL"): .exhausted
  case (.connect, _): nil
  }
}

func describe(_ branches: Set<Bool>) -> String {
  switch (branches.contains(true), branches.contains(false)) {
  case (true, true): "accepted and refused"
  case (true, false): "accepted only"
  default: "refused only"
  }
}
