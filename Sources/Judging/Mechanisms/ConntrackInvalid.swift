import Evidence
import Model

/// The hop's conntrack calls packets INVALID, and leaves them as they are or has a rule drop them.
struct ConntrackInvalid: MechanismRule {
  let name: Mechanism = "conntrack-invalid"
  let outcomes: [Outcome] = [.lost, .unacknowledged, .reset, .dropped]
  let summary =
    "the hop's conntrack calls packets INVALID: a rule drops them, or they leave with addresses that nobody has rewritten"
  let source = "nf_conntrack_tcp_packet and tcp_new, net/netfilter/nf_conntrack_proto_tcp.c; nf_nat_inet_fn"
  let mutations: [Mutation] = [.remembered]

  func expect(_ book: inout Book) {
    guard let hop = book.test.network.natNodes.first ?? book.test.network.forwardingNodes.first else {
      return
    }
    let drops = book.test.network.host(hop)?.rules.contains(.dropInvalid) == true
    // Where nothing drops them they are seen un-rewritten; where a rule does, they are not seen beyond the hop at all.
    let unwritten = book.unrewritten
    if drops {
      let lost = book.sentSince.count
      book.count("segments that got no further", lost, is: .atLeast(1))
      book.move("conntrack.invalid", lost, on: hop)
      book.move("rule.FORWARD", lost, on: hop)
      book.reason(["NETFILTER_DROP"], lost, on: hop, of: book.sentSince)
    } else {
      book.count("packets on the server's link that nobody has rewritten", unwritten.count, is: .atLeast(1))
      book.move("conntrack.invalid", unwritten.count, on: hop)
      // The server knows no such connection, or has a listener for it (TCP_FLAGS): tcp_v4_send_reset.
      let resets = unwritten.count { $0.outgoing && $0.flags.contains(.rst) }
      book.move("Tcp.OutRsts", resets, on: book.server)
      book.reason(
        book.reasonsOfNobody(on: book.server), resets, on: book.server,
        of: unwritten.filter { !$0.outgoing })
    }
    if book.attempt.outcome == .reset {
      let resets = book.resetsAtSender
      book.count("RSTs at the sender", resets, is: .atLeast(1))
      // tcp_reset.
      if book.attempt.attempt.kind == .send { book.move("Tcp.EstabResets", 1, on: book.sender) }
    }
  }

  func remarks(_ book: Book, counts: Bool) -> [Remark] {
    book.unrewritten.map {
      Remark(segment: $0, text: "INVALID for the hop, which has rewritten nothing of it")
    }
  }
}

extension Mutation {
  /// The hop forgets nothing.
  fileprivate static let remembered = Mutation(
    name: "remembered", applies: { $0.workload.contains(where: \.forgetsConnections) },
    apply: { $0.workload.removeAll(where: \.forgetsConnections) })
}
