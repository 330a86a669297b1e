import CLinux
import Glibc
import SystemPackage

/// A program on a terminal of its own in a guest, and our end of that terminal.
public final class GuestTerminal {
  /// Our end, which never blocks: a program that reads nothing must not hold up the guest's first process.
  public let descriptor: Int32
  private let pid: Int32
  /// What the program has not taken yet.
  private var waiting: [UInt8] = []

  /// Starts a program in a network namespace, on a terminal of that size.
  ///
  /// - Parameters:
  ///   - command: the program's path, and its arguments.
  ///   - namespace: path of the network namespace.
  ///   - environment: `NAME=VALUE`, besides ours.
  /// - Throws: `SystemError` of the terminal (ptmx(4)) or of fork(2). A program that cannot be started is one that
  ///   ends at once, with what is wrong on its terminal and the status 127.
  public init(
    _ command: [String], in namespace: String, rows: Int, columns: Int, environment: [String]
  ) throws {
    var end: Int32 = -1
    pid = try SystemError.check(
      clinux_fork_terminal(Int32(clamping: rows), Int32(clamping: columns), &end), "fork", "terminal")
    descriptor = end
    guard pid == 0 else { return }
    do {
      let network = try SystemError.check(libc: open(namespace, O_RDONLY | O_CLOEXEC), "open", namespace)
      try SystemError.check(clinux_setns_net(network), "setns", namespace)
      for variable in environment { putenv(strdup(variable)) }
      signal(SIGPIPE, SIG_DFL)
      _ = chdir("/root")
      execv(command[0], command.map { strdup($0) } + [nil])
      throw SystemError(stage: "execve", object: command[0], errno: .current)
    } catch {
      try? Stream.write(1, Array("pawslab: \(error)\n".utf8))
      _exit(127)
    }
  }

  deinit { close(descriptor) }

  /// What to wait for.
  public var events: Int16 { Poll.readable | (waiting.isEmpty ? 0 : Poll.writable) }

  /// What came from the program; nil where it, and all that it has started on this terminal, has ended.
  public func read() -> [UInt8]? {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = Glibc.read(descriptor, &chunk, chunk.count)
    // The other end is closed: EIO (pty(7)).
    if count < 0 { return [EAGAIN, EINTR].contains(errno) ? [] : nil }
    return count == 0 ? nil : Array(chunk[..<count])
  }

  /// Types something.
  public func write(_ bytes: [UInt8] = []) {
    waiting += bytes
    while !waiting.isEmpty {
      let count = waiting.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      waiting.removeFirst(count)
    }
  }

  /// TIOCSWINSZ: the program hears of it by SIGWINCH.
  public func resize(rows: Int, columns: Int) {
    _ = clinux_set_window(descriptor, Int32(clamping: rows), Int32(clamping: columns))
  }

  /// Ends it (SIGHUP is what a terminal that hangs up sends; SIGKILL what nobody ignores).
  public func kill() { Glibc.kill(pid, SIGKILL) }

  /// Waits for the program's end: its exit status, or 128 and its signal.
  public func status() -> Int {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return Int(status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f)
  }
}
