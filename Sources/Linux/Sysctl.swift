import Glibc
import SystemPackage

/// Settings below `/proc/sys`, of the namespace that the calling thread is in.
public enum Sysctl {
  /// Whether this kernel, in this namespace, has it.
  public static func exists(_ path: String) -> Bool { access("/proc/sys/\(path)", F_OK) == 0 }

  /// The value, fields separated by single spaces. Equivalent to `sysctl -n`.
  public static func read(_ path: String) throws -> String {
    do {
      return try Files.read("/proc/sys/\(path)").split(whereSeparator: \.isWhitespace).joined(separator: " ")
    } catch {
      throw SystemError(stage: "read", object: "/proc/sys/\(path)", errno: error)
    }
  }

  /// Equivalent to `sysctl -w`.
  public static func write(_ path: String, _ value: String) throws {
    do { try Files.write(value, to: "/proc/sys/\(path)") } catch {
      throw SystemError(stage: "write \(value)", object: "/proc/sys/\(path)", errno: error)
    }
  }
}
