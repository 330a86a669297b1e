import Foundation
import Scenario
import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Programs that fetching and unpacking are left to: apt, dpkg-deb, bsdtar, xz.
struct Command: Sendable {
  /// The program, found on PATH or in /usr/sbin and /sbin, then its arguments.
  let words: [String]

  init(_ words: String...) { self.words = words }
  init(_ words: [String]) { self.words = words }

  /// Whether the program is there.
  static func exists(_ name: String) -> Bool { path(name) != nil }

  /// Where a program is.
  static func path(_ name: String) -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH", default: "/usr/bin:/bin"] + ":/usr/sbin:/sbin"
    return folders.split(separator: ":").map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// Runs it to its end and returns what it printed.
  /// - Throws: `Failure` with its own words where it cannot be started or fails.
  ///
  /// - Parameter folder: where it works; nil is ours.
  func output(in folder: String? = nil, mend: String? = nil, limit: Int = 256 << 20) async throws -> Data {
    guard let program = Self.path(words[0]) else {
      throw Failure(stage: "start", object: words[0], cause: "not found", mend: mend)
    }
    var options = PlatformOptions()
    options.teardownSequence = []
    let result = try await Subprocess.run(
      .path(FilePath(program)), arguments: Arguments(Array(words.dropFirst())),
      environment: .inherit.updating(["LC_ALL": "C"]), workingDirectory: folder.map { FilePath($0) },
      platformOptions: options,
      output: .bytes(limit: limit), error: .string(limit: 1 << 20))
    guard result.terminationStatus.isSuccess else {
      let said = result.standardError.split(separator: "\n").suffix(3).joined(separator: "; ")
      throw Failure(
        stage: words.prefix(2).joined(separator: " "), object: words.last ?? "",
        cause: said.isEmpty ? "\(result.terminationStatus)" : said, mend: mend)
    }
    return Data(result.standardOutput)
  }

  /// Its output as lines.
  func lines(mend: String? = nil) async throws -> [String] {
    String(decoding: try await output(mend: mend), as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
