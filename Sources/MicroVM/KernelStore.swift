import Foundation
import Scenario

/// A kernel that guests can boot: files in the cache, known by a name.
public struct StoredKernel: Codable, Sendable, Equatable {
  /// What `--kernel` calls it.
  public var name: String
  /// `uname -r`, as the image or its package says.
  public var release: String
  /// Where it came from, e.g. `linux-image-6.1.0-50-cloud-amd64 6.1.176-1`.
  public var source: String
  /// File below the entry's folder to its SHA-256.
  public var digests: [String: String]
  /// Bundle to the module files in the order of loading.
  public var bundles: [Bundle]
  /// Whether `vmlinux` can be started directly.
  public var pvh: Bool
  /// Of this format, and of the list of modules that were kept.
  public var version = StoredKernel.currentVersion

  static let currentVersion = 1

  /// Modules that are loaded together.
  public struct Bundle: Codable, Sendable, Equatable {
    public var name: String
    public var files: [String]
  }

  /// Names it by what its files hold.
  var digest: String { digests.sorted { $0.key < $1.key }.map(\.value).joined(separator: "+") }
}

/// The kernels in the cache: `$XDG_CACHE_HOME/pawslab/kernels/NAME`.
///
/// An entry is made in a folder of another name and renamed when it is whole, so an interrupted fetch leaves
/// nothing that could be taken for a kernel; what it does leave goes with the next fetch.
public struct KernelStore: Sendable {
  /// `$XDG_CACHE_HOME/pawslab`, else `~/.cache/pawslab`.
  public let root: URL

  /// The user's cache.
  public init() {
    let environment = ProcessInfo.processInfo.environment
    let cache =
      environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
      ?? (environment["HOME"] ?? "/root") + "/.cache"
    root = URL(fileURLWithPath: cache).appendingPathComponent("pawslab")
  }

  /// A cache of one's own.
  public init(root: URL) { self.root = root }

  private var kernels: URL { root.appendingPathComponent("kernels") }

  /// The folder of an entry.
  func folder(_ name: String) -> URL { kernels.appendingPathComponent(name) }

