import Evidence
import Model

/// What each mechanism leaves behind: counters that move, packets that must or must not be there.
/// The one table of the lab; a counter that nothing here explains must stand still.
public enum Mechanisms {
  /// Counters that only move when something is refused, dropped, skipped or broken.
  /// Looked at on every node, in every case.
  ///
  /// Not `LockDroppedIcmps`: `tcp_v4_err` counts an ICMP error that comes while its socket is locked by its owner, which
  /// a refused SYN's does where connect(2) itself still handles it (`tcp_v4_connect` holds the lock, and on a veth the
  /// answer comes before the call is back). That is a matter of which processor was quick; the SYN is sent again a
  /// second later, and refused then.
  static let guarded: [String] =
    [
      "PAWSPassive", "PAWSActive", "PAWSEstab", "PAWSOldAck", "PAWSTimewait", "TSEcrRejected",
      "ListenDrops", "ListenOverflows", "TCPReqQFullDrop", "TCPReqQFullDoCookies", "SyncookiesSent",
      "SyncookiesRecv", "SyncookiesFailed", "TWRecycled", "TCPTimeWaitOverflow",
      "TCPACKSkippedSynRecv", "TCPACKSkippedPAWS", "TCPACKSkippedSeq", "TCPACKSkippedFinWait2",
      "TCPACKSkippedTimeWait", "TCPACKSkippedChallenge", "TCPChallengeACK", "TCPSYNChallenge",
      "TCPAbortOnData", "TCPAbortOnTimeout", "TCPAbortOnMemory", "TCPAbortFailed", "TCPBacklogDrop",
      "TCPMinTTLDrop", "TCPDeferAcceptDrop", "TCPOFODrop", "TCPRcvQDrop", "TCPZeroWindowDrop",
      "IPReversePathFilter",
    ].map { "TcpExt.\($0)" }
    + ["Tcp.InErrs", "Tcp.InCsumErrors", "Ip.InHdrErrors", "Ip.InAddrErrors", "Ip.InDiscards"]
    + ["Ip.OutDiscards", "Ip.OutNoRoutes", "Ip6.InHdrErrors", "Ip6.InAddrErrors", "Ip6.InDiscards"]
    + ["insert_failed", "drop", "early_drop", "invalid", "error"].map { "conntrack.\($0)" }
    + ["rule.FORWARD", Observation.emulatedPAWSPassive]

