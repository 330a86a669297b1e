import CLinux
import Foundation
import Model

/// A file without a name, in memory: gone with the last descriptor of it, so that no death of ours leaves it behind
/// (memfd_create(2)). Another process of ours opens it by ``path``.
final class MemoryFile: Sendable {
  private let descriptor: Int32

  /// An empty one.
  /// - Throws: `Failure` where there is no descriptor or no memory for it.
  init(_ name: String) throws {
    descriptor = clinux_memory_file(name)
    guard descriptor >= 0 else { throw Self.failure(name, "memfd_create", -descriptor) }
  }

  /// One with that content.
  convenience init(_ name: String, _ content: Data) throws {
    try self.init(name)
    let error = content.withUnsafeBytes { bytes -> Int32 in
      var at = 0
      while at < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + at }, bytes.count - at)
        if count < 0, errno != EINTR { return errno }
        at += max(0, count)
      }
      return 0
    }
    guard error == 0 else { throw Self.failure(name, "write", error) }
  }

  deinit { close(descriptor) }

  /// Where a process of ours that this one has started finds it.
  var path: String { "/proc/\(getpid())/fd/\(descriptor)" }

  /// What it holds now.
  var text: String {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size > 0 else { return "" }
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
      count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, 0))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Gives its memory back, whoever else still has it open.
  func empty() { _ = ftruncate(descriptor, 0) }

  private static func failure(_ name: String, _ call: String, _ error: Int32) -> Failure {
    Failure(
      stage: call, object: name, cause: String(cString: strerror(error)),
      mend: [EMFILE, ENFILE].contains(error)
        ? "ulimit -n more" : "a guest needs 512 MiB of memory, and its initramfs up to 100 MiB besides")
  }
}
