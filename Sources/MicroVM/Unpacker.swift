import CLinux
import Foundation
import Model

/// A program that unpacks, fetches or checks what a stranger made, into a pipe: as nobody, without capabilities, with no
/// descriptor but its streams and those that it is given, and with bounds on memory and time. It can write no file; what it
/// gives is counted by whoever reads.
struct Unpacker {
  private let words: [String]
  private let input: String
  private let files: [String]
  private let environment: [String]
  private let deadline: Int

  /// - Parameters:
  ///   - words: the program, found on PATH, then its arguments; it reads its standard input.
  ///   - input: the file that is its standard input, opened with our rights.
  ///   - files: others that it reads, opened with our rights, by the names that ``path(_:)`` gives.
  ///   - environment: what it has besides `PATH` and `LC_ALL`, as `NAME=VALUE`.
  ///   - deadline: seconds.
  init(
    _ words: [String], from input: String, files: [String] = [], environment: [String] = [], deadline: Int
  ) {
    self.words = words
    self.input = input
    self.files = files
    self.environment = environment
    self.deadline = deadline
  }

  /// What the program calls the file of that number: nobody may not enter the folders that it lies in.
  static func path(_ number: Int) -> String { "/proc/self/fd/\(3 + number)" }

  /// Bytes of address space: xz and zstd need 130 MiB for what a kernel is packed with.
  private static let memory: UInt64 = 1 << 30

  /// Runs it to its end, handing on what it gives.
  /// - Throws: `Failure` with its words where it fails, is not there, or is not done in time; what `body` throws.
  func run(mend: String? = nil, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    func failure(_ cause: String) -> Failure {
      Failure(stage: words[0], object: Files.printable(input), cause: cause, mend: mend)
    }
    guard let program = Command.path(words[0]) else {
      throw Failure(
        stage: words[0], object: Files.printable(input), cause: "there is no \(words[0]) on this machine",
        mend: mend ?? Command.mend(words[0]))
    }
    let file = open(input, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure(Files.words(errno: errno)) }
    defer { close(file) }
    var others: [Int32] = []
    defer { for other in others { close(other) } }
    for path in files {
      let other = open(path, O_RDONLY | O_CLOEXEC)
      guard other >= 0 else { throw failure("\(Files.printable(path)): \(Files.words(errno: errno))") }
      others.append(other)
    }
    let (output, errors) = (try Pipe(), try Pipe())
    let pid = try start(program, [file, output.write.descriptor, errors.write.descriptor], others)
    output.write.close()
    errors.write.close()
    var isGone = false
    defer {
      // Its children with it: it has a session of its own.
      if !isGone { end(pid) }
    }
    let said = try follow(output.read.descriptor, errors.read.descriptor, failure, body)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    isGone = true
    guard status == 0 else {
      let signal = status & 0x7f
      let words =
        said.isEmpty
        ? (signal != 0 ? "ended by signal \(signal)" : "exit status \(status >> 8 & 0xff)") : said
      throw failure(words)
    }
  }

  private func start(_ program: String, _ streams: [Int32], _ others: [Int32]) throws -> pid_t {
    let arguments = words.map { strdup($0) } + [nil]
    let environment =
      (["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TMPDIR=/nonexistent"] + environment).map {
        (word: String) in strdup(word)
      } + [nil]
    defer { for word in arguments + environment { free(word) } }
    let pid = others.withUnsafeBufferPointer { others in
      var how = clinux_confinement(
        descriptors: others.baseAddress, count: Int32(others.count),
        user: clinux_unowned_user(UInt32(getpid())), group: 0, file_size: 0, memory: Self.memory)
      return clinux_spawn_confined(program, arguments, environment, &how, streams)
    }
    guard pid > 0 else {
      throw Failure(
        stage: "start", object: program, cause: Files.words(errno: -pid),
        mend: "fewer processes, or more memory")
    }
    return pid
  }

  private func end(_ pid: pid_t) {
    kill(-pid, SIGKILL)
    kill(pid, SIGKILL)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
  }

  /// Reads both streams to their end, and returns the last lines of the second.
  private func follow(
    _ output: Int32, _ errors: Int32, _ failure: (String) -> Failure,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> String {
    let limit = ContinuousClock.now + .seconds(deadline)
    var awaited = [
      pollfd(fd: output, events: Int16(POLLIN), revents: 0),
      pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
    ]
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var said: [UInt8] = []
    while awaited.contains(where: { $0.fd >= 0 }) {
      try Task.checkCancellation()
      guard ContinuousClock.now < limit else {
        throw failure("not done within \(deadline) s")
      }
      guard poll(&awaited, 2, 200) >= 0 || errno == EINTR else { throw failure(Files.words(errno: errno)) }
      for index in awaited.indices where awaited[index].fd >= 0 && awaited[index].revents != 0 {
        let count = read(awaited[index].fd, &chunk, chunk.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else {
          awaited[index].fd = -1
          continue
        }
        if index == 0 {
          try chunk.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        } else {
          said = (said + chunk[..<count]).suffix(2048)
        }
      }
    }
    let lines = String(decoding: said, as: UTF8.self).split(separator: "\n").suffix(3)
    return Files.printable(lines.joined(separator: "; "))
  }

  /// pipe2(2), close-on-exec; what is still open is closed with it.
  private struct Pipe {
    let read: End
    let write: End

    init() throws {
      var ends: [Int32] = [-1, -1]
      let result = clinux_pipe(&ends)
      guard result == 0 else {
        throw Failure(
          stage: "pipe", object: "unpacker", cause: Files.words(errno: -result), mend: "ulimit -n more")
      }
      (read, write) = (End(ends[0]), End(ends[1]))
    }

    final class End {
      private(set) var descriptor: Int32
      init(_ descriptor: Int32) { self.descriptor = descriptor }
      func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
      }
      deinit { close() }
    }
  }
}

/// A file that is being made, by us alone: no link is followed, and nothing is written beyond its bound.
final class NewFile {
  private let path: String
  private let descriptor: Int32
  private(set) var count = 0

  init(_ path: String) throws(Failure) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw Failure(
        stage: "kernel cache", object: Files.printable(path), cause: Files.words(errno: errno),
        mend: "set XDG_CACHE_HOME to a folder that can be written")
    }
    // Whatever the umask: QEMU is somebody else.
    fchmod(descriptor, 0o644)
  }

  /// - Parameter stage: of the failure where there would be more than `limit` bytes.
  func append(_ bytes: UnsafeRawBufferPointer, atMost limit: Int, of stage: String) throws(Failure) {
    guard count + bytes.count <= limit else {
      throw Bounds.exceeded(stage, URL(fileURLWithPath: path).lastPathComponent, Bounds.text(limit))
    }
    var at = 0
    while at < bytes.count {
      let written = write(descriptor, bytes.baseAddress.map { $0 + at }, bytes.count - at)
      if written < 0, errno == EINTR { continue }
      guard written >= 0 else {
        throw Failure(
          stage: "kernel cache", object: Files.printable(path), cause: Files.words(errno: errno),
          mend: "free some space there, or set XDG_CACHE_HOME")
      }
      at += written
    }
    count += bytes.count
  }

  func append(_ data: Data, atMost limit: Int, of stage: String) throws(Failure) {
    let failure: Failure? = data.withUnsafeBytes { bytes in
      do throws(Failure) {
        try append(bytes, atMost: limit, of: stage)
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  deinit { close(descriptor) }
}
