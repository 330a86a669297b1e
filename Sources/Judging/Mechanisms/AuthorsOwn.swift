import Evidence
import Model

/// Whatever the author of a lab file says must be seen with it, where the lab has no mechanism.
struct AuthorsOwn: MechanismRule {
  let name: Mechanism = "witnesses"
  let outcomes: [Outcome] = [
    .connected, .delayed, .dropped, .refused, .unreachable, .reset, .lost, .unacknowledged,
  ]
  let summary =
    "what the expectation itself names: counters, packets, sockets, conntrack, ipvs or drops, of which it must have some"
  let source = "the lab file"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    let has = book.rule.witnesses.map { !$0.isEmpty } ?? false
    book.check("witnesses of its author", "some", has ? "some" : "none", has)
  }
}
