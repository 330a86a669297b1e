import Linux
import Model

extension Close: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let all = workload.opened(by: on).filter { connection in
      end == .client
        ? !connection.closed
        : workload.server(of: connection.attempt)?.socket(attempt: connection.attempt) != nil
    }
    for connection in all { try close(connection, in: workload) }
    try workload.awaitSeen(all, closedBy: end, aborted: aborts == true)
    // What stood half open is whole again, or gone, once the end that stayed has closed.
    let whole = all.filter { connection in
      connection.closed && !workload.lost.contains(connection.attempt)
        && workload.server(of: connection.attempt)?.socket(attempt: connection.attempt) == nil
    }
    workload.adrift.subtract(whole.map(\.attempt))
    // The client is the one whose last ACK is awaited where the server has closed first.
    try workload.settle(
      closed: aborts == true ? [] : whole.filter { workload.firstCloser[$0.attempt] == .server })
  }

  private func close(_ connection: ClientConnection, in workload: Workload) throws {
    let attempt = connection.attempt
    let server = workload.server(of: attempt)
    if staysOpen { workload.adrift.insert(attempt) }
    if workload.firstCloser[attempt] == nil { workload.firstCloser[attempt] = end }
    switch (end, aborts == true, half == true) {
    case (.client, true, _): try connection.abort()
    case (.client, _, let half):
      server?.setStaysOnEnd(staysOpen, attempt: attempt)
      if half { try connection.shutdown() } else { connection.close() }
    case (.server, true, _): try server?.abort(attempt: attempt)
    case (.server, _, let half):
      connection.staysOnEnd = staysOpen
      if half { try server?.shutdown(attempt: attempt) } else { server?.close(attempt: attempt) }
    }
  }
}