  /// Every entry, by name.
  public func all() -> [StoredKernel] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: kernels.path)) ?? []
    return names.filter { !$0.hasPrefix(".") }.sorted().compactMap(entry)
  }

  /// The entry of that name; nil where there is none or it was made by another version.
  public func entry(_ name: String) -> StoredKernel? {
    let file = folder(name).appendingPathComponent("manifest.json")
    guard let data = try? Data(contentsOf: file),
      let kernel = try? JSONDecoder().decode(StoredKernel.self, from: data),
      kernel.version == StoredKernel.currentVersion
    else { return nil }
    return kernel
  }

  /// Checks every file against its digest.
  public func verify(_ kernel: StoredKernel) async throws {
    let names = kernel.digests.keys.sorted()
    let found = try await Self.digests(of: names, in: folder(kernel.name))
    for name in names where found[name] != kernel.digests[name] {
      throw Failure(
        stage: "kernel", object: kernel.name, cause: "\(name) is not what was stored (SHA-256 differs)",
        mend: "pawslab kernels remove \(kernel.name), then fetch or add it again")
    }
  }

  /// Whether an entry may have that name.
  public static func check(name: String) throws {
    guard !name.isEmpty, !name.hasPrefix("."),
      name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }),
      !["host", "running"].contains(name)
    else {
      throw Failure(
        stage: "kernels", object: name, cause: "cannot be a kernel's name",
        mend: "letters, digits and - . _; host and running have a meaning of their own")
    }
  }

  /// Forgets an entry.
  public func remove(_ name: String) throws {
    guard FileManager.default.fileExists(atPath: folder(name).path) else {
      let names = all().map(\.name)
      throw Failure(
        stage: "kernels remove", object: name, cause: "no such kernel in \(kernels.path)",
        mend: Nearest.to(name, among: names).map { "did you mean \($0)?" })
    }
    try FileManager.default.removeItem(at: folder(name))
  }

  /// Makes an entry of an image and a folder of modules.
  ///
  /// - Parameters:
  ///   - modules: searched for `.ko` files; nil for a kernel that has all built in.
  ///   - release: nil takes what the image itself says.
  public func add(
    name: String, image: URL, modules: URL?, source: String, release: String? = nil
  ) async throws -> StoredKernel {
    let data: Data
    do { data = try Data(contentsOf: image, options: .alwaysMapped) } catch {
      throw Failure(stage: "kernel image", object: image.path, cause: error.localizedDescription)
    }
    let format = try KernelImage.format(of: data, named: image.path)
    return try await whole(name) { folder in
      var pvh = false
      try data.write(to: folder.appendingPathComponent("image"))
      switch format {
      case .elf(let direct):
        guard direct else {
          throw Failure(
            stage: "kernel image", object: image.path,
            cause: "an ELF kernel without a PVH entry cannot be started",
            mend: "name its bzImage, or build with CONFIG_PVH=y")
        }
        pvh = true
        try FileManager.default.moveItem(
          at: folder.appendingPathComponent("image"), to: folder.appendingPathComponent("vmlinux"))
      case .bzImage(let payload, let unpacker):
        if let unpacker,
          let kernel = await KernelImage.unpacked(data, payload: payload, unpacker: unpacker, scratch: folder)
        {
          pvh = true
          try kernel.write(to: folder.appendingPathComponent("vmlinux"))
          try FileManager.default.removeItem(at: folder.appendingPathComponent("image"))
        }
      }
      let target = folder.appendingPathComponent("modules")
      try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
      var bundles: [StoredKernel.Bundle] = []
      if let modules {
        let tree = ModuleTree(modules)
        guard !tree.isEmpty else {
          throw Failure(
            stage: "kernels add", object: modules.path, cause: "no module (.ko) below it",
            mend: "name lib/modules/RELEASE of the same kernel")
        }
        bundles = try await tree.copy(to: target).map { StoredKernel.Bundle(name: $0.name, files: $0.files) }
      }
      return (release ?? Self.release(in: data) ?? "unknown", source, bundles, pvh)
    }
  }

  /// The text that `file(1)` shows: the boot header's kernel_version (offset 0x20e).
  static func release(in data: Data) -> String? {
    guard data.count > 0x210, data[data.startIndex + 0x202] == UInt8(ascii: "H") else { return nil }
    let offset = Int(data[data.startIndex + 0x20e]) | Int(data[data.startIndex + 0x20f]) << 8
    guard offset > 0, offset + 0x200 < data.count else { return nil }
    let text = data[(data.startIndex + offset + 0x200)...].prefix { $0 != 0 && $0 != 0x20 }
    return text.isEmpty || text.count > 64 ? nil : String(decoding: text, as: UTF8.self)
  }

  private func whole(
    _ name: String,
    _ fill: (URL) async throws -> (release: String, source: String, bundles: [StoredKernel.Bundle], pvh: Bool)
  ) async throws -> StoredKernel {
    let files = FileManager.default
    let folder = try scratch(for: name)
    do {
      let made = try await fill(folder)
      let names = try files.subpathsOfDirectory(atPath: folder.path).filter { path in
        var isFolder: ObjCBool = false
        return files.fileExists(atPath: folder.path + "/" + path, isDirectory: &isFolder)
          && !isFolder.boolValue
      }
      let kernel = StoredKernel(
        name: name, release: made.release, source: made.source,
        digests: try await Self.digests(of: names.sorted(), in: folder), bundles: made.bundles, pvh: made.pvh)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      try encoder.encode(kernel).write(to: folder.appendingPathComponent("manifest.json"))
      try Task.checkCancellation()
      if files.fileExists(atPath: self.folder(name).path) { try files.removeItem(at: self.folder(name)) }
      try files.moveItem(at: folder, to: self.folder(name))
      return kernel
    } catch {
      try? files.removeItem(at: folder)
      throw error
    }
  }

  /// A folder beside the entries, of this process.
  func scratch(for name: String) throws -> URL {
    try ScratchFolder.make(name, in: kernels, prefix: ".partial-", stage: "kernel cache")
  }

  private static func digests(of names: [String], in folder: URL) async throws -> [String: String] {
    guard !names.isEmpty else { return [:] }
    let lines = try await Command(["sha256sum", "--"] + names.map { folder.path + "/" + $0 }).lines()
    var digests: [String: String] = [:]
    for (name, line) in zip(names, lines) {
      digests[name] = line.split(separator: " ").first.map(String.init)
    }
    return digests
  }
}
