import CLinux
import Glibc
import SystemPackage

/// The worker's own streams and end.
public enum Stream {
  /// A closed pipe is an error of write(2), not a signal.
  public static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

  /// Whether the other end is gone. Bytes that come instead are thrown away.
  public static func hasEnded(_ descriptor: Int32) -> Bool {
    var byte: UInt8 = 0
    return Glibc.read(descriptor, &byte, 1) == 0
  }

  /// pipe2(2), both ends closed on exec.
  /// - Parameter name: what errors call it.
  public static func pipe(_ name: String) throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    try SystemError.check(clinux_pipe(&ends), "pipe", name)
    return (ends[0], ends[1])
  }

  /// Reading from and writing to it waits for nothing from now on: EAGAIN (fcntl(2), O_NONBLOCK).
  public static func neverWait(_ descriptor: Int32) { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }

  /// Writes everything.
  public static func write(_ descriptor: Int32, _ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      try SystemError.check(libc: count, "write", "descriptor \(descriptor)")
      rest = rest.dropFirst(count)
    }
  }

  /// Ends the process without running anything else.
  public static func exitNow(_ status: Int32) -> Never { _exit(status) }
}
