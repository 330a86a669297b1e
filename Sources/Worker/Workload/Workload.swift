import Evidence
import Linux
import Model
import Netlink
import SystemPackage
import Wire

/// Runs a case's steps on its testbed, one after the other, all sockets on one loop.
final class Workload {
  let test: Case
  let testbed: Testbed
  let recorder: Recorder
  let loop: EventLoop
  let servers: [Server]
  private let emit: (WorkerEvent) -> Void
  /// Connections that nobody closed, by client group.
  private(set) var open: [ClientConnection] = []
  private var connections: [Int: ClientConnection] = [:]
  private var attempts = 0

  init(
    _ test: Case, on testbed: Testbed, recorder: Recorder, loop: EventLoop,
    emit: @escaping (WorkerEvent) -> Void
  ) throws {
    self.test = test
    self.testbed = testbed
    self.recorder = recorder
    self.loop = loop
    self.emit = emit
    testbed.recycling?.after = { [loop] in loop.after(milliseconds: $0, $1) }
    servers = try testbed.servers.map { try Server(on: $0, network: test.network, loop: loop) }
  }

  /// Every step in turn. Each ends when its attempts have their outcome and closing connections have closed.
  func run() throws {
    for (index, step) in test.workload.enumerated() {
      emit(.step(index))
      guard let action = step.action as? any Performable else {
        throw Failure(stage: step.verb, object: test.id, cause: "this worker does not know how to do it")
      }
      try action.perform(in: self, index: index)
      try recorder.census(after: index)
    }
  }

  /// A step that would silently do nothing proves nothing.
  func lacks(_ step: String, _ object: String, _ cause: String) -> Failure {
    Failure(stage: step, object: object, cause: cause, mend: "pawslab list reads the lab file again")
  }

  // MARK: attempts

  /// The number of the next attempt.
  func nextAttempt() -> Int {
    defer { attempts += 1 }
    return attempts
  }

  /// Begins an attempt of a client to connect; `then` is called once, when its outcome is known.
  func begin(
    step: Int, label: String, client: Int, port: Int, closes: Step.Closer, again: Int,
    then: @escaping (Errno?) throws -> Void
  ) throws {
    let description = testbed.clients[client].description
    let target = test.network.host(description.name)?.client?.target ?? ""
    let remote = try SocketAddress(target, port: Network.serverPort + port)
    let number = nextAttempt()
    let connection = ClientConnection(
      attempt: number, step: step, label: label, client: client, node: testbed.clients[client].node,
      remote: remote, isn: sequence(description.isn, attempt: number),
      clock: testbed.clocks?.offsets[testbed.clients[client].node.name], closes: closes, again: again,
      loop: loop, time: testbed.time
    ) { [unowned self] connection, errno in
      record(connection, errno)
      try then(errno)
    }
    connections[number] = connection
    try connection.start()
  }

  /// Past or before every number used so far in the case: 65,536 apart, which no attempt's data reaches.
  private func sequence(_ pin: SequencePin, attempt: Int) -> UInt32? {
    let distance = UInt32(truncatingIfNeeded: (attempt + 1) << 16)
    return switch pin {
    case .natural: nil
    case .ahead: 0x4000_0000 &+ distance
    case .behind: 0x4000_0000 &- distance
    }
  }

  private func record(_ connection: ClientConnection, _ errno: Errno?) {
    if errno == nil, connection.closes == .nobody { open.append(connection) }
    let server = servers.first { $0.peers[connection.attempt] != nil }
    finish(
      Attempt(
        id: connection.attempt, step: connection.step, label: connection.label, kind: .connect,
        client: testbed.clients[connection.client].node.name, local: connection.local,
        remote: connection.remote.description, isn: connection.isn, began: connection.began,
        ended: testbed.time.now, calls: connection.calls, errno: errno.map(\.name),
        server: server?.name, peer: server?.peers[connection.attempt]))
  }

  func finish(_ attempt: Attempt) {
    recorder.attempts.append(attempt)
    emit(.attempt(attempt))
  }

  /// Waits until every closing connection is closed at both ends. The last transition is that of the end that
  /// closes second, out of LAST-ACK: TIME-WAIT is there before its ACK is sent (`tcp_timewait_state_process`), and
  /// an ACK that comes when conntrack has been flushed finds no way back; then the FIN is sent again, and TIME-WAIT
  /// answers it amid the next step.
  ///
  /// A connection that stays open counts as that for as long as this process holds the server's end of it: one that
  /// was reset meanwhile is gone at both ends, or only the client has yet to learn of it.
  func settle() throws {
    var last: [String: Int] = [:]
    var passive = connections.values.filter { $0.closes == .server }
    try loop.run(
      until: {
        last = try census()
        let stillOpen = connections.values.contains { !$0.closed && $0.closes != .nobody }
        guard !stillOpen, servers.allSatisfy({ $0.closing == 0 }),
          Self.moving.allSatisfy({ last[$0] == nil }),
          last["ESTAB", default: 0] == held
        else { return false }
        while let client = passive.last, try !client.lingers() { passive.removeLast() }
        return passive.isEmpty
      },
      awaiting: unsettled(last, passive), within: Deadlines.settling, interval: 1, slowest: 50)
    connections = connections.filter { !$0.value.closed }
  }

  /// States that a socket leaves by itself, or by its peer's next segment.
  private static let moving = [
    "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING",
  ]

  /// How many connections the servers hold open.
  private var held: Int { servers.reduce(0) { $0 + $1.open.count } }

  /// The servers' sockets by state, all together.
  private func census() throws -> [String: Int] {
    try testbed.servers.reduce(into: [:]) { states, server in
      states.merge(try server.sockets.census(ipv6: test.network.family == .ipv6)) { $0 + $1 }
    }
  }

  /// What ``settle()`` waits for, by name.
  private func unsettled(_ states: [String: Int], _ passive: [ClientConnection]) -> String {
    func names(_ connections: some Sequence<ClientConnection>) -> String {
      let names = connections.map { "\($0.label) #\($0.attempt)" }.sorted()
      return names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
    }
    var waits: [String] = []
    let stillOpen = connections.values.filter { !$0.closed && $0.closes != .nobody }
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
}
