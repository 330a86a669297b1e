import Evidence
import Model

extension Book {
  /// What TIME_WAIT leaves behind where it refuses: old ACKs, RSTs in answer to them, and a PAWS counter for each SYN that
  /// is older by timestamp.
  mutating func refusedByTimeWait(byTimestamp: Int) {
    allArrived()
    let refused = flow.refusedSYNs
    count("refused SYNs", refused, is: .atLeast(1))
    // One ACK per 500 ms and TIME_WAIT socket (tcp_invalid_ratelimit); the rest are counted as skipped.
    count("old ACKs", flow.oldAcks.count, is: .within(1...max(1, refused)))
    count("RSTs in answer to the old ACKs", flow.resets.count, is: .number(flow.oldAcks.count))
    move("TcpExt.TCPACKSkippedTimeWait", refused - flow.oldAcks.count, on: flow.serverNode)
    // tcp_timewait_state_process counts PAWSTimewait since 6.16, PAWSEstab before.
    if let counter = kernel.counter("TcpExt.PAWSTimewait", "TcpExt.PAWSEstab") {
      move(counter, byTimestamp, on: flow.serverNode)
    }
  }
}
