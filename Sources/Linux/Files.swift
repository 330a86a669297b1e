import Glibc
import SystemPackage

/// Small whole files, as `/proc` has them.
enum Files {
  static func read(_ path: String) throws(Errno) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .current }
    defer { close(descriptor) }
    return String(decoding: try readAll(descriptor), as: UTF8.self)
  }

  /// One write(2): a sysctl takes its value whole.
  static func write(_ text: String, to path: String) throws(Errno) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .current }
    defer { close(descriptor) }
    guard Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count else { throw .current }
  }

  /// From the descriptor's position to the end.
  static func readAll(_ descriptor: Int32) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    let size = 16384
    while true {
      var failed: Errno?
      let chunk = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
        var count: Int
        repeat { count = Glibc.read(descriptor, buffer.baseAddress, size) } while count < 0 && errno == EINTR
        if count < 0 { failed = .current }
        filled = max(0, count)
      }
      if let failed { throw failed }
      if chunk.isEmpty { return bytes }
      bytes += chunk
    }
  }
}

extension Errno {
  static var current: Errno { Errno(rawValue: errno) }
}
