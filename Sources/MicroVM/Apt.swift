import Foundation
import Model

/// apt with a state of its own: its lists, cache and settings are private and go with their folder, nothing on the host
/// changes, and what is not signed by the distribution is refused, whatever this machine's own settings allow.
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
  ///   - keyrings: files with the keys that the archive is signed by.
  ///   - isCurrent: false where its Release file may be of a time that is over (`Valid-Until`).
  ///   - deadline: seconds for each call.
  init(
    in folder: URL, site: String, suites: [String], keyrings: [String], isCurrent: Bool, deadline: Int
  ) async throws {
    self.folder = folder.path
    self.deadline = deadline
    // In a line of apt's these mean something else (sources.list(5)).
    if let path = keyrings.first(where: { $0.contains { " ,[]\t\n\"#".contains($0) } }) {
      throw Failure(
        stage: "kernels fetch", object: Files.printable(path),
        cause: "apt cannot read keys from a path like that",
        mend: "set XDG_CACHE_HOME to a folder without spaces in its name")
    }
    for name in ["lists/partial", "cache/archives/partial"] {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    try Data().write(to: folder.appendingPathComponent("status"))
    let sources = suites.map { "deb [signed-by=\(keyrings.joined(separator: ","))] \(site) \($0) main\n" }
    try Data(sources.joined().utf8).write(to: folder.appendingPathComponent("sources.list"))
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
    line.wholeMatch(of: #/linux-(image|image-extra|binary|modules|modules-extra)-[0-9][a-z0-9+.\-]*/#) != nil
      && !line.contains("unsigned")
  }

  /// Downloads packages and returns their files. Their hashes are held against the signed index.
  func download(_ packages: [String], mend: String) async throws -> [String] {
    // apt-get download writes into the working folder.
    _ = try await command(["apt-get", "-qq", "download"] + packages).output(in: folder + "/cache", mend: mend)
    return try FileManager.default.contentsOfDirectory(atPath: folder + "/cache")
      .filter { $0.hasSuffix(".deb") }.map { "\(folder)/cache/\($0)" }.sorted()
  }

  /// The first mirror of a distribution among this machine's own sources; nil where there is none.
  static func ownMirror(of distribution: Distribution, _ deadline: Int) async throws -> String? {
    // The release's own: what only has its security updates has no kernel of it.
    var suites = Set(
      KnownKernel.all.filter { $0.distribution == distribution }.compactMap { known in
        if case .apt(let suites, _) = known.source, !suites[0].contains("-") { suites[0] } else { nil }
      })
    if distribution == .debian {
      suites.formUnion(["forky", "oldoldstable", "oldstable", "stable", "testing", "unstable"])
    }
    let lines = try await host(
      ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
      deadline
    ).lines()
    return lines.lazy.map { $0.split(separator: " ").map(String.init) }
      .first { $0.count == 3 && $0[2] == "main" && suites.contains($0[1]) }?[0]
  }
}
