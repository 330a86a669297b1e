import Evidence
import Model

/// A local port in TIME_WAIT is taken again.
struct TimeWaitReuse: MechanismRule {
  let name: Mechanism = "tw-reuse"
  let outcomes: [Outcome] = [.served]
  let summary = "tcp_tw_reuse: a local port whose old connection is in TIME_WAIT is taken again"
  let source = "tcp_twsk_unique, net/ipv4/tcp_ipv4.c"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) { book.move("TcpExt.TWRecycled", 1, on: book.client) }
}
