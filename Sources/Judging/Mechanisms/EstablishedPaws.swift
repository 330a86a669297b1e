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
    let stale = book.trace.staleSegments(of: book.attempt.attempt)
    book.count("segments with an old timestamp", stale.count, is: .atLeast(1))
    // tcp_validate_incoming: every one of them counts. PAWSOldAck (6.14) is only for ACKs that repeat.
    let server = book.attempt.attempt.server ?? Network.server
    book.move("TcpExt.PAWSEstab", stale.count, on: server)
    book.reason(["TCP_RFC7323_PAWS", "TCP_RFC7323_PAWS_ACK"], stale.count, on: server, of: stale)
    // Old data is answered at once, an old ACK once per tcp_invalid_ratelimit (tcp_oow_rate_limited).
    let answers = book.trace.bareAcks(to: book.attempt.attempt, since: stale.first?.time ?? .max)
    book.count("answers to them", answers, is: .within(1...max(1, stale.count)))
    book.move("TcpExt.TCPACKSkippedPAWS", stale.count - answers, on: server)
  }

  func remarks(_ book: Book, counts: Bool) -> [Remark] {
    book.trace.staleSegments(of: book.attempt.attempt).map {
      Remark(segment: $0, text: "refused, older by timestamp" + (counts ? ": PAWSEstab +1" : ""))
    }
  }
}
