import Evidence
import Model

/// A SYN meets a connection that the server has closed and the client has not.
struct FinWait2: MechanismRule {
  let name: Mechanism = "fin-wait-2"
  let outcomes: [Outcome] = [.delayed, .refused]
  let summary =
    "the SYN meets a connection that the server has closed and the client has not: the old ACK where it is older or out of the window, else a RST"
  let source = "tcp_timewait_state_process, tw_substate TCP_FIN_WAIT2, net/ipv4/tcp_minisocks.c"
  let mutations: [Mutation] = [.ports]

  func expect(_ book: inout Book) {
    let flow = book.flow
    book.allArrived()
    guard let syn = flow.synsAtServer.first else { return }
    let past = Past(book.trace.before(syn))
    book.check(
      "connection before on its addresses and ports", "closed by the server", past.words, past.finWait2 != nil
    )
    if let entries = book.entries(of: syn.node), let last = past.last, last.time < book.stepBegan {
      let state = entries.first { $0.isBetween(syn) }?.state ?? "none"
      book.check("socket before", "FIN-WAIT-2", state, state == "FIN-WAIT-2")
    }
    if book.attempt.outcome == .refused {
      // TCP_TW_RST; what it counts follows from the outcome.
      let answers = flow.unanswered.count { $0.outgoing && $0.flags == [.rst, .ack] }
      book.count("RSTs in answer to the SYNs", answers, is: .number(book.attempt.syns))
      let isAhead = past.finWait2.map { !Modular.before(syn.sequence, $0) } ?? false
      book.check(
        "sequence number", "at rcv_nxt or past it, and not older by timestamp",
        isAhead ? past.isNewer(than: syn.tsval) ? "older by timestamp" : "as expected" : "before it",
        isAhead && !past.isNewer(than: syn.tsval))
      return
    }
    let refused = flow.refusedSYNs
    book.count("refused SYNs", refused, is: .atLeast(1))
    book.count("old ACKs", flow.oldAcks.count, is: .within(1...max(1, refused)))
    // A RST ends it whatever tcp_rfc1337 says.
    book.count("RSTs in answer to the old ACKs", flow.resets.count, is: .number(flow.oldAcks.count))
    book.move("Tcp.OutRsts", flow.resets.count, on: book.client)
    book.move("TcpExt.TCPACKSkippedFinWait2", refused - flow.oldAcks.count, on: syn.node)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    "meets FIN_WAIT2, which the client has not closed; no PAWS counter moves"
  }
}
