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
  /// Connections that were left open, in the order of their attempts; some may be gone by now.
  private(set) var open: [ClientConnection] = []
  /// Those that are not closed at the client, or were not when it was last asked.
  var connections: [Int: ClientConnection] = [:]
  private var attempts = 0
  /// What ended connections at the client, once they are forgotten.
  private var ends: [Int: String] = [:]

  /// Attempts whose sockets are as the case wants them, or as it has made them: nobody waits for these to close.
  var adrift: Set<Int> = []
  /// Which end has sent the first FIN of a connection that a later step has closed.
  var firstCloser: [Int: Step.End] = [:]
  /// Those of them whose end was lost on its way.
  var lost: Set<Int> = []
  /// By server, the other ends of sockets that stay in whatever state they are in.
  var left: [String: Set<String>] = [:]
  /// Whether packets may be lost for good by what the case has done so far.
  private(set) var losesPackets = false
  /// With which daemons end that programs of the case have left; nil where it runs none.
  var keeper: ProcessKeeper?
  /// Milliseconds that a packet may be under way by what the case has done so far, both ways together.
  var delay = 0

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
    defer { conclude() }
    for index in test.workload.indices { try perform(index) }
  }

  /// One step, each after the one before.
  func perform(_ index: Int) throws {
    if index == 0 {
      losesPackets = test.needs.losesPackets
      delay = test.network.delay
    }
    let step = test.workload[index]
    emit(.step(index))
    guard let action = step.action as? any Performable else {
      throw Failure(stage: step.verb, object: test.id, cause: "this worker does not know how to do it")
    }
    losesPackets = losesPackets || step.action.needs.losesPackets
    try action.perform(in: self, index: index)
    try recorder.census(after: index)
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

  /// What is special about a connection.
  struct Manner {
    var closes: Step.Closer
    /// Whether who closes does so by a RST.
    var aborts = false
    /// Milliseconds for which `connect()` is called again after EADDRNOTAVAIL.
    var again = 0
    /// The client's own port; 0 where the kernel may choose.
    var port = 0
    /// Whom it calls, by name; nil for whom every client calls.
    var target: String?
    /// SO_KEEPALIVE.
    var keepalive = false
  }

  /// Makes an attempt of a client to connect to the server's port number `port`, which begins when it is started.
  /// `then` is called once, when its outcome is known.
  func attempt(
    step: Int, label: String, client: Int, port: Int, _ manner: Manner,
    then: @escaping (Errno?) throws -> Void
  ) throws -> ClientConnection {
    let description = testbed.clients[client].description
    let remote = try SocketAddress(
      testbed.target(of: client, named: manner.target), port: Network.serverPort + port)
    let number = nextAttempt()
    let connection = ClientConnection(
      attempt: number, step: step, label: label, client: client, node: testbed.clients[client].node,
      remote: remote, isn: sequence(description.isn, attempt: number),
      clock: testbed.clocks?.offsets[testbed.clients[client].node.name], closes: manner.closes,
      aborts: manner.aborts, port: manner.port, again: manner.again,
      keepalive: manner.keepalive, loop: loop, time: testbed.time
    ) { [unowned self] connection, errno in
      try record(connection, errno)
      try then(errno)
    }
    connections[number] = connection
    return connection
  }

  /// The same, begun.
  func begin(
    step: Int, label: String, client: Int, port: Int, _ manner: Manner,
    then: @escaping (Errno?) throws -> Void
  ) throws {
    let connection = try attempt(
      step: step, label: label, client: client, port: port, manner, then: then)
    try connection.start()
    if mayStayUnanswered { awaitAnswer(connection) }
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

  /// The server that has accepted an attempt; nil where none has.
  func server(of attempt: Int) -> Server? { servers.first { $0.peers[attempt] != nil } }

  /// Connections that were left open, by the group of their client or by the label of their step; nil for all.
  func opened(by name: String?) -> [ClientConnection] {
    guard let name else { return open }
    return open.filter { $0.label == name || testbed.clients[$0.client].description.group == name }
  }

  private func record(_ connection: ClientConnection, _ errno: Errno?) throws {
    let server = server(of: connection.attempt)
    let isUnanswered = errno == nil && !connection.answered
    if isUnanswered { adrift.insert(connection.attempt) }
    if errno == nil, connection.closes == .nobody || isUnanswered { open.append(connection) }
    var attempt = Attempt(
      id: connection.attempt, step: connection.step, label: connection.label, kind: .connect,
      client: testbed.clients[connection.client].node.name, local: connection.local,
      remote: connection.remote.description, isn: connection.isn, began: connection.began,
      ended: testbed.time.now, calls: connection.calls, errno: errno.map(\.name),
      server: server?.name, peer: server?.peers[connection.attempt])
    attempt.answered = isUnanswered ? false : nil
    finish(attempt)
    if errno == nil, connection.closes == .both, !isUnanswered {
      // Neither has seen the other's FIN when it sends its own: the first copy of the client's is lost at the server's
      // socket, so that the server's finds the client in FIN_WAIT1, which becomes CLOSING (`tcp_fin`).
      try server?.setDeaf(true, attempt: connection.attempt)
      connection.close()
      try server?.setDeaf(false, attempt: connection.attempt)
      server?.close(attempt: connection.attempt)
    }
  }

  func finish(_ attempt: Attempt) {
    recorder.attempts.append(attempt)
    emit(.attempt(attempt))
  }

  // MARK: ends

  /// Forgets connections that are closed at the client, but for what ended them.
  func forgetClosed() {
    for (attempt, connection) in connections where connection.closed {
      ends[attempt] = connection.endWord
      connections[attempt] = nil
    }
  }

  /// What became of every connection after its outcome was known.
  func conclude() {
    for connection in open { ends[connection.attempt] = connection.endWord }
    forgetClosed()
    for index in recorder.attempts.indices where recorder.attempts[index].kind == .connect {
      let id = recorder.attempts[index].id
      recorder.attempts[index].closed = ends[id]
      guard let server = server(of: id) else { continue }
      recorder.attempts[index].server = server.name
      recorder.attempts[index].peer = server.peers[id]
      recorder.attempts[index].closedAtServer =
        server.ownEnds[id] ?? server.failures[id]?.name ?? (server.ended.contains(id) ? "FIN" : nil)
    }
  }
}

extension ClientConnection {
  /// `abort`, `FIN`, `ECONNRESET`; nil where nothing of the server's has ended it that was read.
  fileprivate var endWord: String? { ownEnd ?? failure?.name ?? (sawEnd ? "FIN" : nil) }
}
