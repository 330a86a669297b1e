import Evidence
import Model

/// The hop's conntrack table is full.
struct ConntrackFull: MechanismRule {
  let name: Mechanism = "conntrack-full"
  let outcomes: [Outcome] = [.dropped, .delayed]
  let summary =
    "the hop's conntrack table is full, and nothing in it can go: the packet is dropped, no tuple clashes"
  let source = "__nf_conntrack_alloc and nf_conntrack_in, net/netfilter/nf_conntrack_core.c"
  let mutations: [Mutation] = [.baseline("nf_conntrack_max")]

  func expect(_ book: inout Book) {
    let lost = book.keptBack()
    guard let hop = book.fullNode else { return }
    // 0 is no limit, and what is read as far more than this lab's connections cannot be reached by them.
    if let limit = book.limit(on: hop) {
      book.check(
        "nf_conntrack_max on \(hop)", "a number that the connections before can fill", "\(limit)",
        (1...max(1, book.observation.attempts.count)).contains(limit))
    }
    if let entries = book.entriesBefore(on: hop), let limit = book.limit(on: hop) {
      book.count("entries of \(hop)'s conntrack before", entries, is: .atLeast(limit))
    }
    // "table full, dropping packet": drop, and neither insert_failed nor early_drop.
    book.move("conntrack.drop", lost, on: hop)
    book.reason(["NETFILTER_DROP"], lost, on: hop, of: book.flow.synsAtClient)
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    "dropped by the hop, whose conntrack table is full" + (counts ? ": conntrack drop +1" : "")
  }
}

extension Book {
  /// The node whose table is full: of several that track the first whose conntrack has dropped.
  fileprivate var fullNode: String? {
    let nodes = test.network.trackingNodes
    return nodes.first { (observation.counters(of: $0)["conntrack.drop"] ?? 0) != 0 } ?? nodes.first
  }

  /// How many entries its table may have: as the case says, of whatever node where there is one number for all; else as
  /// it was read. Nil where neither is known.
  fileprivate func limit(on node: String) -> Int? {
    let name = "nf_conntrack_max"
    let nodes = [node] + test.network.nodes
    let said = nodes.lazy.compactMap { test.setting(name, on: $0, inStep: attempt.attempt.step) }.first
    return (said ?? observation.settings[node]?[name]).flatMap { Int($0) }
  }

  /// Entries of TCP after the step before, where an author asks for the table.
  fileprivate func entriesBefore(on node: String) -> Int? {
    observation.conntrack?.last { $0.node == node && $0.step < attempt.attempt.step }?.entries.count
  }
}
