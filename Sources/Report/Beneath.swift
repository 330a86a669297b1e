import Foundation
import Glibc
import Model

/// A folder, and what is in it: no name leads out of it, and no link is followed below it.
///
/// Every step of a path is opened by itself with `O_NOFOLLOW` (openat(2)), so that neither a name in a file that
/// somebody sent nor a link that somebody put there makes the lab read or write anything else. The folder itself may
/// be reached by links: that path is the user's own.
final class Beneath: Sendable {
  /// As the user wrote it.
  let path: String
  private let root: Int32

  /// Opens a folder that is there.
  init(_ path: String) throws(Failure) {
    self.path = path
    root = open(path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard root >= 0, !path.isEmpty else {
      if root >= 0 { close(root) }
      throw Failure(
        stage: "open", object: path.isEmpty ? "\"\"" : path,
        cause: path.isEmpty ? "no name" : Self.errorText())
    }
  }

  deinit { close(root) }

  /// What went wrong in the words of strerror(3).
  static func errorText(_ number: Int32 = errno) -> String { String(cString: strerror(number)) }

  /// Path for messages.
  func shown(_ name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

  /// The parts of a relative name. Names that lead nowhere else by construction pass; all others are refused.
  static func parts(_ name: String) -> [String]? {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let isFine = parts.allSatisfy {
      !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255 && !$0.utf8.contains(0)
    }
    return isFine && parts.count <= 8 ? parts : nil
  }

  /// Opens the folder that a name lies in, and hands over that and the last part.
  private func inFolder<Answer>(
    of name: String, making: Bool = false, _ body: (Int32, String) throws(Failure) -> Answer
  ) throws(Failure) -> Answer {
    guard let parts = Self.parts(name), let last = parts.last else {
      throw Failure(stage: "open", object: shown(name), cause: "the name leads out of the folder")
    }
    var folder = root
    defer { if folder != root { close(folder) } }
    for part in parts.dropLast() {
      let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
      var next = openat(folder, part, flags)
      if next < 0, errno == ENOENT, making {
        if mkdirat(folder, part, 0o755) != 0, errno != EEXIST { throw failure("write", name) }
        next = openat(folder, part, flags)
      }
      if next < 0 { throw failure(making ? "write" : "read", name) }
      if folder != root { close(folder) }
      folder = next
    }
    return try body(folder, last)
  }

  private func failure(_ stage: String, _ name: String, _ number: Int32 = errno) -> Failure {
    // What ELOOP says of a last part that is a link, ENOTDIR says of one in the middle.
    let isLink = [ELOOP, ENOTDIR].contains(number)
    return Failure(
      stage: stage, object: shown(name),
      cause: isLink ? "a link, or no folder, where the lab keeps its own" : Self.errorText(number))
  }

  // MARK: reading

  /// The size of a regular file; nil where there is none.
  func size(of name: String) -> Int? {
    status(of: name).flatMap { $0.st_mode & S_IFMT == S_IFREG ? Int($0.st_size) : nil }
  }

  /// When a regular file was written last.
  func written(_ name: String) -> Date? {
    status(of: name).map { Date(timeIntervalSince1970: TimeInterval($0.st_mtim.tv_sec)) }
  }

  private func status(of name: String) -> stat? {
    try? inFolder(of: name) { folder, last throws(Failure) in
      var status = stat()
      guard fstatat(folder, last, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure("read", name) }
      return status
    }
  }

  /// Hands a regular file over piece by piece.
  ///
  /// - Parameter limit: bytes; a larger file is refused before anything is read.
  func read(_ name: String, limit: Int, _ body: (Data) throws -> Void) throws {
    let file = try inFolder(of: name) { folder, last throws(Failure) in
      // A FIFO that nobody writes to must not hold the lab up.
      let file = openat(folder, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard file >= 0 else { throw failure("read", name) }
      return file
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("read", name) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(stage: "read", object: shown(name), cause: "not a regular file")
    }
    guard status.st_size <= limit else {
      throw Failure(
        stage: "read", object: shown(name),
        cause: "\(status.st_size) bytes; no more than \(limit) are read of such a file")
    }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var total = 0
    while true {
      let count = Glibc.read(file, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure("read", name) }
      guard count > 0 else { return }
      total += count
      guard total <= limit else {
        throw Failure(stage: "read", object: shown(name), cause: "it grows while it is read")
      }
      try body(Data(buffer[..<count]))
    }
  }

  /// A whole regular file.
  func read(_ name: String, limit: Int) throws -> Data {
    var data = Data()
    try read(name, limit: limit) { data.append($0) }
    return data
  }

  /// What is in a folder, by name; empty where there is none. "" is the folder itself.
  func list(_ name: String = "") throws(Failure) -> [(name: String, isFolder: Bool)] {
    func names(_ descriptor: Int32) throws(Failure) -> [(name: String, isFolder: Bool)] {
      guard let stream = fdopendir(descriptor) else {
        close(descriptor)
        throw failure("read", name)
      }
      defer { closedir(stream) }
      var found: [(String, Bool)] = []
      while let entry = readdir(stream) {
        let text = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        guard text != ".", text != ".." else { continue }
        var status = stat()
        let isFolder =
          fstatat(dirfd(stream), text, &status, AT_SYMLINK_NOFOLLOW) == 0
          && status.st_mode & S_IFMT == S_IFDIR
        found.append((text, isFolder))
      }
      return found.sorted { $0.0 < $1.0 }
    }
    if name.isEmpty {
      let own = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard own >= 0 else { throw failure("read", ".") }
      return try names(own)
    }
    return try inFolder(of: name) { folder, last throws(Failure) in
      let own = openat(folder, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if own < 0, errno == ENOENT { return [] }
      guard own >= 0 else { throw failure("read", name) }
      return try names(own)
    }
  }

  // MARK: writing

  /// What a file is called while it is written.
  static let partial = ".partial"

  /// Writes a file, whole or not at all, and the folders above it.
  ///
  /// - Parameter body: is handed a function that writes piece after piece.
  func write(_ name: String, _ body: ((Data) throws(Failure) -> Void) throws -> Void) throws {
    try inFolder(of: name, making: true) { folder, last throws(Failure) in
      let partial = last + Self.partial
      // What is left of a run that was killed; were it a link, it is the link that goes.
      unlinkat(folder, partial, 0)
      let file = openat(folder, partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
      guard file >= 0 else { throw failure("write", name) }
      do {
        do {
          defer { close(file) }
          try body { data throws(Failure) in try self.write(data, to: file, name) }
        }
        guard renameat(folder, partial, folder, last) == 0 else { throw failure("write", name) }
      } catch {
        unlinkat(folder, partial, 0)
        throw error as? Failure ?? Failure(stage: "write", object: shown(name), cause: "\(error)")
      }
    }
  }

  /// Writes a file, whole or not at all.
  func write(_ data: Data, to name: String) throws {
    try write(name) { piece in try piece(data) }
  }

  private func write(_ data: Data, to file: Int32, _ name: String) throws(Failure) {
    var rest = data[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("write", name) }
      rest = rest.dropFirst(count)
    }
  }

  /// Adds to the end of a file, all or nothing: what would be half a line where the disk is full is taken back.
  func append(_ data: Data, to name: String) throws(Failure) {
    try inFolder(of: name, making: true) { folder, last throws(Failure) in
      let file = openat(folder, last, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o644)
      guard file >= 0 else { throw failure("write", name) }
      defer { close(file) }
      let before = lseek(file, 0, SEEK_END)
      do throws(Failure) { try write(data, to: file, name) } catch {
        if before >= 0 { ftruncate(file, before) }
        throw error
      }
    }
  }

  /// Opens a file at the top for ``FolderLock``.
  func openTop(_ name: String, _ flags: Int32) -> Int32 {
    openat(root, name, flags | O_NOFOLLOW | O_CLOEXEC, 0o644)
  }

  /// Whether a descriptor's file is still the one of this name.
  func isTop(_ name: String, _ file: Int32) -> Bool {
    var (own, there) = (stat(), stat())
    return fstat(file, &own) == 0 && fstatat(root, name, &there, AT_SYMLINK_NOFOLLOW) == 0
      && own.st_ino == there.st_ino && own.st_dev == there.st_dev
  }

  /// Takes a file away; none is none.
  func remove(_ name: String) throws(Failure) { try unlink(name, 0) }

  /// Takes an empty folder away; one that is not empty stays.
  func removeFolderIfEmpty(_ name: String) { try? unlink(name, AT_REMOVEDIR) }

  private func unlink(_ name: String, _ flags: Int32) throws(Failure) {
    guard status(of: name) != nil else { return }
    try inFolder(of: name) { folder, last throws(Failure) in
      if unlinkat(folder, last, flags) != 0, errno != ENOENT { throw failure("remove", name) }
    }
  }

  /// Moves what is called `name` below the folder `target`, under the same name.
  func move(_ name: String, into target: String) throws(Failure) {
    try inFolder(of: "\(target)/\(name)", making: true) { folder, last throws(Failure) in
      if renameat(root, name, folder, last) != 0, errno != ENOENT { throw failure("move", name) }
    }
  }
}
