import Foundation
import Model
import Synchronization

/// A folder that goes with the instance, or with the next command that uses the cache where we were killed.
///
/// It is held by a lock on a file in it, which ends with the process: two containers that share a cache cannot see each
/// other's processes, but each other's locks.
final class ScratchFolder: Sendable {
  let url: URL
  private let lock: Int32
  private let isRemoved = Mutex(false)

  private static let prefix = ".partial-"
  private static let lockName = "lock"

  /// Makes an empty one in a folder, under a name that nobody else has (mkdtemp(3)).
  init(in folder: URL, stage: String) throws {
    do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
      throw Self.failure(stage, folder, Files.words(error))
    }
    let guarded = try FolderLock(folder, stage: stage)
    defer { guarded.unlock() }
    var template = Array("\(folder.path)/\(Self.prefix)XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Self.failure(stage, folder, Files.words(errno: errno)) }
    // What is made in it is read by programs that are somebody else.
    chmod(template, 0o755)
    url = URL(
      fileURLWithPath: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    lock = open(url.appendingPathComponent(Self.lockName).path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let words = Files.words(errno: errno)
      try? FileManager.default.removeItem(at: url)
      if lock >= 0 { close(lock) }
      throw Self.failure(stage, folder, words)
    }
  }

  deinit { remove() }

  /// Removes it with what is in it; a second time is nothing.
  func remove() {
    let wasRemoved = isRemoved.withLock { removed in
      defer { removed = true }
      return removed
    }
    guard !wasRemoved else { return }
    try? FileManager.default.removeItem(at: url)
    _ = flock(lock, LOCK_UN)
    close(lock)
  }

  /// Removes those in a folder whose processes are gone. What cannot be removed stays: it costs room and nothing else.
  static func sweep(_ folder: URL) {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path),
      names.contains(where: { $0.hasPrefix(prefix) }), let guarded = try? FolderLock(folder, stage: "")
    else { return }
    defer { guarded.unlock() }
    for name in names where name.hasPrefix(prefix) {
      let other = folder.appendingPathComponent(name)
      let lock = open(other.appendingPathComponent(lockName).path, O_RDWR | O_CLOEXEC)
      defer { if lock >= 0 { close(lock) } }
      // One without a file to lock was being made, or removed, when its process was killed: both hold our lock.
      if lock < 0 ? errno == ENOENT : flock(lock, LOCK_EX | LOCK_NB) == 0 {
        try? FileManager.default.removeItem(at: other)
      }
    }
  }

  private static func failure(_ stage: String, _ folder: URL, _ cause: String) -> Failure {
    Failure(
      stage: stage, object: folder.path, cause: cause,
      mend: "set XDG_CACHE_HOME to a folder that can be written")
  }
}

/// The right to change which entries a folder has: flock(2) on a file in it, which ends with the process.
struct FolderLock {
  private let descriptor: Int32

  /// Waits until whoever has it is done: that is milliseconds, or the removal of what was left.
  init(_ folder: URL, stage: String) throws {
    let path = folder.appendingPathComponent(".lock").path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw Failure(
        stage: stage, object: path, cause: Files.words(errno: errno),
        mend: "set XDG_CACHE_HOME to a folder that can be written")
    }
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else {
        let words = Files.words(errno: errno)
        close(descriptor)
        throw Failure(
          stage: stage, object: path, cause: words, mend: "set XDG_CACHE_HOME to a folder that can be locked")
      }
    }
  }

  func unlock() { close(descriptor) }
}
