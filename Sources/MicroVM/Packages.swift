import Foundation
import Scenario

/// A Debian release whose kernel can be fetched by name.
public struct KnownKernel: Sendable {
  /// What `--kernel` calls it.
  public let name: String
  /// The suite in the archive.
  let suite: String
  /// The meta package of its kernel.
  let package: String
  /// Whether the mirrors still have it; others need `--mirror` with an archive.
  public let current: Bool

  /// The cloud flavour where there is one: small, and it boots anywhere.
  public static let all: [KnownKernel] = [
    KnownKernel(name: "debian-8", suite: "jessie", package: "linux-image-amd64", current: false),
    KnownKernel(name: "debian-9", suite: "stretch", package: "linux-image-amd64", current: false),
    KnownKernel(name: "debian-10", suite: "buster", package: "linux-image-cloud-amd64", current: false),
    KnownKernel(name: "debian-11", suite: "bullseye", package: "linux-image-cloud-amd64", current: true),
    KnownKernel(name: "debian-12", suite: "bookworm", package: "linux-image-cloud-amd64", current: true),
    KnownKernel(name: "debian-13", suite: "trixie", package: "linux-image-cloud-amd64", current: true),
    KnownKernel(name: "debian-sid", suite: "sid", package: "linux-image-cloud-amd64", current: true),
  ]

  /// The release of that name.
  public static func named(_ name: String) -> KnownKernel? { all.first { $0.name == name } }
}

/// Gets kernels out of packages: Debian's by apt, any other's from files.
public struct Packages: Sendable {
  private let store: KernelStore

  public init(store: KernelStore) { self.store = store }

