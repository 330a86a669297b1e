import Foundation
import Model

extension KernelStore {
  /// Makes an entry of an image and a folder of modules.
  ///
  /// - Parameters:
  ///   - modules: searched for `.ko` files; nil for a kernel that has all built in.
  ///   - release: nil takes what the image itself says.
  public func add(
    name: KernelName, image: URL, modules: URL?, source: String, release: String? = nil,
    replacing: Replacing = .nothing
  ) async throws -> StoredKernel {
    try await add(
      name: name, image: image, source: source, release: release, replacing: replacing
    ) {
      try modules.map { folder in
        let tree = try ModuleTree(folder)
        guard !tree.isEmpty else {
          throw Failure(
            stage: "kernels add", object: Files.printable(folder.path), cause: "no module (.ko) below it",
            mend: "name lib/modules/RELEASE of the same kernel")
        }
        return tree
      }
    }
  }

  /// The same, of modules that are looked for once the image is one.
  func add(
    name: KernelName, image: URL, source: String, release: String? = nil, replacing: Replacing = .nothing,
    tree find: () throws -> ModuleTree?
  ) async throws -> StoredKernel {
    let data = try Files.read(
      image.path, stage: "kernel image", atMost: Bounds.image,
      mend: "name a bzImage, or an ELF kernel with a PVH entry")
    let kernel = try KernelImage(bytes: data, named: Files.printable(image.path))
    let scratch = try scratch()
    defer { scratch.remove() }
    let folder = scratch.url.appendingPathComponent("entry")
    let target = folder.appendingPathComponent("modules")
    do { try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true) } catch {
      throw Failure(stage: "kernel cache", object: folder.path, cause: Files.words(error))
    }
    let pvh = try Self.put(kernel, data, named: image.path, into: folder)
    var bundles: [StoredKernel.Bundle] = []
    let tree = try find()
    if let tree { bundles = try tree.copy(to: target, of: kernel.release) }
    if tree?.isBuild == true { await Self.strip(target) }
    let members = try FileManager.default.contentsOfDirectory(atPath: target.path).map { "modules/\($0)" }
    let made = StoredKernel(
      key: name, release: release ?? kernel.release ?? "unknown", source: Files.printable(source),
      digests: try await Self.digests(of: ([pvh ? "vmlinux" : "image"] + members).sorted(), in: folder),
      bundles: bundles, pvh: pvh)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let manifest = try NewFile(folder.appendingPathComponent("manifest.json").path)
    try manifest.append(try encoder.encode(made), atMost: Bounds.record, of: "manifest")
    try Task.checkCancellation()
    try install(folder, as: name, replacing)
    return made
  }

  /// Takes debugging information out of modules, as `make INSTALL_MOD_STRIP=1 modules_install` does: a guest would have to
  /// hold it in memory. Without strip(1) they stay as they are.
  private static func strip(_ modules: URL) async {
    guard Command.exists("strip"),
      let names = try? FileManager.default.contentsOfDirectory(atPath: modules.path), !names.isEmpty
    else { return }
    _ = try? await Command(["strip", "--strip-debug", "--"] + names.map { "\(modules.path)/\($0)" }).output()
  }

  /// Writes what is booted: `vmlinux` where it can be started directly, else `image`.
  /// - Returns: whether it can.
  private static func put(_ kernel: KernelImage, _ data: Data, named path: String, into folder: URL) throws
    -> Bool
  {
    let vmlinux = folder.appendingPathComponent("vmlinux")
    switch kernel.format {
    case .elf(pvh: true):
      try NewFile(vmlinux.path).append(data, atMost: Bounds.image, of: "kernel image")
      return true
    case .elf(pvh: false):
      throw Failure(
        stage: "kernel image", object: Files.printable(path),
        cause: "an ELF kernel without a PVH entry cannot be started",
        mend: "name its bzImage, or build with CONFIG_PVH=y")
    case .bzImage(let payload, let size, let unpacker):
      if let unpacker, KernelImage.unpack(data, payload: payload, size: size, by: unpacker, to: vmlinux) {
        return true
      }
      try NewFile(folder.appendingPathComponent("image").path)
        .append(data, atMost: Bounds.image, of: "kernel image")
      return false
    }
  }
}
