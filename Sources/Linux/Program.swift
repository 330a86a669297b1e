import CLinux
import Glibc
import SystemPackage

/// A program beside the workload, in the namespaces of the thread that started it, driven by a poll loop: nothing here
/// waits. It dies with the worker. `/proc/net` is that of its namespace; `/sys` is the host's, other than with
/// `ip netns exec`.
///
/// `nsenter --net=NODE timeout -s KILL MILLISECONDS COMMAND`
public final class Program {
  /// How a process ended.
  public enum Exit: Sendable, Equatable, CustomStringConvertible {
    /// exit(2), 0 to 255.
    case status(Int)
    /// A signal ended it, by its number: signal(7).
    case signal(Int)

    /// `exit 1`, `signal 9`
    public var description: String {
      switch self {
      case .status(let number): "exit \(number)"
      case .signal(let number): "signal \(number)"
      }
    }
  }

  /// What came out of a stream.
  public struct Output: Sendable, Equatable {
    /// Its first bytes, up to the limit.
    public var bytes: [UInt8]
    /// Bytes after those: read, counted and thrown away.
    public var more: Int

    public init(bytes: [UInt8] = [], more: Int = 0) { (self.bytes, self.more) = (bytes, more) }

    /// As text; what is no UTF-8 is replaced.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  /// What there is to say of a program that has ended.
  public struct Ending: Sendable, Equatable {
    public var exit: Exit
    /// Whether it was killed because its time was over.
    public var isOverdue: Bool
    public var stdout: Output
    public var stderr: Output
  }

  /// What it was started as.
  public let command: [String]
  /// When it is to be killed, in nanoseconds of ``SystemClock/monotonic()``.
  public let deadline: Int64
  /// Set once it has ended and all that it wrote has been read.
  public private(set) var ending: Ending?

  private let pid: Int32
  private let limit: Int
  /// Readable when it has ended; -1 below 5.3.
  private let end: Int32
  private var input: Int32
  private var unread: ArraySlice<UInt8>
  /// Standard output, standard error: its descriptor, -1 once it has ended, and what came.
  private var streams: [(descriptor: Int32, output: Output)]
  private var exit: Exit?
  private var isOverdue = false

  /// Starts it, found on PATH or in /usr/sbin and /sbin.
  ///
  /// - Parameters:
  ///   - environment: added to PATH and LC_ALL=C; it has nothing else of ours.
  ///   - stdin: what it reads, of any length, and the end.
  ///   - limit: bytes that are kept of each of its streams.
  ///   - milliseconds: after which it is killed, with all that it has started in its process group.
  /// - Throws: ENOENT where there is no program of that name.
  public convenience init(
    _ command: [String], environment: [String: String] = [:], stdin: [UInt8] = [], limit: Int = 64 << 10,
    deadline milliseconds: Int
  ) throws {
    try self.init(
      command, environment: environment, stdin: stdin, limit: limit, deadline: milliseconds, pidfd: true)
  }

  /// - Parameter pidfd: false to do as on kernels that have none.
  init(
    _ command: [String], environment: [String: String], stdin: [UInt8], limit: Int,
    deadline milliseconds: Int, pidfd: Bool
  ) throws {
    let name = command.first ?? ""
    // A file can be opened again, as /dev/stdin, and its length is known: there are programs that want both.
    let file = try Self.file(of: stdin)
    let pipe = try file.map { (read: $0, write: -1) } ?? Stream.pipe(name)
    defer { close(pipe.read) }
    do {
      guard
        let started = try Tool.start(command, environment: environment, input: pipe.read, ownGroup: true)
      else {
        throw SystemError(stage: "run", object: name, errno: .noSuchFileOrDirectory, detail: "not found")
      }
      pid = started.pid
      streams = [(started.output, Output()), (started.errors, Output())]
    } catch {
      if pipe.write >= 0 { close(pipe.write) }
      throw error
    }
    self.command = command
    self.limit = limit
    deadline = SystemClock.monotonic() + Int64(milliseconds) * 1_000_000
    end = pidfd ? max(-1, clinux_pidfd(pid)) : -1
    input = pipe.write
    unread = file == nil ? stdin[...] : []
    Stream.ignoreBrokenPipes()
    for descriptor in [input] + streams.map(\.descriptor) where descriptor >= 0 {
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }
    if unread.isEmpty { closeInput() }
  }

