import Foundation
import Glibc
import Model

/// Keeps a second run out of a folder for as long as this one lives: a lock of an open file description (fcntl(2),
/// `F_OFD_SETLK`) on `.lock`, which ends with the process however that ends, and which can be asked for without
/// being taken.
final class FolderLock: Sendable {
  /// The file; what it says is only for people.
  static let name = ".lock"

  /// `F_OFD_GETLK` and `F_OFD_SETLK` (include/uapi/asm-generic/fcntl.h), macros that Swift does not see.
  private static let (get, set): (Int32, Int32) = (36, 37)

  private let file: Int32
  private let folder: Beneath

  /// Takes the folder.
  ///
  /// - Throws: `Failure`, a mistake in usage, where another run has it.
  init(_ folder: Beneath) throws(Failure) {
    self.folder = folder
    while true {
      let file = folder.openTop(Self.name, O_RDWR | O_CREAT)
      guard file >= 0 else {
        throw Failure(
          stage: "--out", object: folder.path, cause: "\(folder.shown(Self.name)): \(Beneath.errorText())",
          mend: "name a folder that can be written", isUsage: true)
      }
      var wanted = Self.whole(F_WRLCK)
      guard fcntl(file, Self.set, &wanted) == 0 else {
        let number = errno
        let holder = Self.holder(file)
        close(file)
        guard [EAGAIN, EACCES].contains(number) else {
          throw Failure(
            stage: "--out", object: folder.path, cause: "cannot be locked: \(Beneath.errorText(number))",
            mend: "name a folder on another file system", isUsage: true)
        }
        throw Failure(
          stage: "--out", object: folder.path, cause: "a run is writing there now\(holder)",
          mend: "wait for its end, or name another folder", isUsage: true)
      }
      // The one that had it may have taken the file away meanwhile.
      guard folder.isTop(Self.name, file) else {
        close(file)
        continue
      }
      ftruncate(file, 0)
      let text = Array("\(getpid())\n".utf8)
      _ = Glibc.write(file, text, text.count)
      self.file = file
      return
    }
  }

  deinit {
    try? folder.remove(Self.name)
    close(file)
  }

  /// Who is writing to a folder: ` (process 4711)`; nil where nobody is.
  static func user(of folder: Beneath) -> String? {
    let file = folder.openTop(name, O_RDONLY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var asked = whole(F_WRLCK)
    guard fcntl(file, get, &asked) == 0, asked.l_type != F_UNLCK else { return nil }
    return holder(file)
  }

  private static func whole(_ type: Int32) -> flock {
    var lock = flock()
    lock.l_type = Int16(type)
    lock.l_whence = Int16(SEEK_SET)
    return lock
  }

  private static func holder(_ file: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 16)
    let count = pread(file, &buffer, buffer.count, 0)
    let digits = buffer.prefix(max(0, count)).prefix { (48...57).contains($0) }
    return digits.isEmpty ? "" : " (process \(String(decoding: digits, as: UTF8.self)))"
  }
}
