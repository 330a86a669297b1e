import CLinux
import Glibc
import SystemPackage

/// Programs that the lab leaves to others: `iptables-restore`, `nft`.
public enum Tool {
  /// How a program ended.
  public struct Output {
    /// Exit status; 128 plus the signal where one ended it.
    public var status: Int32
    public var stdout: String
    public var stderr: String
  }

  /// Runs a program to its end, in the calling thread's namespaces, found on PATH or in /usr/sbin and /sbin.
  /// It dies with the worker.
  ///
  /// - Parameters:
  ///   - stdin: what it reads, at most a pipe's 64 KiB.
  ///   - environment: added to PATH.
  public static func run(
    _ command: [String], stdin: String, environment: [String: String], deadline milliseconds: Int = 10_000
  ) throws -> Output {
    let name = command.first ?? ""
    let (input, output, errors) = (try Stream.pipe(name), try Stream.pipe(name), try Stream.pipe(name))
    var open: Set<Int32> = [
      input.read, input.write, output.read, output.write, errors.read, errors.write,
    ]
    func drop(_ descriptor: Int32) { if open.remove(descriptor) != nil { close(descriptor) } }
    defer { for descriptor in open { close(descriptor) } }
    _ = Glibc.write(input.write, stdin, stdin.utf8.count)
    drop(input.write)

    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    let variables = environment.merging(["PATH": path + ":/usr/sbin:/sbin", "LC_ALL": "C"]) { own, _ in own }
    setenv("PATH", variables["PATH"] ?? path, 1)
    let pid = try withStrings(command) { arguments in
      try withStrings(variables.map { "\($0)=\($1)" }) { environment in
        try SystemError.check(
          clinux_spawn(arguments, environment, input.read, output.write, errors.write), "spawn", name)
      }
    }
    for descriptor in [input.read, output.write, errors.write] { drop(descriptor) }

    var texts: [Int32: [UInt8]] = [output.read: [], errors.read: []]
    let end = SystemClock.monotonic() + Int64(milliseconds) * 1_000_000
    var late = false
    while !texts.keys.allSatisfy({ !open.contains($0) }) {
      var requests = texts.keys.filter(open.contains).map {
        Poll.Request(descriptor: $0, events: Poll.readable)
      }
      let left = end - SystemClock.monotonic()
      guard left > 0 else {
        kill(pid, SIGKILL)
        late = true
        break
      }
      _ = try Poll.wait(&requests, timeout: Int(left / 1_000_000) + 1)
      for request in requests where request.ready != 0 {
        var chunk = [UInt8](repeating: 0, count: 16384)
        let count = Glibc.read(request.descriptor, &chunk, chunk.count)
        if count > 0 {
          texts[request.descriptor]?.append(contentsOf: chunk[..<count])
        } else if count == 0 || errno != EINTR {
          drop(request.descriptor)
        }
      }
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    guard !late else {
      throw SystemError(
        stage: "run", object: name, errno: .timedOut, detail: "still running after \(milliseconds) ms")
    }
    let text = { (descriptor: Int32) in String(decoding: texts[descriptor] ?? [], as: UTF8.self) }
    let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    // execvp's failure shows as 127, as in a shell.
    let missing = code == 127 && text(errors.read).isEmpty ? "\(name): not found" : text(errors.read)
    return Output(status: code, stdout: text(output.read), stderr: missing.trimmed)
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
      let (out, err) = (try Stream.pipe(name), try Stream.pipe(name))
      let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
      let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
      setenv("PATH", path + ":/usr/sbin:/sbin", 1)
      pid = try Tool.withStrings(command) { arguments in
        try SystemError.check(
          clinux_spawn(arguments, environ, null, out.write, err.write), "spawn", command.first ?? "")
      }
      for descriptor in [null, out.write, err.write] { close(descriptor) }
      (output, errors) = (out.read, err.read)
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
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0, errno == EINTR {}
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