  /// A file without a name that has these bytes, at its beginning; nil below 3.17, where there is none such.
  private static func file(of bytes: [UInt8]) throws -> Int32? {
    let file = clinux_memory_file("stdin")
    guard file >= 0 else { return nil }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let error = SystemError(stage: "write", object: "standard input", errno: .current)
        close(file)
        throw error
      }
      rest = rest.dropFirst(count)
    }
    lseek(file, 0, SEEK_SET)
    return file
  }

  deinit {
    if exit == nil {
      killAll()
      while waitpid(pid, nil, 0) < 0, errno == EINTR {}
    }
    for descriptor in [input, end] + streams.map(\.descriptor) where descriptor >= 0 { close(descriptor) }
  }

  /// What a poll loop has to watch, besides the deadline. Empty once it has ended.
  public var requests: [Poll.Request] {
    guard ending == nil else { return [] }
    var requests = streams.filter { $0.descriptor >= 0 }.map {
      Poll.Request(descriptor: $0.descriptor, events: Poll.readable)
    }
    if input >= 0 { requests.append(Poll.Request(descriptor: input, events: Poll.writable)) }
    if end >= 0, exit == nil { requests.append(Poll.Request(descriptor: end, events: Poll.readable)) }
    return requests
  }

  /// Does what can be done now: writes its input, reads its output, notices its end, kills it when its time is over.
  /// To be called when one of ``requests`` is ready, and at the deadline. How it ended, once it has.
  ///
  /// It has ended when its process has, whoever of its children still holds its streams; those go on until the worker
  /// ends. Below 5.3, where there is no pidfd, the end is noticed when both streams have ended too, or at the deadline.
  @discardableResult public func proceed() throws -> Ending? {
    if let ending { return ending }
    try feed()
    // First whether it has ended, then the rest of what it wrote: not the other way round.
    let isOver = SystemClock.monotonic() >= deadline
    if end >= 0 || isOver { try reap() }
    for index in streams.indices { try read(index) }
    if end < 0, !streams.contains(where: { $0.descriptor >= 0 }) { try reap() }
    if exit == nil, !isOverdue, isOver {
      isOverdue = true
      killAll()
      if end < 0 { try reap(waiting: true) }
    }
    if let exit {
      for index in streams.indices { try read(index) }
      closeInput()
      ending = Ending(
        exit: exit, isOverdue: isOverdue, stdout: streams[0].output, stderr: streams[1].output)
    }
    return ending
  }

  /// Sends a signal to it and to all in its process group: `kill -s SIGNAL -- -PID`. Nothing where it has ended.
  public func signal(_ number: Int32) {
    if exit == nil { _ = Glibc.kill(-pid, number) }
  }

  private func killAll() {
    // Its group is made between fork and exec, in which time there is none yet.
    if Glibc.kill(-pid, SIGKILL) < 0 { _ = Glibc.kill(pid, SIGKILL) }
  }

  private func reap(waiting: Bool = false) throws {
    guard exit == nil else { return }
    var status: Int32 = 0
    var result: Int32
    repeat { result = waitpid(pid, &status, waiting ? 0 : WNOHANG) } while result < 0 && errno == EINTR
    try SystemError.check(libc: result, "waitpid", command.first ?? "")
    if result == pid {
      exit = status & 0x7f == 0 ? .status(Int(status >> 8 & 0xff)) : .signal(Int(status & 0x7f))
    }
  }

  private func feed() throws {
    while input >= 0, !unread.isEmpty {
      let count = unread.withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
      if count > 0 {
        unread = unread.dropFirst(count)
      } else {
        switch Errno.current {
        case .interrupted: continue
        case .wouldBlock: return
        case .brokenPipe: unread = []  // it wants no more; its status says whether that was right
        case let errno:
          throw SystemError(stage: "write", object: "standard input of \(command.first ?? "")", errno: errno)
        }
      }
    }
    closeInput()
  }

  private func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  /// Bytes read in one turn at most, so that a program that writes without end holds up nobody.
  private static let turn = 1 << 20

  private func read(_ index: Int) throws {
    let descriptor = streams[index].descriptor
    var buffer = [UInt8](repeating: 0, count: 16_384)
    var taken = 0
    while descriptor >= 0, taken < Self.turn {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count > 0 {
        taken += count
        let room = min(count, limit - streams[index].output.bytes.count)
        streams[index].output.bytes += buffer[..<room]
        streams[index].output.more += count - room
        continue
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, Errno.current == .wouldBlock { return }
      close(descriptor)
      streams[index].descriptor = -1
      return
    }
  }
}
