import Evidence
import Model

/// The server has answered, and its answer went another way, or was thrown away on its own.
struct LostAnswer: MechanismRule {
  let name: Mechanism = "lost-answer"
  let outcomes: [Outcome] = [.dropped]
  let summary = "the server answers each SYN, and no answer reaches the client: another way, or a rule on it"
  let source = "ip_route_output_key, net/ipv4/route.c: an answer goes where the server's routes say"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    book.allArrived()
    let flow = book.flow
    let answers = flow.atServer.count {
      $0.outgoing && $0.isSYNACK && $0.acknowledgement == (flow.synsAtServer.first?.sequence ?? 0) &+ 1
    }
    book.count("SYN-ACKs that left the server", answers, is: .atLeast(1))
    let arrived = (book.trace.clientLink[book.client] ?? []).count {
      !$0.outgoing && $0.isSYNACK && $0.acknowledgement == (flow.synsAtClient.first?.sequence ?? 0) &+ 1
    }
    book.count("SYN-ACKs at the client", arrived, is: .number(0))
  }

  func refusal(_ book: Book, counts: Bool) -> String? { "answered, and the answer never came" }
}
