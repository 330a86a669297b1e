import Evidence
import Model

/// A SYN meets a connection that the server still holds open.
struct ChallengeAck: MechanismRule {
  let name: Mechanism = "challenge-ack"
  let outcomes: [Outcome] = [.delayed, .dropped]
  let summary =
    "the SYN meets a connection that the server still holds open: a challenge ACK, and the RST in answer ends that one"
  let source = "tcp_validate_incoming and tcp_send_challenge_ack, net/ipv4/tcp_input.c; RFC 5961, 4"
  let mutations: [Mutation] = [.ports]

  func expect(_ book: inout Book) {
    let (flow, kernel) = (book.flow, book.kernel)
    book.allArrived()
    let refused = flow.refusedSYNs
    book.count("refused SYNs", refused, is: .atLeast(1))
    guard let syn = flow.synsAtServer.first else { return }
    let past = Past(book.trace.before(syn))
    book.check(
      "connection before on its addresses and ports", "open at the server", past.words,
      past.isOpen || past.finWait2 != nil)
    if let entries = book.entries(of: syn.node), let last = past.last, last.time < book.stepBegan {
      let state = entries.first { $0.isBetween(syn) }?.state ?? "none"
      book.check(
        "socket before", "ESTAB, CLOSE-WAIT or FIN-WAIT-2", state,
        ["ESTAB", "CLOSE-WAIT", "FIN-WAIT-2"].contains(state))
    }
    let acks = flow.oldAcks.count
    book.count("challenge ACKs", acks, is: .within(1...max(1, refused)))
    book.count("RSTs in answer to them", flow.resets.count, is: .number(acks))
    // Before ee05d90d0ac7 (6.4) PAWS came first, also for a SYN: a duplicate ACK and PAWSEstab.
    let older = flow.synsAtServer.prefix(refused).count { past.isNewer(than: $0.tsval) }
    let isExact = kernel.counter("TcpExt.PAWSTimewait") != nil || older == 0
    book.move("TcpExt.TCPSYNChallenge", (isExact ? refused : refused - older)...refused, on: syn.node)
    book.move("TcpExt.TCPChallengeACK", (isExact ? acks : max(0, acks - older))...acks, on: syn.node)
    // tcp_rcv_established has it counted as an error too (syn_inerr).
    book.move(
      "Tcp.InErrs",
      past.clientHasClosed || !past.isOpen ? 0...0 : (isExact ? refused : refused - older)...refused,
      on: syn.node)
    // One per 500 ms and socket (tcp_invalid_ratelimit).
    book.move(
      "TcpExt.TCPACKSkippedChallenge", (isExact ? max(0, refused - acks) : 0)...max(0, refused - acks),
      on: syn.node)
    if !isExact {
      book.move("TcpExt.PAWSEstab", 0...older, on: syn.node)
      book.move("TcpExt.TCPACKSkippedPAWS", 0...max(0, refused - acks), on: syn.node)
    }
    // tcp_v4_send_reset at the client, tcp_reset at the server, where it was open. A socket whose writing half only was
    // closed waits in FIN_WAIT2 and is no TIME_WAIT: it challenges too.
    book.move("Tcp.OutRsts", flow.resets.count, on: book.client)
    book.move("Tcp.EstabResets", flow.resets.isEmpty || !past.isOpen ? 0 : 1, on: syn.node)
    if older == 0 { book.reason(["TCP_INVALID_SYN"], refused, on: syn.node, of: flow.synsAtServer) }
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    "meets an open connection, challenged" + (counts ? ": TCPSYNChallenge +1" : "")
  }
}
