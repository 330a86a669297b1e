import Evidence
import Model

/// A node does not take the packet on the interface where it comes: it would send to its source by another.
struct ReversePath: MechanismRule {
  let name: Mechanism = "rp-filter"
  let outcomes: [Outcome] = [.dropped]
  let summary =
    "rp_filter: a node would reach the packet's source by another interface than the one it came by"
  let source =
    "__fib_validate_source, net/ipv4/fib_frontend.c; ip_rcv_finish_core (IPReversePathFilter); RFC 3704"
  let mutations: [Mutation] = [.baseline("rp_filter")]

  func expect(_ book: inout Book) {
    let (flow, step) = (book.flow, book.attempt.attempt.step)
    let filters = book.test.network.nodes.filter { node in
      let value =
        book.test.setting("rp_filter", on: node, inStep: step)
        ?? book.observation.settings[node]?["rp_filter"]
      return value == "1" || value == "2"
    }
    book.check(
      "nodes that filter", "one", filters.isEmpty ? "none" : filters.joined(separator: ", "),
      filters.count == 1)
    guard let node = filters.first, filters.count == 1 else { return }
    // It is captured where it comes in, before it is looked at.
    let atServer = node == flow.serverNode && !flow.synsAtServer.isEmpty
    let lost =
      atServer
      ? flow.refusedSYNs
      : flow.synAck == nil
        ? book.attempt.syns - book.attempt.synsAtServer : flow.atServer.count { $0.outgoing && $0.isSYNACK }
    book.count(
      flow.synAck == nil ? "SYNs that got no further" : "SYN-ACKs that got no further", lost, is: .atLeast(1))
    if atServer { book.count("answers of the server", flow.atServer.count { $0.outgoing }, is: .number(0)) }
    book.move("TcpExt.IPReversePathFilter", lost, on: node)
    let segments =
      flow.synAck == nil ? flow.synsAtClient : flow.atServer.filter { $0.outgoing && $0.isSYNACK }
    book.reason(["IP_RPFILTER"], lost, on: node, of: segments)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    "dropped by rp_filter" + (counts ? ": IPReversePathFilter +1" : "")
  }
  func loss(_ book: Book, counts: Bool) -> String? { refusal(book, counts: counts) }
}
