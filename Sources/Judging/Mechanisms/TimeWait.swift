import Evidence
import Model

/// The TIME_WAIT rule, applied to the captured sequence numbers and timestamps.
struct TimeWait: MechanismRule {
  let name: Mechanism = "time-wait"
  let outcomes: [Outcome] = [.predicted]
  let summary =
    "what TIME_WAIT does with each SYN, by the captured numbers; over the case both branches must occur"
  let source = "tcp_timewait_state_process, net/ipv4/tcp_minisocks.c"
  let mutations: [Mutation] = [.skew, .ports]

  /// What TIME_WAIT answers to each SYN of the attempt.
  private func answers(_ book: Book) -> [TimeWaitRule.Answer] {
    let rfc1337 = book.observation.settings[book.flow.serverNode]?["tcp_rfc1337"] == "1"
    return book.flow.synsAtServer.map {
      TimeWaitRule.answer(to: $0, after: book.trace.before($0), rfc1337: rfc1337)
    }
  }

  /// The first SYN that is accepted connects.
  func predict(_ book: Book) -> Expectation? {
    let answers = answers(book)
    return switch answers.firstIndex(of: .accepted) {
    case 0: Expectation(.connected)
    case nil where answers.isEmpty: Expectation(.connected)
    case nil: Expectation(.dropped, by: name)
    default: Expectation(.delayed, by: name)
    }
  }

  func expect(_ book: inout Book) {
    book.refusedByTimeWait(byTimestamp: answers(book).count { $0 == .refusedByTimestamp })
  }

  func refusal(_ book: Book, counts: Bool) -> String? { "refused by TIME_WAIT" }
}
