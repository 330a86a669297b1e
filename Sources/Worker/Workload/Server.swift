import Linux
import Model
import SystemPackage

/// One server's listeners and accepted connections.
final class Server {
  private let loop: EventLoop
  private let network: Network
  private var listeners: [TCP.Socket] = []
  /// Connections that stay open, by the attempt that made them.
  private(set) var open: [Int: Connection] = [:]
  /// The client's address as accept(2) gave it, by attempt.
  private(set) var peers: [Int: String] = [:]
  /// Bytes read on open connections, by attempt, beyond the greeting.
  private(set) var received: [Int: Int] = [:]
  /// What ended connections, by attempt, and was no FIN: ECONNRESET where the other end sent a RST.
  private(set) var failures: [Int: Errno] = [:]
  /// Accepted connections that are to be closed, by either end, and are not yet.
  private(set) var closing = 0

  final class Connection {
    let socket: TCP.Socket
    var greeting: [UInt8] = []
    var attempt: Int?
    init(socket: TCP.Socket) { self.socket = socket }
  }

  /// The node's name.
  let name: String

  /// Listens on every port of the case.
  init(on node: Node, network: Network, loop: EventLoop) throws {
    self.loop = loop
    self.network = network
    name = node.name
    guard let role = network.host(node.name)?.server, role.isListening else { return }
    let ports = role.ports
    do {
      listeners = try node.namespace.run {
        try ports.map { port in
          try TCP.listen(
            on: SocketAddress.any(port: port, ipv6: network.family == .ipv6),
            backlog: 4096)
        }
      }
    } catch {
      throw Failure(error, stage: "listen", object: node.name)
    }
    for listener in listeners {
      loop.watch(listener, Poll.readable) { [unowned self] in try accept(listener) }
    }
  }

  /// Bytes that were sent on an open connection and are not yet acknowledged; nil where it is closed here.
  func unacknowledged(attempt: Int) throws -> Int? {
    guard let socket = open[attempt]?.socket, socket.isOpen else { return nil }
    return try TCP.unacknowledged(socket)
  }

  /// One byte to the client of an open connection.
  func send(attempt: Int) -> Errno? {
    guard let connection = open[attempt] else { return .socketNotConnected }
    return TCP.send(connection.socket, [UInt8(ascii: "d")])
  }

  private func accept(_ listener: TCP.Socket) throws {
    while let socket = try TCP.accept(listener) {
      let connection = Connection(socket: socket)
      closing += 1
      loop.watch(socket, Poll.readable) { [unowned self] in serve(connection) }
    }
  }

  private func serve(_ connection: Connection) {
    while connection.socket.isOpen {
      switch TCP.receive(connection.socket, upTo: 64) {
      case .wouldBlock: return
      case .end:
        close(connection)
        return
      case .failed(let errno):
        if let attempt = connection.attempt { failures[attempt] = errno }
        close(connection)
        return
      case .bytes(let bytes):
        guard connection.attempt == nil else {
          received[connection.attempt ?? 0, default: 0] += bytes.count
          continue
        }
        connection.greeting += bytes
        guard let greeting = Greeting(connection.greeting) else { continue }
        connection.attempt = greeting.attempt
        peers[greeting.attempt] = TCP.peerAddress(connection.socket)?.description
        _ = TCP.send(connection.socket, [UInt8(ascii: "k")])
        switch greeting.closes {
        case .client: break
        case .nobody:
          open[greeting.attempt] = connection
          closing -= 1
        case .server:
          close(connection)
          return
        }
      }
    }
  }

  private func close(_ connection: Connection) {
    loop.forget(connection.socket)
    TCP.close(connection.socket)
    let wasOpen = connection.attempt.flatMap { open.removeValue(forKey: $0) } != nil
    if !wasOpen { closing -= 1 }
  }
}
