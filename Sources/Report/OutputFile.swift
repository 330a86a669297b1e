import Foundation
import Model

/// A file that a user names for what is written once: `--output`.
public enum OutputFile {
  /// Writes a text, whole or not at all, through a link to where it leads; a device or a pipe is written to, and
  /// never replaced.
  ///
  /// - Throws: `Failure`, a mistake in usage, with the kernel's words.
  public static func write(_ text: String, to path: String, option: String) throws(Failure) {
    func refused(_ cause: String) -> Failure {
      Failure(
        stage: option, object: path.isEmpty ? "\"\"" : path, cause: cause,
        mend: "name a file that can be written", isUsage: true)
    }
    guard !path.isEmpty else { throw refused("no name") }
    var status = stat()
    let isThere = stat(path, &status) == 0
    if isThere, status.st_mode & S_IFMT != S_IFREG {
      let file = open(path, O_WRONLY | O_CLOEXEC)
      guard file >= 0 else { throw refused(Beneath.errorText()) }
      let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
      do { try handle.write(contentsOf: Data(text.utf8)) } catch { throw refused("it takes no more") }
      return
    }
    let target = isThere ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
    let name = (target as NSString).lastPathComponent
    let above = (target as NSString).deletingLastPathComponent
    do { try Beneath(above.isEmpty ? "." : above).write(Data(text.utf8), to: name) } catch {
      throw refused((error as? Failure)?.cause ?? "\(error)")
    }
  }
}
