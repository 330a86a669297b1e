import Evidence
import Model

/// There is no TIME_WAIT that a SYN could meet: the server keeps only so many.
struct TimeWaitBuckets: MechanismRule {
  let name: Mechanism = "tw-buckets"
  let outcomes: [Outcome] = [.connected]
  let summary =
    "tcp_max_tw_buckets is reached: the old connection was closed without a TIME_WAIT that would refuse the SYN"
  let source = "inet_twsk_alloc and tcp_time_wait (TCPTimeWaitOverflow), net/ipv4/tcp_minisocks.c"
  let mutations: [Mutation] = [.baseline("tcp_max_tw_buckets")]

  func expect(_ book: inout Book) {
    let flow = book.flow
    book.allArrived()
    guard let syn = flow.synsAtServer.first else { return }
    let answers = book.timeWaitAnswers
    book.count(
      "SYNs that a TIME_WAIT would refuse", answers.count { $0 != .accepted }, is: .number(answers.count))
    let overflows = book.observation.counters(of: syn.node)["TcpExt.TCPTimeWaitOverflow"] ?? 0
    book.count("sockets that the server closed instead", overflows, is: .atLeast(1))
    if let entries = book.entries(of: syn.node), let past = book.trace.before(syn).last,
      past.time < book.stepBegan
    {
      let state = entries.first { $0.isBetween(syn) }?.state ?? "none"
      book.check("socket before", "none", state, state == "none")
    }
  }
}
