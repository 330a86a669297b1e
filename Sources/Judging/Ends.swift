import Evidence
import Model

/// Counters that follow from how connections ended after they were made (``Evidence/Attempt/closed``), whatever was
/// expected of them.
enum Ends {
  static func expect(
    _ test: Case, _ observation: Observation, trace: Trace, counters: inout ExpectedCounters
  ) {
    for attempt in observation.attempts where attempt.errno == nil && test.isProgram(inStep: attempt.step) {
      program(attempt, trace: trace, counters: &counters)
    }
    for attempt in observation.attempts where attempt.kind == .connect && attempt.errno == nil {
      server(attempt, trace: trace, counters: &counters)
      guard let closed = attempt.closed, [Attempt.aborted, Attempt.vanished, "ECONNRESET"].contains(closed)
      else { continue }
      // A byte that met the reset has it counted by what became of that; who is gone by itself was not met by it.
      let isCounted = observation.attempts.contains {
        $0.kind == .send && $0.client == attempt.client && $0.local == attempt.local
          && $0.remote == attempt.remote
          && $0.id > attempt.id && $0.errno == "ECONNRESET"
      }
      guard !isCounted || closed == Attempt.vanished else { continue }
      // tcp_set_state, from ESTABLISHED or CLOSE_WAIT to CLOSE: at who resets, and at who is reset.
      counters.add("Tcp.EstabResets", 1, on: attempt.client)
      // tcp_disconnect of a socket under repair sends nothing.
      if closed == Attempt.vanished { continue }
      let flow = trace.flow(of: attempt)
      let resets = flow.atServer.filter { $0.flags.contains(.rst) }
      if closed == Attempt.aborted {
        // __tcp_close with SO_LINGER 0, tcp_send_active_reset.
        counters.add("TcpExt.TCPAbortOnData", 1, on: attempt.client)
        counters.add("Tcp.OutRsts", 1, on: attempt.client)
        // tcp_reset, where the RST comes.
        if resets.contains(where: { !$0.outgoing }) {
          counters.add("Tcp.EstabResets", 1, on: attempt.server ?? flow.serverNode)
        }
      } else {
        counters.add("Tcp.OutRsts", resets.count { $0.outgoing }, on: attempt.server ?? flow.serverNode)
      }
    }
  }

  /// A program that closes while an answer is due, or has not read it, has it answered by a RST: at once (`__tcp_close`),
  /// or when it comes (`tcp_rcv_state_process`).
  private static func program(_ attempt: Attempt, trace: Trace, counters: inout ExpectedCounters) {
    let flow = trace.flow(of: attempt)
    guard let opened = flow.synAck, let port = attempt.localPort else { return }
    let after = (trace.clientLink[attempt.client] ?? []).filter {
      $0.outgoing && $0.sourcePort == port && $0.destinationPort == opened.sourcePort && $0.time > opened.time
    }
    let resets = after.prefix { !$0.isSYN }.count { $0.flags.contains(.rst) }
    guard resets > 0 else { return }
    counters.add("Tcp.OutRsts", resets, on: attempt.client)
    for counter in ["TcpExt.TCPAbortOnClose", "TcpExt.TCPAbortOnData", "Tcp.EstabResets"] {
      counters.add(counter, 0...1, on: attempt.client)
    }
    // tcp_reset, where it was still open.
    counters.add("Tcp.EstabResets", 0...1, on: attempt.server ?? flow.serverNode)
  }

  /// How the server's own end went, where it neither closed nor was ended.
  private static func server(_ attempt: Attempt, trace: Trace, counters: inout ExpectedCounters) {
    guard let end = attempt.closedAtServer, [Attempt.aborted, Attempt.vanished].contains(end) else { return }
    let node = attempt.server ?? trace.flow(of: attempt).serverNode
    counters.add("Tcp.EstabResets", 1, on: node)
    // Its RSTs are counted with what they do to the client.
    if end == Attempt.aborted { counters.add("TcpExt.TCPAbortOnData", 1, on: node) }
  }
}
