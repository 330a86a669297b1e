import Evidence
import Model

/// The TIME_WAIT rule, applied to the captured sequence numbers and timestamps.
struct TimeWait: MechanismRule {
  let name: Mechanism = "time-wait"
  let outcomes: [Outcome] = [.predicted]
  let summary =
    "what TIME_WAIT does with each SYN, and the hop before it, by the captured numbers; over the case both branches must occur"
  let source = "tcp_timewait_state_process, net/ipv4/tcp_minisocks.c"
  let mutations: [Mutation] = [.skew, .pinned, .ports]

  /// The first SYN that is accepted connects. One that the hop has no free tuple for, and so keeps, meets nothing.
  func predict(_ book: Book) -> Expectation? {
    let answers = book.timeWaitAnswers
    if answers.isEmpty, HopRule(book).refuses { return Expectation(.dropped, by: "hop") }
    return switch answers.firstIndex(of: .accepted) {
    case 0: Expectation(.connected)
    case nil where answers.isEmpty: Expectation(.connected)
    case nil: Expectation(.dropped, by: name)
    default: Expectation(.delayed, by: name)
    }
  }

  func expect(_ book: inout Book) {
    book.refusedByTimeWait(book.timeWaitAnswers, each: nil)
  }

  func refusal(_ book: Book, counts: Bool) -> String? { "refused by TIME_WAIT" }
}
