import Evidence
import Linux
import Model
import SystemPackage

extension Send: Performable {
  /// One byte on each open connection, until its end is known.
  func perform(in workload: Workload, index: Int) throws {
    let testbed = workload.testbed
    for connection in workload.opened(by: client) {
      let number = workload.nextAttempt()
      let fromClient = from == .client
      let client = testbed.clients[connection.client].node.name
      // Nil where it waits for accept(2) still.
      let server = workload.server(of: connection.attempt)
      func received() -> Int {
        fromClient ? server?.received[connection.attempt] ?? 0 : connection.received
      }
      let before = received()
      let began = testbed.time.now
      let sent = try send(connection, in: workload, through: server, began, within: index) {
        received() > before
      }
      workload.finish(
        Attempt(
          id: number, step: index, label: name, kind: .send, client: client, local: connection.local,
          remote: connection.remote.description, isn: nil, began: began, ended: testbed.time.now,
          calls: 1, errno: sent.errno, read: received() > before, server: server?.name))
    }
  }

  private func send(
    _ connection: ClientConnection, in workload: Workload, through server: Server?, _ began: Int64,
    within index: Int, isRead: () -> Bool
  ) throws -> Sent {
    let (loop, testbed, fromClient) = (workload.loop, workload.testbed, from == .client)
    let (attempt, client) = (connection.attempt, testbed.clients[connection.client].node.name)
    /// What has ended either end: the sender's word first.
    func failure() -> Errno? {
      let (own, others) = (connection.failure, server?.failures[attempt])
      return fromClient ? own ?? others : others ?? own
    }
    // One that was reset before this step stays so: there is no socket to ask.
    try loop.drain()
    if let errno = failure() { return .failed(errno) }
    if !fromClient, server == nil { return .failed(.socketNotConnected) }
    if let errno = fromClient ? connection.send() : server?.send(attempt: attempt) { return .failed(errno) }
    let name = server?.name ?? ""
    let (near, far) = fromClient ? (client, name) : (name, client)
    let ends = [client: connection.local, name: server?.peers[attempt]]
    var sent = Sent.repeated
    try loop.run(
      until: {
        if let errno = failure() {
          sent = .failed(errno)
          return true
        }
        guard
          let left = try fromClient
            ? connection.unacknowledged() : server?.unacknowledged(attempt: attempt)
        else {
          // The peer's FIN has come first, and this end has closed.
          sent = .failed(.brokenPipe)
          return true
        }
        if left == 0 {
          sent = .delivered
          return isRead() || server == nil || !fromClient && connection.closed
        }
        func copies(_ node: String, outgoing: Bool) -> Int {
          workload.recorder.dataSegments(on: node, outgoing: outgoing, since: began, end: ends[node] ?? nil)
        }
        sent = .repeated
        // Without carrier it passes no link that is captured.
        let again = try (fromClient ? connection.info() : server?.info(attempt: attempt))?.retransmits ?? 0
        return copies(far, outgoing: false) >= 2 || copies(near, outgoing: true) >= 4 || again >= 3
      },
      awaiting:
        "a byte on \(connection.local ?? "?") to be acknowledged, seen twice at \(far) or sent four times",
      within: workload.test.attemptLimit(ofStep: index), interval: 5)
    // The second copy is captured before the stack sees it; its turn comes before ours.
    if case .repeated = sent { try loop.drain() }
    return sent
  }
}

/// How a sent byte ended.
private enum Sent {
  /// Acknowledged, and read.
  case delivered
  /// Sent again and again: the peer's link has seen it twice, or the sender's own four times.
  case repeated
  /// An end of the connection is gone: ECONNRESET by a RST.
  case failed(Errno)

  var errno: String? {
    switch self {
    case .delivered: nil
    case .repeated: "ETIMEDOUT"
    case .failed(let errno): errno.name
    }
  }
}
