import Evidence
import Model

/// The hop's conntrack table is full.
struct ConntrackFull: MechanismRule {
  let name: Mechanism = "conntrack-full"
  let outcomes: [Outcome] = [.dropped, .delayed]
  let summary =
    "the hop's conntrack table is full, and nothing in it can go: the packet is dropped, no tuple clashes"
  let source = "__nf_conntrack_alloc and nf_conntrack_in, net/netfilter/nf_conntrack_core.c"
  let mutations: [Mutation] = [.baseline("nf_conntrack_max"), .ports]

  func expect(_ book: inout Book) {
    let lost = book.keptBack()
    guard let hop = book.test.network.natNodes.first ?? book.test.network.forwardingNodes.first else {
      return
    }
    // "table full, dropping packet": drop, and neither insert_failed nor early_drop.
    book.move("conntrack.drop", lost, on: hop)
    book.reason(["NETFILTER_DROP"], lost, on: hop, of: book.flow.synsAtClient)
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    "dropped by the hop, whose conntrack table is full" + (counts ? ": conntrack drop +1" : "")
  }
}
