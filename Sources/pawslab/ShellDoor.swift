import Foundation
import Lab
import Model
import Wire

/// Where another terminal comes into a guest that somebody's shell holds: a socket without a file (unix(7), abstract), which
/// is gone with the process, and by which only the same user comes in. What passes are frames, as between lab and guest:
/// first an order with a node in the place of its namespace, then what is typed; back what is shown, and how it ended.
enum ShellDoor {
  /// A terminal that does not take what is shown for so many seconds is let go: it would hold up everybody's.
  private static let patience = 5

  private static func address(_ pid: Int32) -> (sockaddr_un, socklen_t) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let name = Array("pawslab-shell-\(pid)".utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { path in
      for (index, byte) in name.enumerated() { path[index + 1] = byte }
    }
    return (address, socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.count))
  }

  private static func with<T>(
    _ pid: Int32, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T
  ) -> T {
    var (address, length) = address(pid)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  private static func socket() throws -> Int32 {
    let descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw failure("socket") }
    return descriptor
  }

  private static func failure(_ stage: String, mend: String? = nil) -> Failure {
    Failure(stage: "shell", object: stage, cause: String(cString: strerror(errno)), mend: mend)
  }

  /// Whether the other end is the same user's (SO_PEERCRED: pid, uid, gid).
  private static func isOwn(_ descriptor: Int32) -> Bool {
    var credentials: [UInt32] = [0, 0, 0]
    var length = socklen_t(12)
    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0
      && credentials[1] == geteuid()
  }

  private static func send(_ frame: Frame, to descriptor: Int32) -> Bool {
    let bytes = frame.bytes
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// The frames that come, until the other end is gone or makes no sense.
  private static func frames(_ descriptor: Int32) -> AsyncStream<Frame> {
    AsyncStream { continuation in
      Thread {
        var reader = Frame.Reader()
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
          let count = read(descriptor, &chunk, chunk.count)
          if count < 0, errno == EINTR { continue }
          guard count > 0, let frames = reader.add(chunk[..<count]) else { break }
          for frame in frames { continuation.yield(frame) }
        }
        continuation.finish()
      }.start()
    }
  }

  // MARK: who lets in

  /// Lets other terminals in for as long as the process lives.
  ///
  /// - Parameter join: a shell in a node on that terminal, until it ends: its exit status.
  static func open(_ join: @escaping @Sendable (String, Terminal) async throws -> Int32) throws {
    let door = try socket()
    guard with(getpid(), { bind(door, $0, $1) }) == 0, listen(door, 8) == 0 else {
      defer { close(door) }
      throw failure("the socket by which other terminals join")
    }
    Thread {
      while true {
        let descriptor = accept(door, nil, nil)
        if descriptor < 0 {
          if errno == EINTR || errno == ECONNABORTED { continue }
          return
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        guard isOwn(descriptor) else {
          close(descriptor)
          continue
        }
        var patience = timeval(tv_sec: Self.patience, tv_usec: 0)
        setsockopt(
          descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        Task { await serve(descriptor, join) }
      }
    }.start()
  }

  private static func serve(
    _ descriptor: Int32, _ join: @escaping @Sendable (String, Terminal) async throws -> Int32
  ) async {
    defer { close(descriptor) }
    var frames = frames(descriptor).makeAsyncIterator()
    guard let first = await frames.next(), first.kind == .terminal,
      let order = try? TerminalOrder(first.payload)
    else { return }
    let (input, typing) = AsyncStream<(Frame.Kind, [UInt8])>.makeStream()
    let end: String
    do {
      let terminal = Terminal(
        size: order.size, environment: order.environment, input: input,
        show: { bytes in
          // Who does not take it is gone, and his shell is told so below.
          if !send(Frame(id: 0, kind: .output, payload: bytes), to: descriptor) {
            shutdown(descriptor, Int32(SHUT_RDWR))
          }
        })
      let rest = frames
      let feeder = Task {
        var frames = rest
        while let frame = await frames.next() {
          if frame.kind == .input || frame.kind == .window { typing.yield((frame.kind, frame.payload)) }
        }
        // As where a terminal is closed: the shell reads its end.
        typing.yield((.input, [4]))
        typing.finish()
      }
      defer { feeder.cancel() }
      end = "\(try await join(String(order.namespace.dropFirst()), terminal))"
    } catch { end = "\(error)" }
    _ = send(Frame(id: 0, kind: .end, payload: Array(end.utf8)), to: descriptor)
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  // MARK: who comes in

  /// A shell in a node of a network that another process holds, on our terminal: its exit status.
  ///
  /// - Throws: `Failure` where there is none, or it has ended.
  static func join(_ pid: Int32, node: String, terminal: OwnTerminal) async throws -> Int32 {
    let descriptor = try socket()
    defer { close(descriptor) }
    let mend = "pawslab shell CASE --kernel NAME says the command by which another terminal joins it"
    guard with(pid, { connect(descriptor, $0, $1) }) == 0 else {
      throw failure("--join \(pid)", mend: mend)
    }
    guard isOwn(descriptor) else {
      throw Failure(stage: "shell", object: "--join \(pid)", cause: "it is another user's", mend: mend)
    }
    let type = ProcessInfo.processInfo.environment["TERM"] ?? "dumb"
    let order = TerminalOrder(
      size: OwnTerminal.size, namespace: "/\(node)", environment: ["TERM=\(type)"])
    guard send(Frame(id: 0, kind: .terminal, payload: order.bytes), to: descriptor) else {
      throw failure("--join \(pid)", mend: mend)
    }
    let frames = frames(descriptor)
    let typed = terminal.lend()
    let feeder = Task {
      for await (kind, bytes) in typed {
        if !send(Frame(id: 0, kind: kind, payload: bytes), to: descriptor) { return }
      }
    }
    defer { feeder.cancel() }
    for await frame in frames {
      switch frame.kind {
      case .output: Console.lend(frame.payload)
      case .end:
        let words = String(decoding: frame.payload, as: UTF8.self)
        if let status = Int32(words) { return status }
        throw Failure(stage: "shell", object: "--join \(pid)", cause: words)
      default: break
      }
    }
    throw Failure(
      stage: "shell", object: "--join \(pid)", cause: "the shell that holds this network has ended")
  }
}
