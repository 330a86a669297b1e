import Evidence
import Model

/// The director's real servers have weight 0: none is chosen any more.
struct QuiescedServer: MechanismRule {
  let name: Mechanism = "ipvs-quiesced"
  let outcomes: [Outcome] = [.refused, .connected]
  let summary =
    "weight 0: no new connection is scheduled to the server (an ICMP error where that is true of all), and one whose entry lives goes on to it"
  let source = "ip_vs_schedule and ip_vs_leave (ICMP_PORT_UNREACH), net/netfilter/ipvs/ip_vs_core.c"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    guard let director = book.test.network.directorNodes.first else { return }
    let step = book.attempt.attempt.step
    let census = book.observation.ipvs?.last { $0.node == director && $0.step < step }
    let weights = census?.servers ?? []
    let words =
      weights.isEmpty ? "not read" : weights.map { "\($0.server) \($0.weight)" }.joined(separator: ", ")
    guard book.attempt.outcome == .refused else {
      // Not scheduled: the entry of an earlier connection sends it there.
      let names = NodeNames(book.test.network, book.observation)
      let its = weights.first { names.matches(host: book.server, String($0.server.host)) }
      book.check("weights", "0 of \(book.server)", words, its?.weight == 0)
      let local = book.attempt.attempt.local
      let entry = census?.entries.first { $0.client == local }
      book.check(
        "the director's entry before", "names \(book.server)", entry?.server ?? "none",
        entry.map { names.matches(host: book.server, String($0.server.host)) } ?? false)
      return
    }
    book.check(
      "weights", "0 of every server", words, !weights.isEmpty && weights.allSatisfy { $0.weight == 0 })
    book.noneArrived()
    let errors = book.icmpErrors
    book.count("ICMP errors about its SYNs", errors.count, is: .within(1...max(1, book.attempt.syns)))
    book.check(
      "what they say", "port unreachable", errors.last?.words ?? "none",
      errors.allSatisfy { $0.errno == "ECONNREFUSED" } && !errors.isEmpty)
    let old = errors.count { $0.isIPv4 }
    book.move("Icmp.InDestUnreachs", old, on: book.client)
    book.move("Icmp.OutDestUnreachs", old, on: director)
    book.reason(["NETFILTER_DROP"], errors.count, on: director, of: book.flow.synsAtClient)
  }

  func loss(_ book: Book, counts: Bool) -> String? { "scheduled to no server" }
}
