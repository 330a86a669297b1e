import Evidence
import Linux
import Model
import Netlink
import SystemPackage
import Wire

/// Runs a case's steps on its testbed, one after the other, all sockets on one loop.
final class Workload {
  private let test: Case
  private let testbed: Testbed
  private let recorder: Recorder
  private let loop: EventLoop
  private let servers: [Server]
  private let emit: (WorkerEvent) -> Void
  /// Connections that nobody closed, by client group.
  private var open: [ClientConnection] = []
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
      switch step {
      case .connect(let step): try connect(step, index)
      case .send(let step): try send(step, index)
      case .churn(let step): try churn(step, index)
      case .flush(let table): try flush(table)
      case .set(let name, let setting, let value):
        try set(setting, value, on: name)
      case .advance(let seconds): try recorder.setWallClock(forward: seconds)
      case .remove(let server):
        let directors = testbed.directors.filter { $0.has(server) }
        guard !directors.isEmpty else { throw lacks("remove", server, "no director here") }
        for director in directors { try director.remove(server) }
      case .clock(let group, let clock): try setClock(of: group, to: clock)
      }
      try recorder.census(after: index)
    }
  }

  // MARK: settings and clocks

  /// A step that would silently do nothing proves nothing.
  private func lacks(_ step: String, _ object: String, _ cause: String) -> Failure {
    Failure(stage: step, object: object, cause: cause, mend: "pawslab list reads the lab file again")
  }

  private func set(_ setting: String, _ value: String, on name: String) throws {
    guard let node = testbed.nodes.first(where: { $0.name == name }) else {
      throw lacks("set \(setting)", name, "no node of that name")
    }
    guard testbed.kernel.emulates(setting) else {
      return try Settings.set(
        setting, value, on: node, ipv6: test.network.family == .ipv6, kernel: testbed.kernel)
    }
    guard let recycling = testbed.recycling else {
      throw lacks("set \(setting)", name, "it is to be emulated, and nothing emulates it")
    }
    try recycling.set(value == "1", on: name)
  }

  private func setClock(of group: String, to clock: Clock) throws {
    guard case .offset(let milliseconds) = clock else {
      throw lacks("clock", group, "it can be set to an offset only")
    }
    let members = testbed.clients.filter { $0.description.group == group }
    guard !members.isEmpty, let clocks = testbed.clocks else {
      throw lacks("clock", group, "no client of that group has a clock of its own")
    }
    for client in members { try clocks.set(client.node.name, milliseconds: milliseconds) }
  }

  // MARK: connect

  private func connect(_ step: Step.Connect, _ index: Int) throws {
    let members = testbed.clients.indices.filter {
      testbed.clients[$0].description.group == step.client
    }
    let ports = test.network.serverPorts
    let targets =
      members.count == 1
      ? (0..<ports).map { (members[0], $0) } : members.enumerated().map { ($1, $0 % ports) }
    for _ in 0..<step.times {
      var waiting = targets.count
      for (client, port) in targets {
        try begin(
          step: index, label: step.label, client: client, port: port, closes: step.closes, again: step.again
        ) { _ in waiting -= 1 }
      }
      try loop.run(
        until: { waiting == 0 }, awaiting: "the outcome of \(waiting) attempts of \(step.label)",
        within: test.attemptLimit(ofStep: index))
      try settle()
    }
  }

  private func begin(
    step: Int, label: String, client: Int, port: Int, closes: Step.Closer, again: Int,
    then: @escaping (Errno?) throws -> Void
  ) throws {
    let description = testbed.clients[client].description
    let target = test.network.host(description.name)?.client?.target ?? ""
    let remote = try SocketAddress(target, port: Network.serverPort + port)
    let number = attempts
    attempts += 1
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

  private func finish(_ attempt: Attempt) {
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
  private func settle() throws {
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

  // MARK: send

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

  /// One byte on each open connection, until its end is known.
  private func send(_ step: Step.Send, _ index: Int) throws {
    for connection in open where testbed.clients[connection.client].description.group == step.client {
      let number = attempts
      attempts += 1
      let fromClient = step.from == .client
      let client = testbed.clients[connection.client].node.name
      guard let server = servers.first(where: { $0.peers[connection.attempt] != nil }) else {
        throw Failure(
          stage: "send \(step.label)", object: client, cause: "no server has accepted the connection")
      }
      func received() -> Int {
        fromClient ? server.received[connection.attempt, default: 0] : connection.received
      }
      let before = received()
      let began = testbed.time.now
      let sent = try send(connection, fromClient, through: server, began, within: index) {
        received() > before
      }
      finish(
        Attempt(
          id: number, step: index, label: step.label, kind: .send, client: client, local: connection.local,
          remote: connection.remote.description, isn: nil, began: began, ended: testbed.time.now,
          calls: 1, errno: sent.errno, read: received() > before, server: server.name))
    }
  }

  private func send(
    _ connection: ClientConnection, _ fromClient: Bool, through server: Server, _ began: Int64,
    within index: Int, isRead: () -> Bool
  ) throws -> Sent {
    let (attempt, client) = (connection.attempt, testbed.clients[connection.client].node.name)
    /// What has ended either end: the sender's word first.
    func failure() -> Errno? {
      let (own, others) = (connection.failure, server.failures[attempt])
      return fromClient ? own ?? others : others ?? own
    }
    // One that was reset before this step stays so: there is no socket to ask.
    try loop.drain()
    if let errno = failure() { return .failed(errno) }
    if let errno = fromClient ? connection.send() : server.send(attempt: attempt) { return .failed(errno) }
    let (near, far) = fromClient ? (client, server.name) : (server.name, client)
    let ends = [client: connection.local, server.name: server.peers[attempt]]
    var sent = Sent.repeated
    try loop.run(
      until: {
        if let errno = failure() {
          sent = .failed(errno)
          return true
        }
        guard
          let left = try fromClient ? connection.unacknowledged() : server.unacknowledged(attempt: attempt)
        else {
          throw Failure(
            stage: "send", object: near, cause: "the peer has closed \(connection.local ?? "the connection")")
        }
        if left == 0 {
          sent = .delivered
          return isRead()
        }
        func copies(_ node: String, outgoing: Bool) -> Int {
          recorder.dataSegments(on: node, outgoing: outgoing, since: began, end: ends[node] ?? nil)
        }
        sent = .repeated
        return copies(far, outgoing: false) >= 2 || copies(near, outgoing: true) >= 4
      },
      awaiting:
        "a byte on \(connection.local ?? "?") to be acknowledged, seen twice at \(far) or sent four times",
      within: test.attemptLimit(ofStep: index), interval: 5)
    // The second copy is captured before the stack sees it; its turn comes before ours.
    if case .repeated = sent { try loop.drain() }
    return sent
  }

  // MARK: churn

  private func churn(_ step: Step.Churn, _ index: Int) throws {
    let members = testbed.clients.indices.filter {
      step.clients.contains(testbed.clients[$0].description.group)
    }
    if let table = step.flush {
      // The table may be emptied only while nothing is under way, so one connection at a time.
      for round in 0..<step.connections {
        for client in members {
          try flush(table)
          var done = false
          try begin(
            step: index, label: step.label, client: client, port: round % test.network.serverPorts,
            closes: step.closes, again: 0
          ) { _ in done = true }
          try loop.run(
            until: { done }, awaiting: "the outcome of \(step.label)",
            within: test.attemptLimit(ofStep: index))
          try settle()
        }
      }
      return
    }
    var left = members.count * step.connections
    func next(_ client: Int, _ round: Int) throws {
      guard round < step.connections else { return }
      let began = SystemClock.monotonic()
      try begin(
        step: index, label: step.label, client: client, port: round % test.network.serverPorts,
        closes: step.closes, again: 0
      ) { [loop] _ in
        left -= 1
        let pause =
          step.rate.map { max(0, Int64(1_000_000_000 / $0) - (SystemClock.monotonic() - began)) } ?? 0
        loop.after(milliseconds: Int(pause / 1_000_000)) { try next(client, round + 1) }
      }
    }
    for client in members { try next(client, 0) }
    sample(while: { left > 0 })
    try loop.run(
      until: { left == 0 }, awaiting: "the outcome of \(left) connections of \(step.label)",
      within: test.limit(ofStep: index))
    try settle()
  }

  /// Counts TIME_WAIT sockets four times a second, for as long as it is asked for.
  private func sample(while wanted: @escaping () -> Bool) {
    loop.after(milliseconds: 250) { [weak self] in
      guard let self, wanted() else { return }
      try recorder.sample()
      sample(while: wanted)
    }
  }

  // MARK: tables

  private func flush(_ table: Step.Table) throws {
    switch table {
    case .tcpMetrics:
      for server in testbed.servers {
        testbed.recycling?.flush(server.name)
        do { try server.metrics?.flush() } catch {
          throw Failure(error, stage: "ip tcp_metrics flush", object: server.name)
        }
      }
    case .conntrack:
      for node in testbed.nodes {
        do { try node.conntrack?.flush() } catch {
          throw Failure(error, stage: "flush conntrack", object: node.name)
        }
      }
    }
  }
}
