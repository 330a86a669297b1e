import Evidence
import Model

/// IPVS drops it: its connection entry names a real server that was removed, or is being replaced.
struct DirectorEntry: MechanismRule {
  let name: Mechanism = "ipvs"
  let outcomes: [Outcome] = [.dropped, .delayed]
  let summary = "the director's connection entry names a real server that was removed, or is being replaced"
  let source = "ip_vs_in_hook (ip_vs_in until 6.0), net/netfilter/ipvs/ip_vs_core.c; f0a5e4d7a594 (5.9)"
  let mutations: [Mutation] = [.stays]

  func expect(_ book: inout Book) {
    let kept = book.attempt.syns - book.attempt.synsAtServer
    book.count("SYNs that the director kept", kept, is: .atLeast(1))
    if book.attempt.outcome == .dropped { book.noneArrived() }
    // drop_entry, a lost route and a rule look alike: the entry is that of an earlier connection from this address and
    // port, and its server is gone.
    let attempt = book.attempt.attempt
    let before = book.observation.attempts.last {
      $0.kind == .connect && $0.id < attempt.id && $0.local != nil && $0.local == attempt.local
        && $0.remote == attempt.remote && $0.server != nil
    }
    let removed = book.test.removedServers(before: attempt.step)
    let old = before?.server
    if book.attempt.outcome == .dropped {
      book.check(
        "server of the connection before", "one that was removed", old ?? "none",
        old.map(removed.contains) ?? false)
    } else {
      book.check("connection before on its address and port", "one", old ?? "none", old != nil)
    }
    guard let director = book.test.network.directorNodes.first else { return }
    book.reason(["NETFILTER_DROP"], kept, on: director, of: book.flow.synsAtClient)
    if let old,
      let census = book.observation.ipvs?.last(where: { $0.node == director && $0.step < attempt.step })
    {
      let entry = census.entries.first { $0.client == attempt.local && $0.virtual == attempt.remote }
      let names = NodeNames(book.test.network, book.observation)
      let isIts = entry.map { names.matches(host: old, String($0.server.host)) } ?? false
      book.check("the director's entry", "names \(old)", entry?.server ?? "none", isIts)
    }
  }

  func loss(_ book: Book, counts: Bool) -> String? { "kept by the director" }
}

extension Mutation {
  /// No server is taken out of the director's table.
  fileprivate static let stays = Mutation(
    name: "stays", applies: { $0.workload.contains { $0.removedServer != nil } },
    apply: { $0.workload.removeAll { $0.removedServer != nil } })
}
