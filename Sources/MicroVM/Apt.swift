import Foundation
import Model

/// apt with a state of its own: its lists, cache and settings are private and go with their folder, nothing on the host
/// changes, and what is not signed by Debian is refused, whatever this machine's own settings allow.
struct Apt {
  private let folder: String
  private let deadline: Int

  /// Settings of this machine that are taken over: how the mirror is reached. Nothing that says what is trusted, and
  /// no program that apt would run.
  private static let inherited = [
    "Acquire::http::", "Acquire::https::", "Acquire::ForceIPv4", "Acquire::ForceIPv6",
  ]

  /// - Parameters:
  ///   - folder: an empty one, for all that apt writes.
  ///   - deadline: seconds for each call.
  init(in folder: URL, site: String, suite: String, isCurrent: Bool, deadline: Int) async throws {
    self.folder = folder.path
    self.deadline = deadline
    let keyrings = [
      "debian-archive-keyring.gpg", "debian-archive-keyring.pgp", "debian-archive-removed-keys.gpg",
      "debian-archive-removed-keys.pgp",
    ].map { "/usr/share/keyrings/\($0)" }.filter { FileManager.default.fileExists(atPath: $0) }
    guard !keyrings.isEmpty else {
      throw Failure(
        stage: "kernels fetch", object: suite, cause: "no Debian archive keyring",
        mend: "apt-get install debian-archive-keyring")
    }
    for name in ["lists/partial", "cache/archives/partial"] {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    try Data().write(to: folder.appendingPathComponent("status"))
    try Data("deb [signed-by=\(keyrings.joined(separator: ","))] \(site) \(suite) main\n".utf8)
      .write(to: folder.appendingPathComponent("sources.list"))
    let own = try await Self.host(["apt-config", "dump"], deadline).lines()
      .filter { line in Self.inherited.contains { line.hasPrefix($0) } }
    let lines = own + Self.settings(folder.path, isCurrent: isCurrent).map { "\($0) \"\($1)\";" }
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: folder.appendingPathComponent("apt.conf"))
  }

  /// A command of apt's with this machine's settings. A caller's `APT_CONFIG` is not this machine's.
  static func host(_ words: [String], _ deadline: Int) -> Command {
    var command = Command(words)
    command.environment["APT_CONFIG"] = .some(nil)
    command.deadline = deadline
    return command
  }

  /// apt.conf(5): everything that decides what is trusted is said here, and this file is read alone.
  private static func settings(_ path: String, isCurrent: Bool) -> [(String, String)] {
    [
      ("Dir::Etc::main", "/dev/null"), ("Dir::Etc::parts", "/dev/null"),
      ("Dir::State", path), ("Dir::State::lists", "\(path)/lists"), ("Dir::State::status", "\(path)/status"),
      ("Dir::Cache", "\(path)/cache"), ("Dir::Etc::sourcelist", "\(path)/sources.list"),
      ("Dir::Etc::sourceparts", "/dev/null"), ("Dir::Etc::preferences", "/dev/null"),
      ("Dir::Etc::preferencesparts", "/dev/null"), ("Dir::Etc::trusted", "/dev/null"),
      ("Dir::Etc::trustedparts", "/dev/null"), ("Debug::NoLocking", "true"),
      ("APT::Get::AllowUnauthenticated", "false"), ("Acquire::AllowInsecureRepositories", "false"),
      ("Acquire::AllowWeakRepositories", "false"), ("Acquire::AllowDowngradeToInsecureRepositories", "false"),
      ("Acquire::AllowReleaseInfoChange", "false"), ("Acquire::Check-Valid-Until", "\(isCurrent)"),
      ("Acquire::Check-Date", "true"), ("Acquire::Languages", "none"), ("Acquire::Retries", "2"),
      ("Acquire::http::Timeout", "30"), ("Acquire::https::Timeout", "30"), ("APT::Sandbox::User", ""),
      ("APT::Architecture", "amd64"), ("APT::Architectures", "amd64"), ("APT::Install-Recommends", "false"),
    ]
  }

  private func command(_ words: [String]) -> Command {
    var command = Command(words)
    command.environment["APT_CONFIG"] = "\(folder)/apt.conf"
    command.deadline = deadline
    return command
  }

  /// Reads the suite's index. `apt-get update` forgives a mirror that cannot be reached; an index that is not there it
  /// does not have.
  func update(mend: String) async throws {
    do { _ = try await command(["apt-get", "-qq", "--error-on=any", "update"]).output(mend: mend) } catch var
      failure as Failure
    {
      failure.mend = Self.mend(of: failure.cause) ?? mend
      throw failure
    }
  }

  /// Where apt's words say that the mirror was reached, and its index is signed and not of this time (`Valid-Until` and
  /// `Date` of its Release file).
  static func mend(of cause: String) -> String? {
    if cause.contains("is expired") {
      return
        "the mirror has not been brought up to date for that long, or this machine's clock is ahead: name another with --mirror URL"
    }
    return cause.contains("is not valid yet") ? "this machine's clock is behind: set it" : nil
  }

  /// The packages of images and modules that a meta package stands for.
  func kernelPackages(of package: String, mend: String) async throws -> [String] {
    try await command(["apt-cache", "depends", "--recurse", "--important", package]).lines(mend: mend)
      .filter(Self.isKernelPackage)
  }

  /// The version of a package in the index; nil where it has none.
  func version(of package: String, mend: String) async throws -> String? {
    try await command(["apt-cache", "show", "--no-all-versions", package]).lines(mend: mend)
      .first { $0.hasPrefix("Version: ") }.map { String($0.dropFirst("Version: ".count)) }
  }

  /// A line of what depends on what that names an image or its modules, and is a package's name (deb-control(5)).
  static func isKernelPackage(_ line: String) -> Bool {
    line.wholeMatch(of: #/linux-(image|binary|modules)-[0-9][a-z0-9+.\-]*/#) != nil
      && !line.contains("unsigned")
  }

  /// Downloads packages and returns their files. Their hashes are held against the signed index.
  func download(_ packages: [String], mend: String) async throws -> [String] {
    // apt-get download writes into the working folder.
    _ = try await command(["apt-get", "-qq", "download"] + packages).output(in: folder + "/cache", mend: mend)
    return try FileManager.default.contentsOfDirectory(atPath: folder + "/cache")
      .filter { $0.hasSuffix(".deb") }.map { "\(folder)/cache/\($0)" }.sorted()
  }

  /// The first Debian mirror among this machine's own sources.
  static func ownMirror(_ deadline: Int) async throws -> String {
    let suites = [
      "bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing",
      "unstable",
    ]
    let lines = try await host(
      ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
      deadline
    ).lines()
    for line in lines {
      let words = line.split(separator: " ").map(String.init)
      if words.count == 3, words[2] == "main", suites.contains(words[1]) { return words[0] }
    }
    throw Failure(
      stage: "kernels fetch", object: "apt's sources", cause: "no Debian mirror among them",
      mend: "name one with --mirror URL")
  }
}
