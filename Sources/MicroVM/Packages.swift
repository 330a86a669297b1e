import Foundation
import Model

/// Gets kernels out of packages: Debian's by apt, any other's from files.
public struct Packages: Sendable {
  private let store: KernelStore
  /// Seconds for each call of apt.
  private let deadline: Int

  /// - Parameter deadline: seconds for each call of apt: a kernel has 100 MB.
  public init(store: KernelStore, deadline: Int = 600) {
    self.store = store
    self.deadline = deadline
  }

  /// Fetches a Debian kernel with apt, from the mirror and by the keys that this machine already uses.
  ///
  /// - Parameters:
  ///   - mirror: nil takes the one in apt's own sources.
  ///   - progress: what happens, one line each.
  public func fetch(
    _ known: KnownKernel, mirror: String?, progress: @Sendable (String) async -> Void
  ) async throws -> StoredKernel {
    let scratch = try store.scratch()
    defer { scratch.remove() }
    let (apt, names, unreachable) = try await index(
      of: known, mirror: mirror, in: scratch, progress: progress)
    guard let image = names.first else {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "\(known.package) names no image",
        mend: unreachable)
    }
    await progress("\(known.name): downloading \(names.joined(separator: ", "))")
    let packages = try await apt.download(names, mend: unreachable)
    await progress("\(known.name): unpacking")
    let version = packages.first { $0.contains(image) }?.split(separator: "_").dropFirst().first ?? ""
    return try await add(
      name: try KernelName(known.name), packages: packages, source: "\(image) \(version)", in: scratch)
  }

  /// The version of a Debian kernel that apt would fetch: `6.1.176-1`. Reads the index of its suite, and nothing else.
  public func version(
    of known: KnownKernel, mirror: String? = nil, progress: @Sendable (String) async -> Void
  ) async throws -> KernelVersion? {
    let scratch = try store.scratch()
    defer { scratch.remove() }
    let (apt, names, unreachable) = try await index(
      of: known, mirror: mirror, in: scratch, progress: progress)
    guard let image = names.first else { return nil }
    return try await apt.version(of: image, mend: unreachable).map(KernelVersion.init)
  }

  /// Reads the index of a suite, and which packages a kernel is made of there; with what is said where that fails.
  private func index(
    of known: KnownKernel, mirror: String?, in scratch: ScratchFolder,
    progress: @Sendable (String) async -> Void
  ) async throws -> (apt: Apt, names: [String], mend: String) {
    guard Command.exists("apt-get") else {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "no apt-get on this machine",
        mend: "pawslab kernels add \(known.name) --deb FILE")
    }
    guard Command.exists("dpkg-deb") else {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "no dpkg-deb on this machine",
        mend: Command.mend("dpkg-deb"))
    }
    let site: String
    if let mirror { site = try Self.checked(mirror) } else { site = try await Apt.ownMirror(deadline) }
    let apt = try await Apt(
      in: scratch.url, site: site, suite: known.suite, isCurrent: known.current, deadline: deadline)

    await progress("\(known.name): reading the index of \(known.suite)")
    let unreachable =
      known.current
      ? "is the mirror of this machine's apt reachable, and signed by Debian? apt-get update says more"
      : "\(known.suite) is past: name an archive of old releases with --mirror URL"
    try await apt.update(mend: unreachable)
    let names = try await apt.kernelPackages(of: known.package, mend: unreachable)
    return (apt, names, unreachable)
  }

  private static func checked(_ mirror: String) throws -> String {
    let isURL = mirror.utf8.allSatisfy { (0x21...0x7e).contains($0) && !"[]\"#".utf8.contains($0) }
    guard isURL, ["http://", "https://", "file:///"].contains(where: mirror.hasPrefix) else {
      throw Failure(
        stage: "kernels fetch", object: "--mirror \(Files.printable(mirror))",
        cause: "not the address of a mirror",
        mend: "http://HOST/debian, or file:///FOLDER", isUsage: true)
    }
    return mirror
  }

  /// Makes an entry from package files: `.deb`s or `.rpm`s of one kernel.
  public func add(name: KernelName, packages: [String]) async throws -> StoredKernel {
    let files = packages.map { URL(fileURLWithPath: $0).lastPathComponent }
    let scratch = try store.scratch()
    defer { scratch.remove() }
    return try await add(
      name: name, packages: packages, source: Files.printable(files.joined(separator: " ")), in: scratch)
  }

  /// Makes an entry of this machine's own kernel, in the place of an older one.
  public func addRunning(release: String) async throws -> StoredKernel {
    guard Release.checked(release) != nil else {
      throw Failure(
        stage: "kernel", object: "running", cause: "its release is none: \(Files.printable(release))")
    }
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
      name: .running, image: URL(fileURLWithPath: image),
      modules: FileManager.default.fileExists(atPath: modules.path) ? modules : nil, source: image,
      release: release, replacing: .entry)
  }

  /// Where distributions put things: `boot/vmlinuz-RELEASE`, or `[usr/]lib/modules/RELEASE/vmlinuz`.
  private func add(name: KernelName, packages: [String], source: String, in scratch: ScratchFolder)
    async throws
    -> StoredKernel
  {
    let tree = scratch.url.appendingPathComponent("tree")
    try FileManager.default.createDirectory(at: tree, withIntermediateDirectories: true)
    var unpacked = PackageTree(tree)
    for package in packages { try unpacked.add(package: package) }
    try unpacked.resolveLinks()
    let files = FileManager.default
    func content(_ path: String) -> [String] {
      (try? files.contentsOfDirectory(atPath: tree.appendingPathComponent(path).path))?.sorted() ?? []
    }
    let folders = ["lib/modules", "usr/lib/modules"].flatMap { base in content(base).map { "\(base)/\($0)" } }
    let images =
      content("boot").map { "boot/\($0)" }
      + folders.map { "\($0)/vmlinuz" }.filter {
        files.fileExists(atPath: tree.appendingPathComponent($0).path)
      }
    guard let image = images.first else {
      throw Failure(
        stage: "kernels add", object: source.isEmpty ? "packages" : source,
        cause: "no boot/vmlinuz-* in the packages",
        mend: "name the package with the image too (linux-image-..., kernel-core-..., kernel-...)")
    }
    let releases = Set(folders.compactMap { $0.split(separator: "/").last.map(String.init) }).sorted()
    guard releases.count < 2 else {
      throw Failure(
        stage: "kernels add", object: source,
        cause: "packages of \(releases.count) kernels: \(Files.printable(releases.joined(separator: ", ")))",
        mend: "name the packages of one")
    }
    if let release = releases.first, Release.checked(release) == nil {
      throw Failure(
        stage: "kernels add", object: source, cause: "its release is none: \(Files.printable(release))",
        mend: "is it a package of a kernel?")
    }
    return try await store.add(
      name: name, image: tree.appendingPathComponent(image),
      modules: folders.isEmpty
        ? nil : tree.appendingPathComponent(folders[0].hasPrefix("usr") ? "usr/lib/modules" : "lib/modules"),
      source: source, release: releases.first)
  }
}
