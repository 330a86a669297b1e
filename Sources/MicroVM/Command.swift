import Foundation
import Model
import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Programs that work with our rights: apt, ldd, sha256sum. What strangers made is for ``Unpacker``.
struct Command: Sendable {
  /// The program, found on PATH or in /usr/sbin and /sbin, then its arguments.
  let words: [String]
  /// Seconds after which it is ended.
  var deadline = 300
  /// What its environment has besides ours; nil takes a name away.
  var environment: [Environment.Key: String?] = ["LC_ALL": "C"]

  init(_ words: String...) { self.words = words }
  init(_ words: [String]) { self.words = words }

  /// Whether the program is there.
  static func exists(_ name: String) -> Bool { path(name) != nil }

  /// Where a program is.
  static func path(_ name: String) -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH", default: "/usr/bin:/bin"] + ":/usr/sbin:/sbin"
    return folders.split(separator: ":").map { "\($0)/\(name)" }
      .first { $0.hasPrefix("/") && FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// How a program that is not there can be had.
  static func mend(_ name: String) -> String {
    let packages = [
      "bsdtar": "libarchive-tools", "dpkg-deb": "dpkg", "xz": "xz-utils", "apt-get": "apt",
      "apt-cache": "apt",
      "ldd": "libc-bin", "sha256sum": "coreutils",
    ]
    return "apt-get install \(packages[name] ?? name)"
  }

  /// Runs it to its end and returns what it printed.
  /// - Throws: `Failure` with its own words where it cannot be started, fails, or is not done in time.
  ///
  /// - Parameter folder: where it works; nil is ours.
  func output(in folder: String? = nil, mend: String? = nil, limit: Int = 64 << 20) async throws -> Data {
    try await withThrowingTaskGroup(of: Data?.self) { group in
      group.addTask { try await finished(in: folder, mend: mend, limit: limit) }
      group.addTask {
        try await Task.sleep(for: .seconds(deadline))
        return nil
      }
      // Whoever is not done is ended (SIGKILL), and waited for.
      defer { group.cancelAll() }
      guard let output = try await group.next() ?? nil else {
        throw failure("not done within \(deadline) s, and ended", mend)
      }
      return output
    }
  }

  private func failure(_ cause: String, _ mend: String?) -> Failure {
    let said = words.dropFirst().filter { !$0.hasPrefix("-") }.joined(separator: " ")
    return Failure(
      stage: words[0], object: Files.printable(said), cause: cause, mend: mend)
  }

  private func finished(in folder: String?, mend: String?, limit: Int) async throws -> Data {
    guard let program = Self.path(words[0]) else {
      throw Failure(
        stage: "start", object: words[0], cause: "there is no \(words[0]) on this machine",
        mend: Self.mend(words[0]))
    }
    var options = PlatformOptions()
    options.teardownSequence = []
    let turn = try await SpawnGate.shared.enter()
    defer { turn.leave() }
    do {
      let result = try await Subprocess.run(
        .path(FilePath(program)), arguments: Arguments(Array(words.dropFirst())),
        environment: .inherit.updating(environment), workingDirectory: folder.map { FilePath($0) },
        platformOptions: options, input: .none,
        output: .bytes(limit: limit), error: .string(limit: 1 << 20)
      ) { _ in turn.leave() }
      guard result.terminationStatus.isSuccess else {
        let said = result.standardError.split(separator: "\n").suffix(3).joined(separator: "; ")
        throw failure(said.isEmpty ? "\(result.terminationStatus)" : Files.printable(said), mend)
      }
      return Data(result.standardOutput)
    } catch let error as SubprocessError {
      try Task.checkCancellation()
      throw failure("\(error)", mend)
    }
  }

  /// Its output as lines.
  func lines(mend: String? = nil) async throws -> [String] {
    String(decoding: try await output(mend: mend), as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
