import Foundation

/// The two programs and the lab's files where everybody may read them: this repository may be in a folder that only root
/// enters.
enum ProgramCopy {
  /// Where they are: `pawslab`, `pawslab-worker`, `lab`, and `cache`, in which anybody may write. Gone when the tests end.
  static let folder = Result {
    let folder = "/tmp/pawslab-copy-\(getpid())"
    let files = FileManager.default
    try? files.removeItem(atPath: folder)
    try files.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    for name in ["", "-worker"] {
      try files.copyItem(atPath: ProgramTests.program + name, toPath: "\(folder)/pawslab\(name)")
    }
    try files.copyItem(atPath: ProgramTests.repository + "/lab", toPath: "\(folder)/lab")
    try files.createDirectory(atPath: "\(folder)/cache", withIntermediateDirectories: false)
    for (name, mode) in [("", 0o755), ("/cache", 0o777)] {
      // Whatever the umask.
      try files.setAttributes([.posixPermissions: mode], ofItemAtPath: folder + name)
    }
    atexit { try? FileManager.default.removeItem(atPath: "/tmp/pawslab-copy-\(getpid())") }
    return folder
  }
}
