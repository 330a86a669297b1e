import CLinux
import Glibc
import SystemPackage

/// What SYNPROXY has counted in the namespace in which it was opened: `/proc/net/stat/synproxy`.
///
/// A line of names, and a line of hexadecimal numbers for each processor (`synproxy_cpu_seq_show`,
/// net/netfilter/nf_synproxy_core.c).
public final class SynproxyCounters {
  private let descriptor: Int32

  /// Opens the file of the calling thread's namespace and keeps it.
  /// - Throws: ENOENT where nf_synproxy_core is not loaded.
  public init() throws {
    descriptor = try SystemError.check(
      clinux_open_net("stat/synproxy"), "open", "/proc/net/stat/synproxy")
  }

  deinit { close(descriptor) }

  /// `synproxy.cookie_valid` and the others, now, of all processors together.
  public func read() throws -> [String: Int] {
    lseek(descriptor, 0, SEEK_SET)
    do { return Self.sums(in: String(decoding: try Files.readAll(descriptor), as: UTF8.self)) } catch {
      throw SystemError(stage: "read", object: "/proc/net/stat/synproxy", errno: error)
    }
  }

  /// `entries` is always 0.
  package static func sums(in text: String) -> [String: Int] {
    let lines = text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
    guard let names = lines.first else { return [:] }
    var sums: [String: Int] = [:]
    for line in lines.dropFirst() where line.count == names.count {
      for (name, value) in zip(names, line) where name != "entries" {
        sums["synproxy.\(name)", default: 0] += Int(value, radix: 16) ?? 0
      }
    }
    return sums
  }
}