  /// Fetches a Debian kernel with apt, from the mirror and by the keys that this machine already uses.
  ///
  /// apt's state, lists and cache are private to the fetch and go with it; nothing on the host changes, and
  /// signatures are checked.
  ///
  /// - Parameters:
  ///   - mirror: nil takes the one in apt's own sources.
  ///   - progress: what happens, one line each.
  public func fetch(
    _ known: KnownKernel, mirror: String?, progress: @Sendable (String) async -> Void
  ) async throws -> StoredKernel {
    guard Command.exists("apt-get") else {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "no apt-get on this machine",
        mend: "pawslab kernels add \(known.name) --deb FILE")
    }
    if let mirror, !["http://", "https://", "file:///"].contains(where: mirror.hasPrefix) {
      throw Failure(
        stage: "kernels fetch", object: "--mirror \(mirror)", cause: "not the address of a mirror",
        mend: "http://HOST/debian, or file:///FOLDER")
    }
    let site: String
    if let mirror { site = mirror } else { site = try await ownMirror() }
    let keyrings = [
      "debian-archive-keyring.gpg", "debian-archive-keyring.pgp", "debian-archive-removed-keys.gpg",
      "debian-archive-removed-keys.pgp",
    ].map { "/usr/share/keyrings/\($0)" }.filter { FileManager.default.fileExists(atPath: $0) }
    guard !keyrings.isEmpty else {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "no Debian archive keyring",
        mend: "apt-get install debian-archive-keyring")
    }
    let scratch = try store.scratch(for: "apt-\(known.name)")
    defer { try? FileManager.default.removeItem(at: scratch) }
    for folder in ["lists/partial", "cache/archives/partial", "tree"] {
      try FileManager.default.createDirectory(
        at: scratch.appendingPathComponent(folder), withIntermediateDirectories: true)
    }
    try Data().write(to: scratch.appendingPathComponent("status"))
    try Data("deb [signed-by=\(keyrings.joined(separator: ","))] \(site) \(known.suite) main\n".utf8)
      .write(to: scratch.appendingPathComponent("sources.list"))
    let path = scratch.path
    let options = [
      "Dir::State=\(path)", "Dir::State::lists=\(path)/lists", "Dir::State::status=\(path)/status",
      "Dir::Cache=\(path)/cache", "Dir::Etc::sourcelist=\(path)/sources.list",
      "Dir::Etc::sourceparts=/dev/null",
      "Dir::Etc::preferencesparts=/dev/null", "Acquire::Languages=none", "Debug::NoLocking=1",
      "APT::Sandbox::User=", "Acquire::Check-Valid-Until=\(known.current)", "Acquire::Retries=2",
      "APT::Architecture=amd64", "APT::Architectures::=amd64",
    ].flatMap { ["-o", $0] }

    await progress("\(known.name): reading the index of \(known.suite)")
    let unreachable =
      known.current
      ? "is the mirror of this machine's apt reachable? apt-get update says more"
      : "\(known.suite) is past: name an archive of old releases with --mirror URL"
    // apt-get update forgives a mirror that cannot be reached; an index that is not there it does not have.
    _ = try await Command(["apt-get"] + options + ["-qq", "--error-on=any", "update"]).output(
      mend: unreachable)
    let names = try await Command(
      ["apt-cache"] + options + ["depends", "--recurse", "--important", known.package]
    )
    .lines(mend: unreachable)
    .filter { name in
      name.prefixMatch(of: #/linux-(image|binary|modules)-[0-9]/#) != nil && !name.contains("unsigned")
    }
    guard let image = names.first else {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "\(known.package) names no image",
        mend: unreachable)
    }
    // apt-get download writes into the working folder.
    await progress("\(known.name): downloading \(names.joined(separator: ", "))")
    _ = try await Command(
      ["apt-get"] + options + ["-qq", "download"] + names
    ).output(in: path + "/cache", mend: unreachable)
    let packages = try FileManager.default.contentsOfDirectory(atPath: path + "/cache")
      .filter { $0.hasSuffix(".deb") }.map { "\(path)/cache/\($0)" }.sorted()
    await progress("\(known.name): unpacking")
    let tree = scratch.appendingPathComponent("tree")
    for package in packages { try await unpack(package, into: tree) }
    let version = packages.first { $0.contains(image) }?.split(separator: "_").dropFirst().first ?? ""
    return try await add(name: known.name, tree: tree, source: "\(image) \(version)")
  }

  /// Makes an entry from package files: `.deb`s or `.rpm`s of one kernel.
  public func add(name: String, packages: [String]) async throws -> StoredKernel {
    let scratch = try store.scratch(for: "unpack-\(name)")
    defer { try? FileManager.default.removeItem(at: scratch) }
    for package in packages { try await unpack(package, into: scratch) }
    let files = packages.map { URL(fileURLWithPath: $0).lastPathComponent }
    return try await add(name: name, tree: scratch, source: files.joined(separator: " "))
  }

  /// Makes an entry of this machine's own kernel.
  public func addRunning(release: String) async throws -> StoredKernel {
    let image = ["/boot/vmlinuz-\(release)", "/lib/modules/\(release)/vmlinuz"]
      .first { FileManager.default.isReadableFile(atPath: $0) }
    guard let image else {
      throw Failure(
        stage: "kernel", object: "running",
        cause: "/boot/vmlinuz-\(release) is not there or cannot be read",
        mend: "run as root, or pawslab kernels add NAME --image FILE --modules DIR")
    }
    let modules = URL(fileURLWithPath: "/lib/modules/\(release)")
    return try await store.add(
      name: "running", image: URL(fileURLWithPath: image),
      modules: FileManager.default.fileExists(atPath: modules.path) ? modules : nil, source: image,
      release: release)
  }

  private func unpack(_ package: String, into folder: URL) async throws {
    guard FileManager.default.isReadableFile(atPath: package) else {
      throw Failure(stage: "kernels add", object: package, cause: "cannot be read")
    }
    if package.hasSuffix(".deb"), Command.exists("dpkg-deb") {
      _ = try await Command("dpkg-deb", "-x", package, folder.path).output()
    } else {
      _ = try await Command("bsdtar", "-xf", package, "-C", folder.path)
        .output(mend: "apt-get install libarchive-tools")
    }
  }

  /// Where distributions put things: `boot/vmlinuz-RELEASE`, or `[usr/]lib/modules/RELEASE/vmlinuz`.
  private func add(name: String, tree: URL, source: String) async throws -> StoredKernel {
    let files = FileManager.default
    func content(_ path: String) -> [String] {
      (try? files.contentsOfDirectory(atPath: tree.appendingPathComponent(path).path))?.sorted() ?? []
    }
    let folders = ["lib/modules", "usr/lib/modules"].flatMap { base in content(base).map { "\(base)/\($0)" } }
    let images =
      content("boot").filter { $0.hasPrefix("vmlinuz-") }.map { "boot/\($0)" }
      + folders.map { "\($0)/vmlinuz" }.filter {
        files.fileExists(atPath: tree.appendingPathComponent($0).path)
      }
    guard let image = images.first else {
      throw Failure(
        stage: "kernels add", object: source, cause: "no boot/vmlinuz-* in the packages",
        mend: "name the package with the image too (linux-image-..., kernel-core-..., kernel-...)")
    }
    let release = folders.first?.split(separator: "/").last.map(String.init)
    return try await store.add(
      name: name, image: tree.appendingPathComponent(image),
      modules: folders.isEmpty
        ? nil : tree.appendingPathComponent(folders[0].hasPrefix("usr") ? "usr/lib/modules" : "lib/modules"),
      source: source, release: release)
  }

  /// The first Debian mirror among apt's own sources.
  private func ownMirror() async throws -> String {
    let suites = [
      "bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing",
      "unstable",
    ]
    let lines = try await Command(
      "apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"
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
