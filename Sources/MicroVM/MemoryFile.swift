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

  /// One of so many bytes, all zero, which take no memory until they are written to.
  convenience init(_ name: String, size: Int) throws {
    try self.init(name)
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw Self.failure(name, "ftruncate", errno) }
  }

  /// One with that content.
  convenience init(_ name: String, _ content: Data) throws {
    try self.init(name)
    try write(content, at: 0, of: name)
  }

  /// Writes there, growing it where need be.
  func write(_ content: some ContiguousBytes, at offset: Int, of name: String) throws {
    let error = content.withUnsafeBytes { bytes -> Int32 in
      var at = 0
      while at < bytes.count {
        let count = pwrite(
          descriptor, bytes.baseAddress.map { $0 + at }, bytes.count - at, off_t(offset + at))
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

  /// What it holds now, as text.
  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// What it holds now; empty where it cannot be read.
  var bytes: [UInt8] {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size > 0 else { return [] }
    return read(at: 0, count: Int(status.st_size))
  }

  /// So many of its bytes from there on; fewer at its end.
  func read(at offset: Int, count wanted: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
      while count < wanted {
        let now = pread(
          descriptor, buffer.baseAddress.map { $0 + count }, wanted - count, off_t(offset + count))
        if now < 0, errno == EINTR { continue }
        guard now > 0 else { break }
        count += now
      }
    }
  }

  // lseek(2); not in Swift's Glibc.
  private static let (data, hole): (Int32, Int32) = (3, 4)

  /// The parts of it that have been written to, in order: SEEK_DATA.
  var extents: [Range<Int>] {
    var found: [Range<Int>] = []
    var at: off_t = 0
    while case let begin = lseek(descriptor, at, Self.data), begin >= 0 {
      let end = lseek(descriptor, begin, Self.hole)
      guard end > begin else { break }
      found.append(Int(begin)..<Int(end))
      at = end
    }
    return found
  }

  /// Makes it unchangeable, for us and for everybody who opens it.
  func seal(_ name: String) throws {
    let result = clinux_seal(descriptor)
    guard result == 0 else { throw Self.failure(name, "fcntl F_ADD_SEALS", -result) }
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
