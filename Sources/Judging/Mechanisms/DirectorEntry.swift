import Evidence
import Model

/// IPVS drops it: its connection entry names a real server that was removed, or is being replaced.
struct DirectorEntry: MechanismRule {
  let name: Mechanism = "ipvs"
  let outcomes: [Outcome] = [.dropped, .delayed]
  let summary = "the director's connection entry names a real server that was removed, or is being replaced"
  let source = "ip_vs_in_hook (ip_vs_in until 6.0), net/netfilter/ipvs/ip_vs_core.c; f0a5e4d7a594 (5.9)"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    let kept = book.attempt.syns - book.attempt.synsAtServer
    book.count("SYNs that the director kept", kept, is: .atLeast(1))
    if book.attempt.outcome == .dropped { book.noneArrived() }
  }

  func loss(_ book: Book, counts: Bool) -> String? { "kept by the director" }
}
