import Linux
import Netlink
import Scenario
import SystemPackage

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
        guard let node = testbed.nodes.first(where: { $0.name == name }) else { continue }
        if testbed.kernel.emulates(setting) {
          try testbed.recycling?.set(value == "1", on: name)
        } else {
          try Settings.set(
            setting, value, on: node, ipv6: test.network.family == .ipv6, kernel: testbed.kernel)
        }
      case .advance(let seconds): try recorder.setWallClock(forward: seconds)
      case .remove(let server): try testbed.director?.remove(server)
      case .clock(let group, let clock):
        guard case .offset(let milliseconds) = clock else { continue }
        for client in testbed.clients where client.description.group == group {
          try testbed.clocks?.set(client.node.name, milliseconds: milliseconds)
        }
      }
      try recorder.census(after: index)
    }
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
        within: 30_000 + step.again)
      try settle()
    }
  }

  private func begin(
    step: Int, label: String, client: Int, port: Int, closes: Step.Closer, again: Int,
    then: @escaping (Errno?) throws -> Void
  ) throws {
    let description = testbed.clients[client].description
    let remote = try SocketAddress(testbed.addressing.target(of: client), port: Network.serverPort + port)
    let number = attempts
    attempts += 1
    let connection = ClientConnection(
      attempt: number, step: step, label: label, client: client, node: testbed.clients[client].node,
      remote: remote, isn: sequence(description.isn, attempt: number),
      clock: testbed.clocks?.offsets[testbed.clients[client].node.name], closes: closes, again: again,
      loop: loop
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
        remote: connection.remote.description, isn: connection.isn, began: connection.began - recorder.jumped,
        ended: SystemClock.realtime() - recorder.jumped, calls: connection.calls, errno: errno.map(\.name),
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
  private func settle() throws {
    let moving = ["SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING"]
    var last: [String: Int] = [:]
    var passive = connections.values.filter { $0.closes == .server }
    try loop.run(
      until: {
        last = [:]
        for server in testbed.servers {
          let census = try server.sockets.census(ipv6: test.network.family == .ipv6)
          last.merge(census) { $0 + $1 }
        }
        let stillOpen = connections.values.contains { !$0.closed && $0.closes != .nobody }
        guard !stillOpen, moving.allSatisfy({ last[$0] == nil }), last["ESTAB", default: 0] == open.count
        else { return false }
        while let client = passive.last, try !client.lingers() { passive.removeLast() }
        return passive.isEmpty
      },
      awaiting: "all closing connections closed at both ends (servers \(last), clients \(passive.count))",
      within: 10_000, interval: 1)
    connections = connections.filter { !$0.value.closed }
  }

  // MARK: send

  /// One byte on each open connection, until it is acknowledged or the peer's link has seen it twice.
  private func send(_ step: Step.Send, _ index: Int) throws {
    for connection in open where testbed.clients[connection.client].description.group == step.client {
      let number = attempts
      attempts += 1
      let fromClient = step.from == .client
      let client = testbed.clients[connection.client].node.name
      guard let server = servers.first(where: { $0.peers[connection.attempt] != nil }),
        let sender = fromClient ? connection.socket : server.socket(attempt: connection.attempt)
      else {
        throw Failure(
          stage: "send \(step.label)", object: client, cause: "the server has closed the connection")
      }
      func received() -> Int {
        fromClient ? server.received[connection.attempt, default: 0] : connection.received
      }
      let before = received()
      let began = SystemClock.realtime()
      let failed = fromClient ? connection.send() : server.send(attempt: connection.attempt)
      var refused = false
      if failed == nil {
        try loop.run(
          until: {
            if try TCP.unacknowledged(sender) == 0 { return received() > before }
            refused =
              recorder.dataSegments(
                arrivedAt: fromClient ? server.name : client, since: began, from: connection.local)
              >= 2
            return refused
          },
          awaiting: "a byte on \(connection.local ?? "?"), acknowledged or twice seen", within: 20_000,
          interval: 5)
        // The second copy is captured before the stack sees it; its turn comes before ours.
        try loop.drain()
      }
      finish(
        Attempt(
          id: number, step: index, label: step.label, kind: .send, client: client, local: connection.local,
          remote: connection.remote.description, isn: nil, began: began, ended: SystemClock.realtime(),
          calls: 1, errno: failed.map(\.name) ?? (refused ? "ETIMEDOUT" : nil), read: received() > before,
          server: server.name))
    }
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
          try loop.run(until: { done }, awaiting: "the outcome of \(step.label)", within: 30_000)
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
    let perConnection = step.rate.map { 1000 / $0 + 1 } ?? 0
    try loop.run(
      until: { left == 0 }, awaiting: "the outcome of \(left) connections of \(step.label)",
      within: 30_000 + step.connections * (20 + perConnection))
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
      guard let hop = testbed.hop else { return }
      do { try hop.conntrack?.flush() } catch {
        throw Failure(error, stage: "flush conntrack", object: hop.name)
      }
    }
  }
}
