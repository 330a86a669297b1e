import CLinux
import Glibc
import SystemPackage

/// Settings below `/proc/sys`, of the namespace that the calling thread is in.
public enum Sysctl {
  /// Where they are: `/proc/sys`; where that is mounted read-only, as in containers, below a procfs of our own that is
  /// mounted nowhere and lives as long as the process, if the kernel gives us one.
  private static let root: String = {
    guard clinux_is_read_only("/proc/sys") == 1 else { return "/proc/sys" }
    let descriptor = clinux_proc()
    return descriptor < 0 ? "/proc/sys" : "/proc/self/fd/\(descriptor)/sys"
  }()

  /// Whether this kernel, in this namespace, has it.
  public static func exists(_ path: String) -> Bool { access("\(root)/\(path)", F_OK) == 0 }

  /// The value, fields separated by single spaces. Equivalent to `sysctl -n`.
  public static func read(_ path: String) throws -> String {
    guard let value = try readIfPresent(path) else {
      throw SystemError(stage: "read", object: "/proc/sys/\(path)", errno: .noSuchFileOrDirectory)
    }
    return value
  }

  /// The same; nil where there is no such setting.
  public static func readIfPresent(_ path: String) throws -> String? {
    let descriptor = open("\(root)/\(path)", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if Errno.current == .noSuchFileOrDirectory { return nil }
      throw SystemError(stage: "open", object: "/proc/sys/\(path)", errno: .current)
    }
    defer { close(descriptor) }
    return try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      try SystemError.check(libc: count, "read", "/proc/sys/\(path)")
      var bytes: [UInt8] = []
      for byte in buffer[..<count] {
        if byte > 0x20 {
          bytes.append(byte)
        } else if let last = bytes.last, last != 0x20 {
          bytes.append(0x20)
        }
      }
      if bytes.last == 0x20 { bytes.removeLast() }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  /// Equivalent to `sysctl -w`.
  public static func write(_ path: String, _ value: String) throws {
    do { try Files.write(value, to: "\(root)/\(path)") } catch {
      throw SystemError(stage: "write \(value)", object: "/proc/sys/\(path)", errno: error)
    }
  }
}
