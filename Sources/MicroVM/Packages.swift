import Foundation
import Model

/// Gets kernels out of packages: those of distributions that are known by name (`PackagesFetch`), any other's from files.
public struct Packages: Sendable {
  let store: KernelStore
  /// Seconds for each call of apt, and for each file.
  let deadline: Int

  /// - Parameter deadline: seconds for each call of apt, and for each file: a kernel has 100 MB.
  public init(store: KernelStore, deadline: Int = 600) {
    self.store = store
    self.deadline = deadline
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
  func add(name: KernelName, packages: [String], source: String, in scratch: ScratchFolder) async throws
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
