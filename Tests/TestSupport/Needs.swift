import Foundation

/// What a test needs of the machine. Where it is missing a test is skipped, and says so; under `scripts/test`, which
/// installs all of it (`PAWSLAB_EVERY_TEST`), the test runs all the same and fails.
public enum Needs {
  /// Whether the test is to run: for `.enabled(if:)`.
  public static func met(_ condition: Bool) -> Bool { condition || everyTest }

  /// Set by `scripts/test` for root: nothing may be left out.
  public static let everyTest = ProcessInfo.processInfo.environment["PAWSLAB_EVERY_TEST"] != nil

  /// The path of a program, by the first of its names that is on PATH or in the folders of root's programs.
  public static func program(_ names: String...) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH", default: "/usr/bin"] + ":/usr/sbin:/sbin")
      .split(separator: ":")
    return names.lazy.flatMap { name in folders.map { "\($0)/\(name)" } }
      .first(where: FileManager.default.isExecutableFile)
  }
}
