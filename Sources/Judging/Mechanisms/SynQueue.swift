import Evidence
import Model

/// The server's queue of half-open connections is full, and it sends no cookies.
struct SynQueue: MechanismRule {
  let name: Mechanism = "syn-queue"
  let outcomes: [Outcome] = [.dropped, .delayed]
  let summary =
    "the listener's queue of half-open connections is full and tcp_syncookies is 0: the SYN is dropped"
  let source = "tcp_conn_request and tcp_syn_flood_action, net/ipv4/tcp_input.c"
  let mutations: [Mutation] = [.baseline("tcp_syncookies")]

  func expect(_ book: inout Book) {
    let flow = book.flow
    book.allArrived()
    let refused = flow.refusedSYNs
    book.count("refused SYNs", refused, is: .atLeast(1))
    book.count("answers to them", flow.unanswered.count { $0.outgoing }, is: .number(0))
    book.move("TcpExt.TCPReqQFullDrop", refused, on: flow.serverNode)
    book.move("TcpExt.ListenDrops", refused, on: flow.serverNode)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    "dropped, the queue of half-open connections is full"
      + (counts ? ": TCPReqQFullDrop +1, ListenDrops +1" : "")
  }
}
