import Evidence
import Model

/// The hop drops it: no free NAT tuple.
struct HopClash: MechanismRule {
  let name: Mechanism = "hop"
  let outcomes: [Outcome] = [.dropped]
  let summary = "the NAT has no free port for it: its conntrack still holds every tuple of its range"
  let source =
    "__nf_conntrack_confirm, net/netfilter/nf_conntrack_core.c; nf_nat_may_kill (458972550287, 6.5)"
  let mutations: [Mutation] = [.ports]

  func expect(_ book: inout Book) {
    book.noneArrived()
    book.count("SYNs on the client's link", book.attempt.syns, is: .atLeast(1))
    // __nf_conntrack_confirm: a tuple that clashes is counted twice, as insert_failed and as drop.
    let nat = book.refusingNAT
    book.move("conntrack.insert_failed", book.attempt.syns, on: nat)
    book.move("conntrack.drop", book.attempt.syns, on: nat)
    book.reason(["NETFILTER_DROP"], book.attempt.syns, on: nat, of: book.flow.synsAtClient)
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    counts ? "dropped by the hop: conntrack insert_failed +1" : "dropped by the hop"
  }
}

extension Book {
  /// The node whose conntrack refuses: of several NATs the first whose counter has moved.
  var refusingNAT: String {
    let nodes = test.network.natNodes
    return nodes.first { (observation.counters(of: $0)["conntrack.insert_failed"] ?? 0) != 0 } ?? nodes.first
      ?? Network.hop
  }
}
