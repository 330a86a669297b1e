import Evidence
import Model

/// What the counters of each node should have moved by.
package struct ExpectedCounters {
  /// Counters that only move when something is refused, dropped, skipped or broken.
  /// Looked at on every node, in every case; what nothing explains must stand still.
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
      "IPReversePathFilter", "TWKilled", "TCPAbortOnClose", "TCPMigrateReqFailure",
    ].map { "TcpExt.\($0)" }
    + ["Tcp.InErrs", "Tcp.InCsumErrors", "Ip.InHdrErrors", "Ip.InAddrErrors", "Ip.InDiscards"]
    + ["Ip.OutDiscards", "Ip.OutNoRoutes", "Ip6.InHdrErrors", "Ip6.InAddrErrors", "Ip6.InDiscards"]
    + ["Tcp.OutRsts", "Tcp.AttemptFails", "Tcp.EstabResets", "Icmp.InDestUnreachs", "Icmp.OutDestUnreachs"]
    + ["IpExt.InNoRoutes", "Ip6.InNoRoutes"]
    + ["insert_failed", "drop", "early_drop", "invalid", "error"].map { "conntrack.\($0)" }
    + ["rule.FORWARD", "rule.INPUT", "rule.OUTPUT", "netem.drops"]
    + Emulation.all.flatMap(\.counters.values).sorted()

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

  /// What follows from an attempt's outcome, whatever its mechanism.
  ///
  /// - Parameter isProgram: whether a program of the case's made it, which may close its socket before the kernel gives up.
  mutating func addEnd(of attempt: JudgedAttempt, _ flow: Trace.Flow, isProgram: Bool) {
    guard attempt.attempt.kind == .connect else { return }
    let client = attempt.attempt.client
    switch attempt.outcome {
    case .dropped:
      // tcp_write_err: a client that is not answered gives up; tcp_done in SYN_SENT.
      let times = isProgram ? 0...1 : 1...1
      if attempt.expected.mechanism != nil { add("TcpExt.TCPAbortOnTimeout", times, on: client) }
      add("Tcp.AttemptFails", times, on: client)
    case .refused, .unreachable:
      // tcp_done in SYN_SENT; where no SYN left, connect(2) itself has refused. An ICMP error that comes while connect(2)
      // still holds the socket is only remembered (sk_err_soft), and who asks for it (SO_ERROR) closes the socket.
      let byICMP = attempt.expected.mechanism == "icmp"
      if attempt.syns > 0 { add("Tcp.AttemptFails", (byICMP ? 0 : 1)...1, on: client) }
      // tcp_v4_send_reset, at whom the RST is seen to leave.
      add("Tcp.OutRsts", flow.atServer.count { $0.outgoing && $0.flags.contains(.rst) }, on: flow.serverNode)
    // tcp_reset, in ESTABLISHED or CLOSE_WAIT.
    case .reset: add("Tcp.EstabResets", 1, on: client)
    default: break
    }
  }

  /// What the author of a lab file says of counters: in place of what mechanisms say of them.
  private var claims: [String: [String: ClosedRange<Int>]] = [:]

  /// Takes an author's word for a node's counters.
  mutating func claim(_ counters: [String: [String: Amount]]) {
    claims = counters.mapValues { $0.mapValues(\.range) }
  }

  /// One witness for every counter that something moved or should have moved.
  func witnesses(seen observation: Observation, of test: Case, on kernel: Kernel) -> [Witness] {
    var witnesses: [Witness] = []
    // Without vs.conntrack a director takes its packets out of conntrack's sight on the way out (ip_vs_notrack), so
    // the ways back look INVALID where conntrack always looks (until 4.10 it did).
    let sidestepping = Set(test.network.directorNodes.filter { test.settings[$0]?["vs.conntrack"] != "1" })
    // What a rule of the case's own does is the case's doing; its author says how often.
    let ruling = Set(test.network.hosts.filter { $0.rules.contains { $0 != .dropInvalid } }.map(\.name))
    let proxying = Set(test.network.hosts.filter(\.proxies).map(\.name))
    for node in test.network.nodes {
      let moved = observation.counters(of: node)
      let (expected, claimed) = (values[node] ?? [:], claims[node] ?? [:])
      for counter in Self.guarded + Set(claimed.keys).subtracting(Self.guarded).sorted() {
        let (want, got) = (claimed[counter] ?? expected[counter] ?? 0...0, moved[counter] ?? 0)
        guard claimed[counter] != nil || want != 0...0 || got != 0 else { continue }
        guard claimed[counter] != nil || counter != "conntrack.invalid" || !sidestepping.contains(node) else {
          continue
        }
        let isClaimed = claimed[counter] != nil
        // An author writes for kernels that have it; on others the rest of what he says is held.
        guard !isClaimed || moved[counter] != nil || kernel.counts(counter) else { continue }
        guard isClaimed || want != 0...0 || !counter.hasPrefix("rule.") || !ruling.contains(node) else {
          continue
        }
        // SYNPROXY lives on what conntrack calls INVALID.
        guard isClaimed || counter != "conntrack.invalid" || !proxying.contains(node) else { continue }
        guard isClaimed || counter != "netem.drops" || !test.losesByChance else { continue }
        // tcp_synq_no_recent_overflow takes a listener's 0 for a queue that was full when jiffies were 0: 5 to 7 minutes
        // after a boot (INITIAL_JIFFIES), and when 32 bits of them wrap. Then cookie_v4_check looks at each ACK that only a
        // listener knows, and counts it; the RST that answers is counted too, and must be explained.
        let byItsAge =
          counter == "TcpExt.SyncookiesFailed" && want == 0...0 && got <= moved["Tcp.OutRsts"] ?? 0
        guard isClaimed || !byItsAge else { continue }
        // Beside what is expected it counts what IPv6 says to its neighbours, which nothing foretells.
        if counter == "conntrack.invalid", kernel.has(.neighboursInvalid) {
          guard want.lowerBound > 0 else { continue }
          witnesses.append(
            Witness(.counter(node: node, name: counter), expected: .atLeast(want.lowerBound), seen: got))
          continue
        }
        witnesses.append(Witness(.counter(node: node, name: counter), expected: .within(want), seen: got))
      }
    }
    for (node, counters) in claims.sorted(by: { $0.key < $1.key }) where !test.network.nodes.contains(node) {
      witnesses += counters.sorted { $0.key < $1.key }.map { counter, range in
        Witness(
          .counter(node: node, name: counter), expected: .within(range), seen: .words("no node of that name"),
          holds: false)
      }
    }
    return witnesses
  }
}
