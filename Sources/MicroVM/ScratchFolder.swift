import Foundation
import Scenario

/// Folders that belong to this process: their names end in its pid, and those of processes that are gone are removed
/// when the next one is made.
enum ScratchFolder {
  /// Makes an empty folder `PREFIXname-PID` in a folder.
  static func make(_ name: String, in folder: URL, prefix: String, stage: String) throws -> URL {
    let files = FileManager.default
    do {
      try files.createDirectory(at: folder, withIntermediateDirectories: true)
      for other in try files.contentsOfDirectory(atPath: folder.path) where other.hasPrefix(prefix) {
        let pid = other.split(separator: "-").last.flatMap { Int32($0) } ?? 0
        if kill(pid, 0) != 0, errno == ESRCH {
          try? files.removeItem(at: folder.appendingPathComponent(other))
        }
      }
      let made = folder.appendingPathComponent("\(prefix)\(name)-\(getpid())")
      try? files.removeItem(at: made)
      try files.createDirectory(at: made, withIntermediateDirectories: true)
      return made
    } catch {
      throw Failure(
        stage: stage, object: folder.path, cause: error.localizedDescription,
        mend: "set XDG_CACHE_HOME to a folder that can be written")
    }
  }
}
