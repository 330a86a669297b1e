import Evidence
import Model

/// `tcp_tw_recycle`: the per-host cache of timestamps (until 4.11).
struct Recycle: MechanismRule {
  let name: Mechanism = "recycle"
  let outcomes: [Outcome] = [.dropped, .predicted]
  let summary =
    "tcp_tw_recycle: the server remembers a newer timestamp of the SYN's source address, whoever is behind it"
  let source =
    "tcp_peer_is_proven, net/ipv4/tcp_metrics.c, and tcp_conn_request; removed in 4.12 (4396e46187ca)"
  let mutations: [Mutation] = [.skew, .stamped, .set, .baseline("tcp_tw_recycle")]

  func predict(_ book: Book) -> Expectation? {
    let rule = RecycleRule(book)
    let refused = book.flow.synsAtServer.map { syn in
      rule.isOn && !rule.meetsTimeWait(syn)
        && rule.refuses(rule.tsval(of: syn), by: rule.stamp(for: syn, isTold: false))
    }
    return switch refused.firstIndex(of: false) {
    case nil where refused.isEmpty: Expectation(.connected)
    case 0: Expectation(.connected)
    case nil: Expectation(.dropped, by: name)
    default: Expectation(.delayed, by: name)
    }
  }

  func expect(_ book: inout Book) {
    let flow = book.flow
    book.allArrived()
    let refused = flow.refusedSYNs
    book.count("refused SYNs", refused, is: .atLeast(1))
    let answers = flow.unanswered.count { $0.outgoing }
    book.count("answers of the server", answers, is: .number(0))
    let rule = RecycleRule(book)
    let syn = flow.synsAtServer.first
    let tsval = syn.flatMap(rule.tsval)
    let stamp = syn.flatMap { rule.stamp(for: $0) }
    book.witnesses.append(
      Witness(
        .stamp(of: book.title), expected: .words("newer than the SYN's, younger than 60 s"),
        seen: .words(
          stamp.map { "\($0.tsval), \($0.age) s old; the SYN's is \(tsval.map(String.init) ?? "none")" }
            ?? "none"),
        holds: rule.refuses(tsval, by: stamp)))
    book.move(book.kernel.counting("TcpExt.PAWSPassive"), refused, on: flow.serverNode)
    book.move("TcpExt.ListenDrops", refused, on: flow.serverNode)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    guard counts else { return "dropped by tcp_tw_recycle" }
    return book.kernel.emulates("tcp_tw_recycle")
      ? "dropped by the emulated tcp_tw_recycle: \(book.kernel.counting("TcpExt.PAWSPassive")) +1, ListenDrops +1"
      : "dropped by tcp_tw_recycle: PAWSPassive +1, ListenDrops +1"
  }

  /// The segment whose timestamp the server remembers.
  func remarks(_ book: Book, counts: Bool) -> [Remark] {
    guard let syn = book.flow.synsAtServer.first, let stamp = RecycleRule(book).stamp(for: syn),
      let kept = book.trace.serverLink.last(where: {
        !$0.outgoing && $0.time < syn.time && $0.source == syn.source && $0.tsval == stamp.tsval
      })
    else { return [] }
    return [
      Remark(
        segment: kept, text: "this TSval is what the server remembers of \(syn.source)", dropped: false)
    ]
  }
}
