import Linux
import Model
import Netlink

/// When a step is over: what is meant to close has closed at both ends, in the kernel too.
extension Workload {
  /// Waits until every closing connection is closed at both ends. The last transition is that of the end that
  /// closes second, out of LAST-ACK: TIME-WAIT is there before its ACK is sent (`tcp_timewait_state_process`), and
  /// an ACK that comes when conntrack has been flushed finds no way back; then the FIN is sent again, and TIME-WAIT
  /// answers it amid the next step.
  ///
  /// A connection that stays open counts as that for as long as this process holds the server's end of it: one that
  /// was reset meanwhile is gone at both ends, or only the client has yet to learn of it. What is ``adrift`` is not
  /// asked. Where the case itself has packets lost, what has not closed when no packet has passed for a second (a
  /// FIN is then sent for the third time, and the next is 1.6 s away) is left as it is: evidence, and no error.
  ///
  /// - Parameter closed: connections that a step has closed at the server.
  func settle(closed: [ClientConnection] = []) throws {
    var last: [String: Int] = [:]
    var passive = connections.values.filter { $0.closes == .server } + closed
    var (packets, quiet) = (recorder.packets, SystemClock.monotonic())
    let began = SystemClock.monotonic()
    try loop.run(
      until: {
        last = try standing()
        if isSettled(last) {
          while let client = passive.last, try adrift.contains(client.attempt) || !client.lingers() {
            passive.removeLast()
          }
          if passive.isEmpty { return true }
        }
        guard losesPackets else { return false }
        let now = SystemClock.monotonic()
        if recorder.packets != packets { (packets, quiet) = (recorder.packets, now) }
        let isOver = now - began > Int64(Deadlines.settling - 1_000) * 1_000_000
        guard isOver || now - quiet > Int64(patience) * 1_000_000 else { return false }
        try abandon(passive)
        return true
      },
      awaiting: unsettled(last, passive), within: Deadlines.settling, interval: 1, slowest: 50)
    forgetClosed()
  }

  /// Milliseconds without a packet after which what was lost is lost.
  private var patience: Int { 1_000.adding(delay) }

  private func isSettled(_ states: [String: Int]) -> Bool {
    closingAtClients.isEmpty && servers.allSatisfy { $0.closing == 0 || !$0.accepts }
      && Self.moving.allSatisfy { states[$0] == nil } && states["ESTAB", default: 0] == held
  }

  private var closingAtClients: [ClientConnection] {
    connections.values.filter { !$0.closed && $0.closes != .nobody && !adrift.contains($0.attempt) }
  }

  /// Nobody waits any more for what has not closed.
  private func abandon(_ passive: [ClientConnection]) throws {
    adrift.formUnion(closingAtClients.map(\.attempt) + passive.map(\.attempt))
    for server in servers { server.release() }
    for (server, entries) in try sockets() {
      let others = entries.filter { $0.state == "ESTAB" || Self.moving.contains($0.state) }.map(\.peer)
      let kept = Set(server.open.keys.filter { !adrift.contains($0) }.compactMap { server.peers[$0] })
      left[server.name, default: []].formUnion(Set(others).subtracting(kept))
    }
  }

  /// States that a socket leaves by itself, or by its peer's next segment.
  private static let moving = [
    "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING",
  ]

  /// How many connections the servers hold open that are not adrift.
  private var held: Int { servers.reduce(0) { $0 + $1.open.keys.count { !adrift.contains($0) } } }

  private typealias Standing = (state: String, peer: String)

  private func sockets() throws -> [(Server, [Standing])] {
    try zip(servers, testbed.servers).map { server, node in
      let entries = try node.sockets.entries(ipv6: test.network.family == .ipv6)
      return (
        server,
        entries.filter { $0.state != "LISTEN" }.map {
          ($0.state, SocketAddress.text($0.remote, port: $0.remotePort))
        }
      )
    }
  }

  /// The servers' sockets by state, all together, but for those that nobody waits for.
  private func standing() throws -> [String: Int] {
    guard !adrift.isEmpty || !left.isEmpty || keeper != nil || servers.contains(where: { !$0.accepts }) else {
      return try testbed.servers.reduce(into: [:]) { states, server in
        states.merge(try server.sockets.census(ipv6: test.network.family == .ipv6)) { $0 + $1 }
      }
    }
    var states: [String: Int] = [:]
    for (server, entries) in try sockets() {
      let waited = Set(
        (Array(connections.keys) + Array(server.open.keys)).filter { !adrift.contains($0) }.compactMap {
          server.peers[$0]
        })
      let ignored = left[server.name, default: []].union(adrift.compactMap { server.peers[$0] })
        .subtracting(waited)
      // Of a server that takes no connections, those that wait have no number.
      let known = server.accepts ? nil : Set(server.peers.values)
      // What a program holds open is its own, for as long as it likes.
      let own = keeper == nil ? nil : Set(server.peers.values)
      for entry in entries where !ignored.contains(entry.peer) && known?.contains(entry.peer) != false {
        if entry.state == "ESTAB", own?.contains(entry.peer) == false { continue }
        states[entry.state, default: 0] += 1
      }
    }
    return states
  }

