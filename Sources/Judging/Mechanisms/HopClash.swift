import Evidence
import Model

/// The hop drops it: no free NAT tuple.
struct HopClash: MechanismRule {
  let name: Mechanism = "hop"
  let outcomes: [Outcome] = [.dropped, .delayed]
  let summary = "the NAT has no free port for it: its conntrack still holds every tuple of its range"
  let source =
    "__nf_conntrack_confirm, net/netfilter/nf_conntrack_core.c; nf_nat_may_kill (458972550287, 6.5)"
  let mutations: [Mutation] = [.ports]

  func expect(_ book: inout Book) {
    let lost = book.keptBack()
    guard let hop = book.refusingNAT else { return }
    // __nf_conntrack_confirm: a tuple that clashes is counted twice, as insert_failed and as drop.
    book.move("conntrack.insert_failed", lost, on: hop)
    book.move("conntrack.drop", lost, on: hop)
    book.reason(["NETFILTER_DROP"], lost, on: hop, of: book.flow.synsAtClient)
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    counts ? "dropped by the hop: conntrack insert_failed +1" : "dropped by the hop"
  }
}

extension Book {
  /// The node whose conntrack refuses: of several NATs the first whose counter has moved.
  var refusingNAT: String? {
    let nodes = test.network.natNodes
    return nodes.first { (observation.counters(of: $0)["conntrack.insert_failed"] ?? 0) != 0 } ?? nodes.first
  }

  /// SYNs that left the client and reached no server: all of a dropped attempt's, and of a delayed one's all but those
  /// that were answered, the first at once.
  ///
  /// - Returns: how many.
  mutating func keptBack() -> Int {
    let lost = attempt.syns - attempt.synsAtServer
    if attempt.outcome == .delayed {
      count("SYNs on the server's link", attempt.synsAtServer, is: .number(1))
      count("refused SYNs", flow.refusedSYNs, is: .number(0))
    } else {
      noneArrived()
    }
    count("SYNs that reached no server", lost, is: .atLeast(1))
    return lost
  }
}
