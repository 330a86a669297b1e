import Evidence
import Model

/// The SYN-ACK echoes a timestamp that the client has not sent, and the client refuses it.
struct TimestampEcho: MechanismRule {
  let name: Mechanism = "ts-echo"
  let outcomes: [Outcome] = [.dropped]
  let summary =
    "each SYN-ACK echoes a timestamp that the client has not sent since its SYN: the client answers by a RST and goes on waiting"
  let source = "tcp_rcv_synsent_state_process (PAWSActive), net/ipv4/tcp_input.c; RFC 7323, 3.2"
  let mutations: [Mutation] = [.straight]

  func expect(_ book: inout Book) {
    book.allArrived()
    let flow = book.flow
    let answers = (book.trace.clientLink[book.client] ?? []).filter {
      !$0.outgoing && $0.isSYNACK && $0.acknowledgement == (flow.synsAtClient.first?.sequence ?? 0) &+ 1
    }
    book.count("SYN-ACKs that the client has answered by a RST", flow.refusedAnswers, is: .atLeast(1))
    // What the client has sent is between its first SYN and what was captured last before the answer.
    let sent = flow.synsAtClient.compactMap(\.tsval)
    let wrong = answers.count { answer in
      guard let echo = answer.tsecr, let first = sent.first, let last = sent.last else { return false }
      return Modular.before(echo, first) || Modular.after(echo, last)
    }
    book.count("of them with an echo that it has not sent", wrong, is: .number(flow.refusedAnswers))
    book.move("TcpExt.PAWSActive", flow.refusedAnswers, on: book.client)
    // tcp_v4_send_reset; tcp_check_req at the server, of which each RST ends the half-open connection.
    book.move("Tcp.OutRsts", flow.refusedAnswers, on: book.client)
    book.move("Tcp.AttemptFails", flow.refusedAnswers, on: book.server)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    "answered, and the client refuses the echo" + (counts ? ": PAWSActive +1" : "")
  }
}

extension Mutation {
  /// No rule on the way rewrites a timestamp.
  fileprivate static let straight = Mutation(
    name: "straight", applies: { test in test.network.hosts.contains { $0.rewritesTimestamps } },
    apply: { test in
      for index in test.network.hosts.indices {
        test.network.hosts[index].rules.removeAll { $0.verdict.rewrites }
      }
    })
}
