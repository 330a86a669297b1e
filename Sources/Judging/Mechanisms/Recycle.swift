import Evidence
import Model

/// `tcp_tw_recycle`: the per-host cache of timestamps (until 4.11).
struct Recycle: MechanismRule {
  let name: Mechanism = "recycle"
  let outcomes: [Outcome] = [.dropped]
  let summary =
    "tcp_tw_recycle: the server remembers a newer timestamp of the SYN's source address, whoever is behind it"
  let source =
    "tcp_peer_is_proven, net/ipv4/tcp_metrics.c, and tcp_conn_request; removed in 4.12 (4396e46187ca)"
  let mutations: [Mutation] = [.skew, .stamped, .set]

  func expect(_ book: inout Book) {
    let (flow, trace, step) = (book.flow, book.trace, book.attempt.attempt.step)
    book.allArrived()
    let answers = flow.atServer.count { $0.outgoing }
    book.count("answers of the server", answers, is: .number(0))
    // tcp_peer_is_proven: refused by a stamp that is younger than TCP_PAWS_MSL (60 s) and newer than the SYN's by
    // more than TCP_PAWS_WINDOW (1), or by any such stamp where the SYN has none (since 3.17).
    let stamp = flow.synsAtServer.first.flatMap { trace.stamp(for: $0, before: step) }
    // A server whose timestamps are off does not look at the option.
    let tsval = book.test.serverTimestampsAreOff(before: step) ? nil : flow.synsAtServer.first?.tsval
    let newer =
      stamp.map { stamp in tsval.map { Int32(bitPattern: stamp.tsval &- $0) > 1 } ?? true } ?? false
    book.witnesses.append(
      Witness(
        .stamp(of: book.title), expected: .words("newer than the SYN's, younger than 60 s"),
        seen: .words(
          stamp.map { "\($0.tsval), \($0.age) s old; the SYN's is \(tsval.map(String.init) ?? "none")" }
            ?? "none"),
        holds: newer && (stamp?.age ?? 60) < 60))
    book.move(
      book.kernel.emulates("tcp_tw_recycle") ? Observation.emulatedPAWSPassive : "TcpExt.PAWSPassive",
      book.attempt.synsAtServer, on: flow.serverNode)
    book.move("TcpExt.ListenDrops", book.attempt.synsAtServer, on: flow.serverNode)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    guard counts else { return "dropped by tcp_tw_recycle" }
    return book.kernel.emulates("tcp_tw_recycle")
      ? "dropped by the emulated tcp_tw_recycle: emulated.PAWSPassive +1, ListenDrops +1"
      : "dropped by tcp_tw_recycle: PAWSPassive +1, ListenDrops +1"
  }

  /// The segment whose timestamp the server remembers.
  func remarks(_ book: Book, counts: Bool) -> [Remark] {
    guard let syn = book.flow.synsAtServer.first,
      let stamp = book.trace.stamp(for: syn, before: book.attempt.attempt.step),
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
