import Evidence
import Model

/// An established connection's segment is older by timestamp.
struct EstablishedPaws: MechanismRule {
  let name: Mechanism = "established-paws"
  let outcomes: [Outcome] = [.lost, .unacknowledged]
  let summary = "segments of an open connection are older by timestamp than those before"
  let source = "tcp_validate_incoming, net/ipv4/tcp_input.c; RFC 7323, 5"
  let mutations: [Mutation] = [.skew]

  func expect(_ book: inout Book) {
    let stale = book.staleSegments
    let (all, least) = (stale.count, stale.count - stale.count { $0.mayPass })
    book.count("segments with an old timestamp", all, is: .atLeast(1))
    // tcp_validate_incoming: every one of them counts. PAWSOldAck (6.14) is only for ACKs that repeat.
    book.move("TcpExt.PAWSEstab", least...all, on: book.server)
    let segments = stale.map(\.segment)
    if least == all {
      book.reason(["TCP_RFC7323_PAWS", "TCP_RFC7323_PAWS_ACK"], all, on: book.server, of: segments)
    }
    // Old data is answered at once, an old ACK once per tcp_invalid_ratelimit (tcp_oow_rate_limited).
    let answers = book.trace.bareAcks(to: book.portAtServer, since: segments.first?.time ?? .max)
    book.count("answers to them", answers, is: .within(min(1, least)...max(1, all)))
    book.move("TcpExt.TCPACKSkippedPAWS", max(0, least - answers)...max(0, all - answers), on: book.server)
  }

  func remarks(_ book: Book, counts: Bool) -> [Remark] {
    book.staleSegments.map {
      Remark(
        segment: $0.segment,
        text: "refused, older by timestamp" + (counts && !$0.mayPass ? ": PAWSEstab +1" : ""))
    }
  }
}

extension Book {
  /// A client's segment that is older by timestamp than the newest before the attempt.
  fileprivate struct Stale {
    var segment: Segment
    /// A duplicate ACK that lies within the replay window or not, by an RTO that nobody tells.
    var mayPass: Bool
  }

  /// What PAWS refuses on the attempt's connection: `tcp_paws_discard`, so only what is older by more than
  /// TCP_PAWS_WINDOW (1), no RST, and no duplicate ACK of the replay window (`tcp_disordered_ack`), which is 1.2 RTO wide:
  /// 240 ms at least, 144 s at most.
  fileprivate var staleSegments: [Stale] {
    let found = trace.segments(from: portAtServer, at: attempt.attempt.began)
    guard let newest = found.before.last(where: { $0.tsval != nil })?.tsval else { return [] }
    let acknowledged = found.before.last(where: { $0.flags.contains(.ack) })?.acknowledgement
    return found.since.compactMap { segment in
      guard let tsval = segment.tsval, !segment.flags.contains(.rst) else { return nil }
      let age = Int(Int32(bitPattern: newest &- tsval))
      guard age > 1 else { return nil }
      let repeats = segment.flags == .ack && segment.payload == 0 && segment.acknowledgement == acknowledged
      guard repeats else { return Stale(segment: segment, mayPass: false) }
      let milliseconds = age.multiplied(by: 1000) / max(1, kernel.timestampTicksPerSecond)
      return milliseconds <= 240 ? nil : Stale(segment: segment, mayPass: milliseconds <= 144_000)
    }
  }
}
