import CLinux
import Glibc
import SystemPackage

/// Settings below `/proc/sys`, of the namespace that the calling thread is in.
public enum Sysctl {
  /// A procfs to find them in.
  public final class Tree: Sendable {
    fileprivate let root: String
    /// Of a procfs of our own that is mounted nowhere; nil is `/proc`.
    private let descriptor: Int32?

    /// `/proc/sys`; where that is mounted read-only, as in containers, one of our own, if the kernel gives us one.
    public static let common =
      clinux_is_read_only("/proc/sys") == 1 ? Tree(descriptor: clinux_proc()) : Tree()

    /// One of our own for some of many namespaces; the common one where the kernel gives none.
    ///
    /// What every namespace has by the same name is found by looking at each that somebody has looked at through the
    /// same procfs (`proc_sys_compare`, all in one row of the dentry hash): 0.1 ms with a thousand.
    public static func own() -> Tree {
      let descriptor = clinux_proc()
      return descriptor < 0 ? common : Tree(descriptor: descriptor)
    }

    private init(descriptor: Int32? = nil) {
      self.descriptor = descriptor.flatMap { $0 < 0 ? nil : $0 }
      root = self.descriptor.map { "/proc/self/fd/\($0)/sys" } ?? "/proc/sys"
    }

    deinit { if let descriptor { close(descriptor) } }
  }

  /// Whether this kernel, in this namespace, has it.
  public static func exists(_ path: String, in tree: Tree = .common) -> Bool {
    access("\(tree.root)/\(path)", F_OK) == 0
  }

  /// The value, fields separated by single spaces. Equivalent to `sysctl -n`.
  public static func read(_ path: String, in tree: Tree = .common) throws -> String {
    guard let value = try readIfPresent(path, in: tree) else {
      throw SystemError(stage: "read", object: "/proc/sys/\(path)", errno: .noSuchFileOrDirectory)
    }
    return value
  }

  /// The same; nil where there is no such setting.
  public static func readIfPresent(_ path: String, in tree: Tree = .common) throws -> String? {
    let descriptor = open("\(tree.root)/\(path)", O_RDONLY | O_CLOEXEC)
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
  public static func write(_ path: String, _ value: String, in tree: Tree = .common) throws {
    do { try Files.write(value, to: "\(tree.root)/\(path)") } catch {
      throw SystemError(stage: "write \(value)", object: "/proc/sys/\(path)", errno: error)
    }
  }
}
