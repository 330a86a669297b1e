import Evidence
import Model

/// A SYN meets TIME_WAIT and is older by timestamp.
struct TimeWaitPaws: MechanismRule {
  let name: Mechanism = "tw-paws"
  let outcomes: [Outcome] = [.delayed, .dropped]
  let summary =
    "the SYN meets a TIME_WAIT socket and is older by timestamp: the old ACK instead of a SYN-ACK"
  let source = "tcp_timewait_state_process, net/ipv4/tcp_minisocks.c; RFC 6191"
  let mutations: [Mutation] = [.skew, .ports]

  func expect(_ book: inout Book) {
    book.refusedByTimeWait(book.timeWaitAnswers, each: .refusedByTimestamp)
    book.reason(
      ["TCP_RFC7323_TW_PAWS"], book.flow.refusedSYNs, on: book.flow.serverNode, of: book.flow.synsAtServer)
  }

  func refusal(_ book: Book, counts: Bool) -> String? {
    // tcp_timewait_state_process counts PAWSTimewait since 6.16, PAWSEstab before.
    let paws = book.kernel.counter("TcpExt.PAWSTimewait", "TcpExt.PAWSEstab")?.dropFirst("TcpExt.".count)
    return "refused by TIME_WAIT, older by timestamp" + (counts ? ": \(paws ?? "PAWS") +1" : "")
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    book.keptByDirector > 0 ? "dropped by the director, whose entry the RST has closed" : nil
  }
}
