import Evidence
import Model

/// A director that does not know its server's link address yet loses what waits for it, in IPv6 by direct routing.
struct FirstPacket: MechanismRule {
  let name: Mechanism = "ipvs-first-packet"
  let outcomes: [Outcome] = [.delayed]
  let summary =
    "in IPv6 by direct routing the first packet to a server is lost: what has waited for its link address is looked up again by the virtual address"
  let source =
    "neigh_update, net/core/neighbour.c, and ip6_neigh_lookup, net/ipv6/route.c, until 2c6b55f45d53 (5.2)"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    book.count("SYNs that the director lost", book.keptBack(), is: .number(1))
    // The link address is known from the first connection on.
    let (own, server) = (book.attempt.attempt, book.server)
    book.count(
      "connections to \(server) before",
      book.observation.attempts.count { $0.kind == .connect && $0.id < own.id && $0.server == server },
      is: .number(0))
    let ways = Set(book.test.network.hosts.flatMap(\.services).map(\.forwarding))
    book.check(
      "forwarding", "by direct routing, in IPv6",
      "\(ways.map(\.rawValue).sorted().joined(separator: ", ")), \(book.test.network.family.rawValue)",
      ways == [.route] && book.test.network.family == .ipv6)
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    "lost by the director, which did not know its server's link address yet"
  }
}
