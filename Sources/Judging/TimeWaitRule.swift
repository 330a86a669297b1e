import Evidence

/// What a server's TIME_WAIT does with a new SYN, from the captured numbers alone:
/// `tcp_timewait_state_process`, net/ipv4/tcp_minisocks.c.
enum TimeWaitRule {
  /// What becomes of the SYN.
  enum Answer: Equatable {
    /// It reaches the listener: there is no TIME_WAIT, or TIME_WAIT lets it through.
    case accepted
    /// The old ACK, and a PAWS counter.
    case refusedByTimestamp
    /// The old ACK.
    case refusedBySequence
  }

  /// - Parameters:
  ///   - syn: the new connection's first SYN on the server's link.
  ///   - past: every segment of the same 4-tuple on that link before it, by time.
  ///   - rfc1337: whether TIME_WAIT ignores RSTs.
  static func answer(to syn: Segment, after past: [Segment], rfc1337: Bool) -> Answer {
    guard let wait = timeWait(past, rfc1337: rfc1337) else { return .accepted }
    let tsval = wait.recent == nil ? nil : syn.tsval
    if let tsval, let recent = wait.recent, Modular.before(tsval, recent) { return .refusedByTimestamp }
    if Modular.after(syn.sequence, wait.next) { return .accepted }
    if let tsval, let recent = wait.recent, Modular.before(recent, tsval) { return .accepted }
    return .refusedBySequence
  }

  /// Whether what passed has left a TIME_WAIT there, of either substate's later part: the server's FIN, then the client's.
  static func isLeft(by past: [Segment], rfc1337: Bool) -> Bool { timeWait(past, rfc1337: rfc1337) != nil }

  /// `tw_rcv_nxt` and `tw_ts_recent` that the last connection left, if the server closed it first.
  private static func timeWait(_ past: [Segment], rfc1337: Bool) -> (next: UInt32, recent: UInt32?)? {
    guard let start = past.lastIndex(where: { $0.outgoing && $0.isSYNACK }) else { return nil }
    let connection = past[start...]
    guard let ours = connection.firstIndex(where: { $0.outgoing && $0.flags.contains(.fin) }),
      let theirs = connection.firstIndex(where: { !$0.outgoing && $0.flags.contains(.fin) }),
      ours < theirs
    else { return nil }
    let fin = connection[theirs]
    let next = fin.sequence &+ UInt32(truncatingIfNeeded: fin.payload) &+ 1
    if !rfc1337,
      connection[theirs...].contains(where: {
        !$0.outgoing && $0.flags.contains(.rst) && $0.sequence == next
      })
    {
      return nil
    }
    // Timestamps are in use where the SYN-ACK agreed to them.
    let recent = connection.first?.tsval == nil ? nil : fin.tsval
    return (next, recent)
  }
}
