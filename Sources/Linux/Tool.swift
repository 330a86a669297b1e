import CLinux
import Glibc
import SystemPackage

/// Programs that the lab leaves to others: `iptables-restore`, `nft`.
public enum Tool {
  /// How a program ended.
  public struct Output: Sendable {
    /// Exit status; 128 plus the signal where one ended it.
    public var status: Int32
    public var stdout: String
    public var stderr: String
  }

  /// Runs a program to its end, in the calling thread's namespaces, found on PATH or in /usr/sbin and /sbin.
  /// It dies with the worker.
  ///
  /// - Parameters:
  ///   - stdin: what it reads, of any length.
  ///   - environment: added to PATH and LC_ALL=C.
  ///   - milliseconds: after which it is killed, and that is an error.
  public static func run(
    _ command: [String], stdin: String, environment: [String: String], deadline milliseconds: Int = 10_000
  ) throws -> Output {
    let name = command.first ?? ""
    let input = try Stream.pipe(name)
    var open: Set<Int32> = [input.write]
    func drop(_ descriptor: Int32) { if open.remove(descriptor) != nil { close(descriptor) } }
    defer { for descriptor in open { close(descriptor) } }
    let started: Started?
    do {
      defer { close(input.read) }
      started = try start(command, environment: environment, input: input.read)
    }
    // As in a shell.
    guard let (pid, output, errors) = started else {
      return Output(status: 127, stdout: "", stderr: "\(name): not found")
    }
    open.formUnion([output, errors])

    Stream.ignoreBrokenPipes()
    _ = fcntl(input.write, F_SETFL, O_NONBLOCK)
    var rest = [UInt8](stdin.utf8)[...]
    if rest.isEmpty { drop(input.write) }
    var texts: [Int32: [UInt8]] = [output: [], errors: []]
    let end = SystemClock.monotonic() + Int64(milliseconds) * 1_000_000
    var failure: SystemError?
    while failure == nil, !open.isDisjoint(with: [output, errors]) {
      var requests = open.sorted().map {
        Poll.Request(descriptor: $0, events: $0 == input.write ? Poll.writable : Poll.readable)
      }
      let left = end - SystemClock.monotonic()
      guard left > 0 else {
        failure = SystemError(
          stage: "run", object: name, errno: .timedOut, detail: "still running after \(milliseconds) ms")
        break
      }
      _ = try Poll.wait(&requests, timeout: Int(left / 1_000_000) + 1)
      for request in requests where request.ready != 0 {
        if request.descriptor == input.write {
          let count = rest.withUnsafeBytes { Glibc.write(input.write, $0.baseAddress, $0.count) }
          if count >= 0 {
            rest = rest.dropFirst(count)
          } else if Errno.current == .brokenPipe {
            rest = []  // it wants no more; its exit status says whether that was right
          } else if ![.interrupted, .wouldBlock].contains(Errno.current) {
            failure = SystemError(stage: "write", object: "standard input of \(name)", errno: .current)
          }
          if rest.isEmpty { drop(input.write) }
          continue
        }
        var chunk = [UInt8](repeating: 0, count: 16384)
        let count = Glibc.read(request.descriptor, &chunk, chunk.count)
        if count > 0 {
          texts[request.descriptor]?.append(contentsOf: chunk[..<count])
        } else if count == 0 || errno != EINTR {
          drop(request.descriptor)
        }
      }
    }
    if failure != nil { kill(pid, SIGKILL) }
    let status = reap(pid)
    if let failure { throw failure }
    let text = { (descriptor: Int32) in String(decoding: texts[descriptor] ?? [], as: UTF8.self) }
    let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    return Output(status: code, stdout: text(output), stderr: text(errors).trimmed)
  }

  /// A program that was started, with the ends that we read: its standard output, its standard error.
  typealias Started = (pid: Int32, output: Int32, errors: Int32)

