import Evidence
import Model

/// Two connections were given one tuple, since neither was known when the other asked; who is confirmed second is
/// dropped. A port was free for it, and its next SYN gets one.
///
/// TCP has no `allow_clash`, so that `nf_ct_resolve_clash` resolves nothing for it.
struct NATRace: MechanismRule {
  let name: Mechanism = "nat-race"
  let outcomes: [Outcome] = [.dropped, .delayed, .predicted]
  let summary =
    "the NAT gave its tuple to another connection too, before either was confirmed; predicted, both branches must occur, but of a burst that is not held"
  let source =
    "nf_nat_used_tuple, net/netfilter/nf_nat_core.c, sees only what is confirmed; "
    + "__nf_conntrack_confirm and nf_ct_resolve_clash, net/netfilter/nf_conntrack_core.c"
  /// What meets by chance may not meet, and then there is no cause to take away.
  let mutations: [Mutation] = [.ports.where(\.holdsSYNs), .apart, .listener.where { !$0.holdsSYNs }]

  func branches(in test: Case) -> Bool { !test.meetsByChance }

  /// Who was first is in no packet before the NAT: one whose SYN came through was, and one that lacked a port was in no
  /// race.
  func predict(_ book: Book) -> Expectation? {
    guard let syn = book.flow.synsAtClient.first else { return Expectation(.connected) }
    let next = book.flow.synsAtClient.dropFirst().first?.time ?? .max
    if book.flow.synsAtServer.contains(where: { (syn.time..<next).contains($0.time) }) {
      return Expectation(.connected)
    }
    if HopRule(book).refuses { return Expectation(.dropped, by: "hop") }
    // Where nothing is held, one that is sent again may meet somebody again.
    return Expectation(book.flow.synsAtServer.isEmpty ? .dropped : .delayed, by: name)
  }

  func expect(_ book: inout Book) {
    let lost = book.keptBack()
    guard let hop = book.refusingNAT else { return }
    // Where the range was used up it would be the same drop, of another cause.
    if let free = HopRule(book).free { book.count("ports that the NAT had left", free, is: .atLeast(1)) }
    book.count("connections of its step that came through meanwhile", book.winners, is: .atLeast(1))
    // nf_ct_resolve_clash counts both.
    book.move("conntrack.insert_failed", lost, on: hop)
    book.move("conntrack.drop", lost, on: hop)
    // What a program has held is dropped by whom it told to let go on (nf_reinject: kfree_skb), which gives no reason.
    let reasons =
      book.test.holdsSYNs ? ["NETFILTER_DROP", "NOT_SPECIFIED"] : ["NETFILTER_DROP"]
    book.reason(reasons, lost, on: hop, of: book.flow.synsAtClient)
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    "dropped by the NAT: another connection was confirmed with its tuple"
      + (counts ? ", conntrack insert_failed +1" : "")
  }
}

extension Book {
  /// Connections of the same step and to the same port of a server that came through when this attempt's first SYN had left
  /// its client, and before one of its own did. Of clients whose only connection is held these are the ones that have the
  /// port which a NAT that keeps ports gives this one: nobody has a mapping, or a port that was drawn, by then.
  fileprivate var winners: Int {
    let own = attempt.attempt
    guard let left = flow.synsAtClient.first?.time else { return 0 }
    let keeps =
      test.holdsSYNs && observation.attempts.count { $0.client == own.client } == 1
      && test.network.hosts.lazy.compactMap(\.nat).first.map { nat in
        nat.random == .none && own.localPort.map(nat.ports.contains) == true
      } ?? false
    let until = flow.synsAtServer.first?.time ?? .max
    return observation.attempts.count { other in
      guard other.kind == .connect, other.step == own.step, other.id != own.id,
        other.serverPort == own.serverPort
      else { return false }
      let flow = trace.flow(of: other)
      guard let syn = flow.synsAtServer.first, left < syn.time, syn.time < until else { return false }
      return !keeps || syn.sourcePort == own.localPort
    }
  }
}
