import Evidence
import Model

extension Book {
  /// What TIME_WAIT makes of each of the attempt's SYNs, by the captured numbers.
  var timeWaitAnswers: [TimeWaitRule.Answer] {
    let value =
      test.setting("tcp_rfc1337", on: flow.serverNode, inStep: attempt.attempt.step)
      ?? observation.settings[flow.serverNode]?["tcp_rfc1337"]
    return flow.synsAtServer.map {
      TimeWaitRule.answer(to: $0, after: trace.before($0), rfc1337: value == "1")
    }
  }

  /// What TIME_WAIT leaves behind where it refuses: a connection that the server closed first, old ACKs, RSTs in answer to
  /// them, and a PAWS counter for each SYN that is older by timestamp.
  ///
  /// - Parameter answers: what it makes of each SYN, of which one behind the refused ones may be accepted.
  /// - Parameter answer: what it must make of each that is refused; nil for whatever it makes.
  mutating func refusedByTimeWait(_ answers: [TimeWaitRule.Answer], each answer: TimeWaitRule.Answer?) {
    allArrived(but: keptByDirector)
    let refused = flow.refusedSYNs
    count("refused SYNs", refused, is: .atLeast(1))
    // Whatever else answers a SYN with an old ACK, the server had not closed that connection first: an ESTABLISHED
    // socket (tcp_validate_incoming), or FIN_WAIT2, where no PAWS counter moves.
    count(
      "refused SYNs that TIME_WAIT refuses" + (answer.map { ", \($0.words)" } ?? ""),
      answers.prefix(refused).count { answer == nil ? $0 != .accepted : $0 == answer }, is: .number(refused))
    timeWaitInCensus()
    // One ACK per 500 ms and TIME_WAIT socket (tcp_invalid_ratelimit); the rest are counted as skipped.
    count("old ACKs", flow.oldAcks.count, is: .within(1...max(1, refused)))
    count("RSTs in answer to the old ACKs", flow.resets.count, is: .number(flow.oldAcks.count))
    move("TcpExt.TCPACKSkippedTimeWait", refused - flow.oldAcks.count, on: flow.serverNode)
    // tcp_v4_send_reset.
    move("Tcp.OutRsts", flow.resets.count, on: client)
    // tcp_timewait_state_process counts PAWSTimewait since 6.16, PAWSEstab before.
    if let counter = kernel.counter("TcpExt.PAWSTimewait", "TcpExt.PAWSEstab") {
      move(counter, answers.prefix(refused).count { $0 == .refusedByTimestamp }, on: flow.serverNode)
    }
  }

  /// SYNs that a director drops because it would schedule them anew while conntrack has the old connection: `ip_vs_in`
  /// until f0a5e4d7a594 (5.9, 5.4.286, 4.19.222).
  ///
  /// The old ACK has made its entry ESTABLISHED, the client's RST ends it (`tcp_states`, sCL), and the SYN behind that
  /// is a new connection's (`is_new_conn_expected`).
  var keptByDirector: Int {
    guard !kernel.has(.ipvsReschedulesTracked), let first = flow.synsAtClient.first,
      test.network.directorNodes.contains(where: { director in
        func value(_ name: String) -> String? {
          test.setting(name, on: director, inStep: attempt.attempt.step)
            ?? observation.settings[director]?[name]
        }
        return value("vs.conntrack") == "1" && value("vs.conn_reuse_mode") != "0"
      })
    else { return 0 }
    var (isClosed, kept) = (false, 0)
    for segment in trace.clientLink[first.node] ?? []
    where segment.outgoing && segment.sourcePort == first.sourcePort && segment.time >= first.time {
      if segment.flags.contains(.rst) { isClosed = true }
      guard isClosed, segment.isSYN, segment.sequence == first.sequence else { continue }
      (isClosed, kept) = (false, kept + 1)
    }
    return kept
  }

  /// Where the sockets were told by their ends before the step began, TIME_WAIT is among them on the SYN's addresses and
  /// ports. A recording that only counted them, or a connection of the same step, is judged by its packets alone.
  private mutating func timeWaitInCensus() {
    guard let syn = flow.synsAtServer.first, let entries = entries(of: syn.node),
      let past = trace.before(syn).last, past.time < stepBegan
    else { return }
    let found = entries.first { $0.isBetween(syn) }
    check(
      "socket before", "TIME-WAIT on its addresses and ports", found?.state ?? "none",
      found?.state == "TIME-WAIT")
  }

  /// A node's sockets by their ends before the attempt's step; nil where they were not told.
  func entries(of node: String) -> [SocketEntry]? {
    observation.sockets.last { $0.node == node && $0.step < attempt.attempt.step }?.entries
  }

  /// When the first attempt of this one's step began.
  var stepBegan: Int64 {
    observation.attempts.lazy.filter { $0.step == attempt.attempt.step }.map(\.began).min() ?? .min
  }
}

extension TimeWaitRule.Answer {
  fileprivate var words: String {
    switch self {
    case .accepted: "not at all"
    case .refusedByTimestamp: "by timestamp"
    case .refusedBySequence: "by sequence number"
    }
  }
}

extension SocketEntry {
  /// Whether it is the socket that a segment towards the node meets.
  func isBetween(_ segment: Segment) -> Bool {
    func text(_ address: String, _ port: Int) -> String {
      address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
    return local == text(segment.destination, segment.destinationPort)
      && peer == text(segment.source, segment.sourcePort)
  }
}