  /// Starts a program with a descriptor as its standard input; nil where there is none of that name.
  ///
  /// - Parameter ownGroup: whether it leads a process group of its own, so that what it starts can be killed with it.
  static func start(
    _ command: [String], environment: [String: String], input: Int32, ownGroup: Bool = false
  ) throws -> Started? {
    let name = command.first ?? ""
    guard let path = find(name) else { return nil }
    let output = try Stream.pipe(name)
    defer { close(output.write) }
    let errors: (read: Int32, write: Int32)
    do { errors = try Stream.pipe(name) } catch {
      close(output.read)
      throw error
    }
    defer { close(errors.write) }
    let variables = environment.merging(
      ["PATH": folders.joined(separator: ":"), "LC_ALL": "C"]) { own, _ in own }
    do {
      let pid = try withStrings([path] + command.dropFirst()) { arguments in
        try withStrings(variables.map { "\($0)=\($1)" }) { environment in
          let spawn = ownGroup ? clinux_spawn_group : clinux_spawn
          return try SystemError.check(
            spawn(arguments, environment, input, output.write, errors.write), "spawn", name)
        }
      }
      return (pid, output.read, errors.read)
    } catch {
      for descriptor in [output.read, errors.read] { close(descriptor) }
      throw error
    }
  }

  /// Where programs are looked for: PATH, and what users' PATHs leave out. Our own PATH stays as it is.
  static var folders: [String] {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    let own = path.split(separator: ":").map(String.init)
    return own + ["/usr/sbin", "/sbin"].filter { !own.contains($0) }
  }

  /// Whether there is a program of that name.
  public static func has(_ name: String) -> Bool { find(name) != nil }

  /// A program's path; its name where that is one already; nil where it is nowhere.
  static func find(_ name: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    return folders.lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  /// wait(2)s for its end.
  private static func reap(_ pid: Int32) -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return status
  }

  /// A program that runs beside the workload, in the namespaces that it was started in. It dies with the worker.
  public final class Background {
    private let name: String
    private let pid: Int32
    private let output: Int32
    private let errors: Int32
    private var said: [UInt8] = []

    /// Starts it, with nothing to read.
    public init(_ command: [String]) throws {
      name = command.first ?? ""
      let null = try SystemError.check(libc: open("/dev/null", O_RDONLY | O_CLOEXEC), "open", "/dev/null")
      defer { close(null) }
      guard let started = try Tool.start(command, environment: [:], input: null) else {
        throw SystemError(stage: "run", object: name, errno: .noSuchFileOrDirectory, detail: "not found")
      }
      (pid, output, errors) = started
    }

    deinit {
      close(output)
      close(errors)
    }

    /// Waits until its standard error contains a text; 10 s at most.
    public func awaitError(containing text: String) throws {
      let deadline = SystemClock.monotonic() + 10_000_000_000
      while !String(decoding: said, as: UTF8.self).contains(text) {
        let left = deadline - SystemClock.monotonic()
        var requests = [Poll.Request(descriptor: errors, events: Poll.readable)]
        var bytes: [UInt8] = []
        if left > 0, try Poll.wait(&requests, timeout: Int(left / 1_000_000) + 1) > 0 {
          bytes = try Guest.readAvailable(errors)
        }
        guard !bytes.isEmpty else {
          kill(pid, SIGKILL)
          throw SystemError(
            stage: "run", object: name, errno: .timedOut,
            detail: "it did not say \"\(text)\" but: \(String(decoding: said, as: UTF8.self).trimmed)")
        }
        said += bytes
      }
    }

    /// SIGINT, and all that it wrote to its standard output.
    public func interrupt() throws -> [UInt8] {
      kill(pid, SIGINT)
      var bytes: [UInt8] = []
      do { bytes = try Files.readAll(output) } catch {
        throw SystemError(stage: "read", object: name, errno: error)
      }
      _ = Tool.reap(pid)
      return bytes
    }
  }

  fileprivate static func withStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) throws -> Result
  ) rethrows -> Result {
    let copies = strings.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    return try body(copies)
  }
}

extension String {
  fileprivate var trimmed: String {
    String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