  /// Adds to `counters` what one attempt must have moved, and to `witnesses` what its packets must show.
  /// `answers` are what the TIME_WAIT rule gives for each of its SYNs, for a prediction.
  static func expect(
    _ mechanism: Mechanism, of attempt: JudgedAttempt, in test: Case, flow: Trace.Flow, trace: Trace,
    answers: [TimeWaitRule.Answer], kernel: Kernel,
    counters: inout ExpectedCounters, witnesses: inout [Witness]
  ) {
    let name = "\(attempt.attempt.label) #\(attempt.attempt.id)"
    func check(_ what: String, _ expected: String, _ seen: some CustomStringConvertible, _ holds: Bool) {
      witnesses.append(
        Witness(name: "\(name) \(what)", expected: expected, seen: "\(seen)", holds: holds))
    }
    func allArrived() {
      check(
        "SYNs on the server's link", "all \(attempt.syns) that were sent", attempt.synsAtServer,
        attempt.synsAtServer == attempt.syns && attempt.syns > 0)
    }
    if attempt.outcome == .dropped {
      // tcp_write_err: the client gives up.
      counters.add("TcpExt.TCPAbortOnTimeout", 1, on: attempt.attempt.client)
    }
    /// Where the kernel names why: as many segments with one of these reasons as were refused.
    func reason(_ names: [String], _ expected: Int, on node: String, of segments: [Segment]) {
      guard let drops = trace.drops, names.contains(where: kernel.names(dropReason:)) else { return }
      let sequences = Set(segments.map(\.sequence))
      let seen = drops.filter {
        $0.node == node && names.contains($0.reason) && sequences.contains($0.sequence)
      }
      .reduce(0) { $0.adding($1.count) }
      // What was not heard may have been one of them; one too many never is.
      let unheard = trace.dropsNotHeard
      witnesses.append(
        Witness(
          name: "\(name) drop reason \(names.filter(kernel.names(dropReason:)).joined(separator: ", "))",
          expected: "\(expected)",
          seen: "\(seen)" + (seen != expected && unheard > 0 ? ", and \(unheard) drops were not heard" : ""),
          holds: seen <= expected && seen.adding(unheard) >= expected,
          unheard: seen.adding(unheard) < expected ? true : nil))
    }
    switch mechanism {
    case .twPaws, .twSequence, .timeWait:
      allArrived()
      let refused = flow.refusedSYNs
      check("refused SYNs", "at least 1", refused, refused >= 1)
      // One ACK per 500 ms and TIME_WAIT socket (tcp_invalid_ratelimit); the rest are counted as skipped.
      check(
        "old ACKs", "1 to \(refused)", flow.oldAcks.count, (1...max(1, refused)).contains(flow.oldAcks.count))
      check(
        "RSTs in answer to the old ACKs", "\(flow.oldAcks.count)", flow.resets.count,
        flow.resets.count == flow.oldAcks.count)
      counters.add("TcpExt.TCPACKSkippedTimeWait", refused - flow.oldAcks.count, on: flow.serverNode)
      let byTimestamp =
        switch mechanism {
        case .twPaws: refused
        case .timeWait: answers.count { $0 == .refusedByTimestamp }
        default: 0
        }
      // tcp_timewait_state_process counts PAWSTimewait since 6.16, PAWSEstab before.
      if let counter = kernel.counter("TcpExt.PAWSTimewait", "TcpExt.PAWSEstab") {
        counters.add(counter, byTimestamp, on: flow.serverNode)
      }
      if mechanism == .twPaws {
        reason(["TCP_RFC7323_TW_PAWS"], refused, on: flow.serverNode, of: flow.synsAtServer)
      }
    case .hop:
      check("SYNs on the server's link", "none", attempt.synsAtServer, attempt.synsAtServer == 0)
      check("SYNs on the client's link", "at least 1", attempt.syns, attempt.syns >= 1)
      // __nf_conntrack_confirm: a tuple that clashes is counted twice, as insert_failed and as drop.
      counters.add("conntrack.insert_failed", attempt.syns, on: Network.hop)
      counters.add("conntrack.drop", attempt.syns, on: Network.hop)
      reason(["NETFILTER_DROP"], attempt.syns, on: Network.hop, of: flow.synsAtClient)
    case .director:
      let kept = attempt.syns - attempt.synsAtServer
      check("SYNs that the director kept", "at least 1", kept, kept >= 1)
      if attempt.outcome == .dropped {
        check("SYNs on a server's link", "none", attempt.synsAtServer, attempt.synsAtServer == 0)
      }
    case .recycle:
      allArrived()
      let answers = flow.atServer.count { $0.outgoing }
      check("answers of the server", "none", answers, answers == 0)
      // tcp_peer_is_proven: refused by a stamp that is younger than TCP_PAWS_MSL (60 s) and newer than the SYN's by
      // more than TCP_PAWS_WINDOW (1), or by any such stamp where the SYN has none (since 3.17).
      let stamp = flow.synsAtServer.first.flatMap { trace.stamp(for: $0, before: attempt.attempt.step) }
      // A server whose timestamps are off does not look at the option.
      let tsval =
        test.serverTimestampsAreOff(before: attempt.attempt.step) ? nil : flow.synsAtServer.first?.tsval
      let newer =
        stamp.map { stamp in tsval.map { Int32(bitPattern: stamp.tsval &- $0) > 1 } ?? true } ?? false
      check(
        "cached stamp", "newer than the SYN's, younger than 60 s",
        stamp.map { "\($0.tsval), \($0.age) s old; the SYN's is \(tsval.map(String.init) ?? "none")" }
          ?? "none",
        newer && (stamp?.age ?? 60) < 60)
      counters.add(
        kernel.emulates("tcp_tw_recycle") ? Observation.emulatedPAWSPassive : "TcpExt.PAWSPassive",
        attempt.synsAtServer,
        on: flow.serverNode)
      counters.add("TcpExt.ListenDrops", attempt.synsAtServer, on: flow.serverNode)
    case .establishedPaws:
      let stale = trace.staleSegments(of: attempt.attempt)
      check("segments with an old timestamp", "at least 1", stale.count, stale.count >= 1)
      // tcp_validate_incoming: every one of them counts. PAWSOldAck (6.14) is only for ACKs that repeat.
      let server = attempt.attempt.server ?? Network.server
      counters.add("TcpExt.PAWSEstab", stale.count, on: server)
      reason(["TCP_RFC7323_PAWS", "TCP_RFC7323_PAWS_ACK"], stale.count, on: server, of: stale)
      // Old data is answered at once, an old ACK once per tcp_invalid_ratelimit (tcp_oow_rate_limited).
      let answers = trace.bareAcks(to: attempt.attempt, since: stale.first?.time ?? .max)
      check("answers to them", "1 to \(stale.count)", answers, (1...max(1, stale.count)).contains(answers))
      counters.add(
        "TcpExt.TCPACKSkippedPAWS", stale.count - answers, on: attempt.attempt.server ?? Network.server)
    case .localPorts:
      check("SYNs on the client's link", "none", attempt.syns, attempt.syns == 0)
    case .twReuse:
      counters.add("TcpExt.TWRecycled", 1, on: attempt.attempt.client)
    }
  }
}

/// What the counters of each node should have moved by.
struct ExpectedCounters {
  private var values: [String: [String: ClosedRange<Int>]] = [:]

  mutating func add(_ counter: String, _ change: Int, on node: String) {
    add(counter, change...change, on: node)
  }

  /// By at least and at most so much, where what was captured does not tell it exactly.
  mutating func add(_ counter: String, _ change: ClosedRange<Int>, on node: String) {
    let old = values[node]?[counter] ?? 0...0
    values[node, default: [:]][counter] =
      old.lowerBound + change.lowerBound...old.upperBound + change.upperBound
  }

  /// One witness for every counter that something moved or should have moved.
  func witnesses(seen observation: Observation, of test: Case) -> [Witness] {
    var witnesses: [Witness] = []
    // Without vs.conntrack a director takes its packets out of conntrack's sight on the way out (ip_vs_notrack), so
    // the ways back look INVALID where conntrack always looks (until 4.10 it did).
    let sidesteps = Set(
      test.network.directorNodes.filter { test.settings[$0]?["vs.conntrack"] != "1" })
    for node in test.network.nodes {
      let moved = observation.counters(of: node)
      let expected = values[node] ?? [:]
      for counter in Mechanisms.guarded {
        let (want, got) = (expected[counter] ?? 0...0, moved[counter] ?? 0)
        guard want != 0...0 || got != 0, !(counter == "conntrack.invalid" && sidesteps.contains(node))
        else {
          continue
        }
        witnesses.append(
          Witness(
            name: "\(node) \(counter)",
            expected: want.count == 1 ? "+\(want.lowerBound)" : "+\(want.lowerBound) to +\(want.upperBound)",
            seen: "+\(got)", holds: want.contains(got)))
      }
    }
    return witnesses
  }
}
