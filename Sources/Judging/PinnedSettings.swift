import Evidence
import Model

/// Counters that move because of a setting that the case pins, whatever becomes of its attempts, by the kernel's source.
/// Beside the mechanisms, which explain what becomes of single attempts.
enum PinnedSettings {
  static func expect(
    _ attempts: [JudgedAttempt], in test: Case, on kernel: Kernel, trace: Trace,
    counters: inout ExpectedCounters
  ) {
    for node in test.network.nodes {
      counters.add("TcpExt.TWKilled", recycled(attempts, in: test, on: kernel, node: node), on: node)
      if let buckets = test.pinned("tcp_max_tw_buckets", on: node).map({ Int($0) ?? 0 }) {
        let range = overflows(
          attempts, in: test, on: kernel, node: node, buckets: max(0, buckets), trace: trace)
        counters.add("TcpExt.TCPTimeWaitOverflow", range, on: node)
        counters.add("Tcp.OutRsts", late(attempts, in: test, node: node, trace: trace), on: node)
        for attempt in closed(attempts, in: test, first: node)
        where attempt.outcome != .reset && isReset(attempt.attempt, trace: trace) {
          counters.add("Tcp.EstabResets", 1, on: attempt.attempt.client)
        }
      }
      if test.pinned("tcp_syncookies", on: node) == "2" {
        let (sent, received) = cookies(attempts, node: node, trace: trace)
        // tcp_conn_request asks tcp_syn_flood_action, which counts the queue as full, and cookie_init_sequence.
        counters.add("TcpExt.TCPReqQFullDoCookies", sent, on: node)
        counters.add("TcpExt.SyncookiesSent", sent, on: node)
        counters.add("TcpExt.SyncookiesRecv", received, on: node)
      }
    }
  }

  /// How many TIME_WAIT sockets were given a short life: `__inet_twsk_schedule` counts TWKilled for one of 4 s or less,
  /// which `tcp_time_wait` makes of each whose peer's timestamp is remembered while `tcp_tw_recycle` is on. The lab's
  /// emulation cuts them short without it.
  private static func recycled(
    _ attempts: [JudgedAttempt], in test: Case, on kernel: Kernel, node: String
  ) -> ClosedRange<Int> {
    guard !kernel.emulates(TimeWaitRecycling.setting) else { return 0...0 }
    // On some kernels one setting for all nodes.
    let values =
      kernel.perKernelSettings.contains("tcp_tw_recycle")
      ? test.settings.values.map { $0["tcp_tw_recycle"] } : [test.settings[node]?["tcp_tw_recycle"]]
    guard values.contains("1") || test.workload.contains(where: { $0.isSet("tcp_tw_recycle") }) else {
      return 0...0
    }
    return 0...closed(attempts, in: test, first: node).count
  }

  /// Connections that a node closed first.
  private static func closed(
    _ attempts: [JudgedAttempt], in test: Case, first node: String
  ) -> [JudgedAttempt] {
    attempts.filter { judged in
      let attempt = judged.attempt
      guard attempt.kind == .connect, attempt.errno == nil else { return false }
      // A node may be both.
      return switch test.closer(inStep: attempt.step) {
      case .server: attempt.server == node
      case .client: attempt.client == node
      default: false
      }
    }
  }

  /// How often a socket was closed instead of kept in TIME_WAIT: `inet_twsk_alloc` gives none once there are as many as
  /// the setting says, and `tcp_time_wait` counts that, once for each connection that the node closes first.
  private static func overflows(
    _ attempts: [JudgedAttempt], in test: Case, on kernel: Kernel, node: String, buckets: Int, trace: Trace
  ) -> ClosedRange<Int> {
    let closed = closed(attempts, in: test, first: node)
    if buckets == 0 { return closed.count...closed.count }
    // One number for all namespaces: what other cases leave there counts too.
    if kernel.perKernelSettings.contains("tcp_max_tw_buckets") { return 0...closed.count }
    let most = max(0, closed.count - buckets)
    // A port that comes again may have ended a TIME_WAIT, and made room.
    let isFresh = closed.allSatisfy { trace.meetsNothing(trace.flow(of: $0.attempt)) }
    return (isFresh ? most : 0)...most
  }

  /// RSTs of a server in answer to FINs that came when it kept nothing any more: the socket was closed in FIN_WAIT2.
  private static func late(
    _ attempts: [JudgedAttempt], in test: Case, node: String, trace: Trace
  ) -> Int {
    guard test.network.isServer(node) else { return 0 }
    return closed(attempts, in: test, first: node).reduce(0) { sum, judged in
      let own = trace.flow(of: judged.attempt).atServer
      let fin = own.first { $0.outgoing && $0.flags.contains(.fin) }?.time ?? .max
      return sum + own.count { $0.outgoing && $0.flags.contains(.rst) && $0.time > fin }
    }
  }

  /// Whether a client had not closed yet when such a RST came: `tcp_reset` counts it in CLOSE_WAIT, not in LAST_ACK. The
  /// ACK of the server's FIN leaves by itself where the client's program takes longer than a delayed ACK (40 ms).
  private static func isReset(_ attempt: Attempt, trace: Trace) -> Bool {
    guard let syn = trace.flow(of: attempt).synsAtClient.first else { return false }
    let end = syn.sourcePort
    let own = (trace.clientLink[attempt.client] ?? []).drop { $0.time < syn.time }.filter {
      $0.outgoing ? $0.sourcePort == end : $0.destinationPort == end
    }
    let ends = own.first {
      $0.outgoing
        ? $0.flags.contains(.fin) || $0.isSYN && $0.sequence != syn.sequence : $0.flags.contains(.rst)
    }
    return ends?.outgoing == false
  }

  /// Cookies that a server sent, and got back. With the value 2 every SYN that reaches the listener is answered by one,
  /// but a SYN that TIME_WAIT has let through (`tcp_tw_isn` is set), and each connection comes from one
  /// (`cookie_v4_check`).
  private static func cookies(
    _ attempts: [JudgedAttempt], node: String, trace: Trace
  ) -> (sent: ClosedRange<Int>, received: ClosedRange<Int>) {
    var (sent, received) = (0...0, 0...0)
    for judged in attempts where judged.attempt.kind == .connect {
      let flow = trace.flow(of: judged.attempt)
      guard flow.serverNode == node else { continue }
      let isFresh = trace.meetsNothing(flow)
      let syns = flow.synsAtServer.count
      let back = judged.attempt.errno == nil && flow.synAck != nil ? 1 : 0
      sent = sent.lowerBound + (isFresh ? syns : 0)...sent.upperBound + syns
      received = received.lowerBound + (isFresh ? back : 0)...received.upperBound + back
    }
    return (sent, received)
  }
}

extension Trace {
  /// Whether nothing had passed on a flow's 4-tuples before it, so that its SYNs meet no TIME_WAIT.
  fileprivate func meetsNothing(_ flow: Flow) -> Bool {
    flow.synsAtServer.allSatisfy { syn in before(syn).allSatisfy { $0.sequence == syn.sequence && $0.isSYN } }
  }
}