  /// What ``settle()`` waits for, by name.
  private func unsettled(_ states: [String: Int], _ passive: [ClientConnection]) -> String {
    func names(_ connections: some Sequence<ClientConnection>) -> String {
      let names = connections.map { "\($0.label) #\($0.attempt)" }.sorted()
      return names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
    }
    var waits: [String] = []
    let stillOpen = closingAtClients
    if !stillOpen.isEmpty { waits.append("the FIN that ends \(names(stillOpen)) at the client") }
    for server in servers where server.closing > 0 {
      waits.append("\(server.closing) connections to be closed at \(server.name)")
    }
    for state in Self.moving {
      if let count = states[state] { waits.append("\(count) sockets of the servers to leave \(state)") }
    }
    let established = states["ESTAB", default: 0]
    if established != held {
      waits.append("\(held) established sockets at the servers, where there are \(established)")
    }
    if !passive.isEmpty { waits.append("the last ACK of \(names(passive)) at the client") }
    return waits.isEmpty ? "all closing connections closed at both ends" : waits.joined(separator: "; ")
  }

  // MARK: what may never come

  /// Waits until something holds, or until no packet has passed for so long that it never will. Whether it holds.
  ///
  /// - Parameter quiet: milliseconds; nil is what a FIN takes that is sent for the third time.
  @discardableResult func awaitOrQuiet(
    _ what: String, quiet milliseconds: Int? = nil, until holds: () throws -> Bool
  ) throws -> Bool {
    var (packets, quiet) = (recorder.packets, SystemClock.monotonic())
    var held = false
    try loop.run(
      until: {
        held = try holds()
        if recorder.packets != packets { (packets, quiet) = (recorder.packets, SystemClock.monotonic()) }
        return held
          || SystemClock.monotonic() - quiet > Int64(milliseconds?.adding(delay) ?? patience) * 1_000_000
      },
      awaiting: what, within: Deadlines.byte.adding(delay), interval: 1, slowest: 20)
    return held
  }

  /// Waits until the other end has seen that one has closed, and has said so, or until that is lost.
  func awaitSeen(_ connections: [ClientConnection], closedBy end: Step.End, aborted: Bool) throws {
    func isSeen(_ connection: ClientConnection) throws -> Bool {
      let attempt = connection.attempt
      guard let server = server(of: attempt) else { return true }
      let isRead =
        end == .server
        ? connection.sawEnd || connection.closed
        : server.ended.contains(attempt) || server.socket(attempt: attempt) == nil
      return try isRead && (aborted || !isUnacknowledged(connection, at: end, server))
    }
    let words = connections.prefix(3).map { "\($0.label) #\($0.attempt)" }.joined(separator: ", ")
    if try awaitOrQuiet(
      "the other end to see what the \(end.rawValue) has ended: \(words)",
      until: { try connections.allSatisfy(isSeen) })
    {
      return
    }
    for connection in connections where try !isSeen(connection) {
      adrift.insert(connection.attempt)
      lost.insert(connection.attempt)
    }
  }

  /// Whether an end waits for the ACK of its FIN.
  private func isUnacknowledged(
    _ connection: ClientConnection, at end: Step.End, _ server: Server
  ) throws -> Bool {
    let node = end == .client ? testbed.clients[connection.client].node : testbed.node(named: server.name)
    let (local, peer) =
      end == .client
      ? (connection.local, connection.remote.description)
      : (server.locals[connection.attempt], server.peers[connection.attempt] ?? "")
    return try node?.sockets.entries(ipv6: test.network.family == .ipv6).contains {
      $0.state == "FIN-WAIT-1" && SocketAddress.text($0.local, port: $0.localPort) == local
        && SocketAddress.text($0.remote, port: $0.remotePort) == peer
    } ?? false
  }

  /// Connections that waited for accept(2), and whose answer has come by now, are as any others.
  func takeUpServed() throws {
    try awaitOrQuiet("the answers to what has waited") {
      open.allSatisfy { $0.answered || $0.closed }
    }
    adrift.subtract(open.filter { $0.answered && !lost.contains($0.attempt) }.map(\.attempt))
  }

  /// Whether a handshake may be all that there is of a connection.
  var mayStayUnanswered: Bool { losesPackets || servers.contains { !$0.accepts } }

  private static let tick = 50

  /// Ends an attempt whose handshake is done and whose greeting nobody answers: sent again four times (3 s), or
  /// acknowledged by the server's kernel and left unread.
  func awaitAnswer(_ connection: ClientConnection, idle: Int = 0) {
    loop.after(milliseconds: Self.tick) { [weak self, weak connection] in
      guard let self, let connection, !connection.answered, let info = try connection.info() else { return }
      guard connection.isConnected else { return awaitAnswer(connection) }
      let isUnserved = server(of: connection.attempt) == nil && servers.contains { !$0.accepts }
      let idle = info.unacknowledged == 0 ? idle + 1 : 0
      let enough = isUnserved ? 2 : patience / Self.tick
      guard info.retransmits >= 4 || idle >= enough else { return awaitAnswer(connection, idle: idle) }
      try connection.giveUpOnAnswer()
    }
  }
}
