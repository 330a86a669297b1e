import Evidence
import Model

/// The account of a case: what was seen, open at one attempt, and what its mechanisms have put down so far.
package struct Book {
  package let test: Case
  package let kernel: Kernel
  package let observation: Observation
  /// What is expected.
  let rule: Rule
  /// The capture by attempt.
  let trace: Trace
  /// The attempt at which it is open.
  package internal(set) var attempt: JudgedAttempt
  /// Its packets.
  var flow: Trace.Flow
  /// What the counters of each node must have moved by.
  var counters = ExpectedCounters()
  /// What was held against an expectation.
  var witnesses: [Witness] = []

  /// The server that the attempt's SYNs reached, or that accepted it.
  var server: String { attempt.attempt.server ?? flow.serverNode }
  var client: String { attempt.attempt.client }
  var title: Witness.Title { Witness.Title(attempt.attempt) }

  init(test: Case, kernel: Kernel, observation: Observation, trace: Trace, rule: Rule) {
    self.test = test
    self.kernel = kernel
    self.observation = observation
    self.trace = trace
    self.rule = rule
    flow = Trace.Flow(synsAtClient: [], synsAtServer: [], atServer: [])
    let none = Attempt(
      id: 0, step: 0, label: "", kind: .connect, client: "", local: nil, remote: "", isn: nil, began: 0,
      ended: 0,
      calls: 0, errno: nil)
    attempt = JudgedAttempt(
      attempt: none, outcome: nil, expected: Expectation(.connected), syns: 0, synsAtServer: 0,
      milliseconds: 0,
      holds: false)
  }

  /// Opens it at an attempt.
  mutating func open(at attempt: Attempt, expecting expected: Expectation) {
    flow = trace.flow(of: attempt)
    self.attempt = JudgedAttempt(
      attempt: attempt, outcome: nil, expected: expected, syns: flow.synsAtClient.count,
      synsAtServer: flow.synsAtServer.count,
      milliseconds: Double(attempt.ended.subtracting(attempt.began)) / 1_000_000, holds: false)
  }

  /// Opens it at an attempt that was judged.
  mutating func open(at judged: JudgedAttempt) {
    flow = trace.flow(of: judged.attempt)
    attempt = judged
  }

  /// The connect attempt whose connection carries this one's byte; nil where none was seen.
  var opening: Attempt? {
    let own = attempt.attempt
    return observation.attempts.last {
      $0.kind == .connect && $0.id < own.id && $0.client == own.client && $0.local == own.local
        && $0.remote == own.remote
    }
  }

  /// The client's port as the server's link knows it, behind any NAT.
  var portAtServer: Int? {
    let opening = attempt.attempt.kind == .connect ? attempt.attempt : opening
    return opening.flatMap { trace.flow(of: $0).synsAtServer.last?.sourcePort } ?? attempt.attempt.localPort
  }

  // MARK: writing

  /// So many packets of this attempt are what its mechanism leaves.
  mutating func count(_ what: String, _ seen: Int, is expected: Witness.Reading) {
    witnesses.append(Witness(.packets(of: title, what: what), expected: expected, seen: seen))
  }

  /// Something else of this attempt is as it must be.
  mutating func check(_ what: String, _ expected: String, _ seen: String, _ holds: Bool) {
    witnesses.append(
      Witness(
        .packets(of: title, what: what), expected: .words(expected), seen: .words(seen), holds: holds))
  }

  /// The attempt has moved a node's counter by so much.
  mutating func move(_ counter: String, _ change: Int, on node: String) {
    counters.add(counter, change, on: node)
  }

  /// By at least and at most so much, where what was captured does not tell it exactly.
  mutating func move(_ counter: String, _ change: ClosedRange<Int>, on node: String) {
    counters.add(counter, change, on: node)
  }

  /// Every SYN that was sent has passed the server's link.
  ///
  /// - Parameter kept: SYNs that something before it is known to have dropped.
  mutating func allArrived(but kept: Int = 0) {
    count("SYNs on the server's link", attempt.synsAtServer, is: .number(max(1, attempt.syns - kept)))
  }

  /// No SYN has passed a server's link.
  mutating func noneArrived() { count("SYNs on the server's link", attempt.synsAtServer, is: .number(0)) }

  /// Where the kernel names why: as many segments with one of these reasons as were refused.
  mutating func reason(_ names: [String], _ expected: Int, on node: String, of segments: [Segment]) {
    guard let drops = trace.drops, names.contains(where: kernel.names(dropReason:)) else { return }
    let sequences = Set(segments.map(\.sequence))
    let seen = drops.filter {
      $0.node == node && names.contains($0.reason) && sequences.contains($0.sequence)
    }
    .reduce(0) { $0.adding($1.count) }
    // What was not heard may have been one of them; one too many never is.
    let unheard = trace.dropsNotHeard
    let known = names.filter(kernel.names(dropReason:))
    witnesses.append(
      Witness(
        .reason(of: title, names: known), expected: .number(expected),
        seen: seen != expected && unheard > 0
          ? .words("\(seen), and \(unheard) drops were not heard") : .number(seen),
        holds: seen <= expected && seen.adding(unheard) >= expected,
        unheard: seen.adding(unheard) < expected ? true : nil))
  }

  /// What a node says of a segment whose connection nobody there knows. One that listens on the port tells TCP_FLAGS
  /// (tcp_rcv_state_process in LISTEN), and on 6.1 nothing of it (NOT_SPECIFIED).
  func reasonsOfNobody(on node: String) -> [String] {
    test.network.isServer(node) ? ["NO_SOCKET", "TCP_FLAGS", "NOT_SPECIFIED"] : ["NO_SOCKET"]
  }
}
