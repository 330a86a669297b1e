import Evidence
import Model

/// The server's queue of connections that nobody has accepted is full.
struct ListenOverflow: MechanismRule {
  let name: Mechanism = "listen-overflow"
  let outcomes: [Outcome] = [.dropped, .delayed, .reset]
  let summary =
    "the listener's queue of connections to accept is full: the SYN is dropped; with tcp_abort_on_overflow the handshake's last ACK is answered by a RST"
  let source = "tcp_conn_request, tcp_v4_syn_recv_sock and tcp_check_req (listen_overflow)"
  let mutations: [Mutation] = [.baseline("somaxconn"), .baseline("tcp_abort_on_overflow")]

  func expect(_ book: inout Book) {
    let flow = book.flow
    book.allArrived()
    guard book.attempt.outcome == .reset else {
      let refused = flow.refusedSYNs
      book.count("refused SYNs", refused, is: .atLeast(1))
      book.count("answers to them", flow.unanswered.count { $0.outgoing }, is: .number(0))
      book.move("TcpExt.ListenOverflows", refused, on: flow.serverNode)
      book.move("TcpExt.ListenDrops", refused, on: flow.serverNode)
      return
    }
    let value =
      book.test.setting("tcp_abort_on_overflow", on: flow.serverNode, inStep: book.attempt.attempt.step)
      ?? book.observation.settings[flow.serverNode]?["tcp_abort_on_overflow"] ?? "0"
    book.check("tcp_abort_on_overflow", "1", value, value == "1")
    let resets = flow.atServer.count { $0.outgoing && $0.flags.contains(.rst) }
    book.count("SYN-ACKs before the RST", flow.synAck == nil ? 0 : 1, is: .number(1))
    book.count("RSTs of the server", resets, is: .atLeast(1))
    // The first ACK finds no room; what comes behind it finds no such connection.
    book.move("TcpExt.ListenOverflows", 1, on: flow.serverNode)
    book.move("TcpExt.ListenDrops", 1, on: flow.serverNode)
    book.move("Tcp.OutRsts", resets, on: flow.serverNode)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    "dropped, the queue to accept is full" + (counts ? ": ListenOverflows +1, ListenDrops +1" : "")
  }
}
