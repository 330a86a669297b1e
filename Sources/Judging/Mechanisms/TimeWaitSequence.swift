import Evidence
import Model

/// A SYN meets TIME_WAIT, is not newer by timestamp, and its sequence number is not past `rcv_nxt`.
struct TimeWaitSequence: MechanismRule {
  let name: Mechanism = "tw-seq"
  let outcomes: [Outcome] = [.delayed, .dropped]
  let summary =
    "the SYN meets a TIME_WAIT socket, no timestamp speaks for it, and its sequence number is not past rcv_nxt"
  let source = "tcp_timewait_state_process, net/ipv4/tcp_minisocks.c; RFC 1122, 4.2.2.13"
  let mutations: [Mutation] = [.isn, .ports]

  func expect(_ book: inout Book) { book.refusedByTimeWait(book.timeWaitAnswers, each: .refusedBySequence) }

  func refusal(_ book: Book, counts: Bool) -> String? {
    "refused by TIME_WAIT by its sequence number; no PAWS counter moves"
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    book.keptByDirector > 0 ? "dropped by the director, whose entry the RST has closed" : nil
  }
}
