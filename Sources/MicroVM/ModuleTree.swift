import Foundation
import Model

/// The modules of one kernel on disk: found by name, read for what they need.
final class ModuleTree {
  /// Name, with underscores, to the file.
  private let files: [String: String]
  private var index = ModuleIndex()
  /// Whether depmod(8) has been here; else aliases are known only from the modules themselves.
  private let hasAliases: Bool
  /// Whether they lie where a build left them: not stripped, and as old as their last build.
  let isBuild: Bool
  private var known: [String: (needs: ModuleOrder.Needs, data: Data)] = [:]
  private var asked: [String: [String]] = [:]
  private var bytes = 0
  /// Whose own aliases the index has: those near the algorithms, the others.
  private var aliasesRead: Set<Bool> = []

  /// Looks through `lib/modules/RELEASE` or any folder of `.ko`, `.ko.xz`, `.ko.zst` and `.ko.gz` files.
  ///
  /// - Throws: `Failure` for a link that leads out of the folder, and for what no kernel's folder has.
  init(_ folder: URL) throws {
    let root = try Self.real(folder.path)
    var files: [String: String] = [:]
    var hasAliases = false
    let walk = FileManager.default.enumerator(atPath: root)
    var seen = 0
    while let path = walk?.nextObject() as? String {
      seen += 1
      guard seen <= Bounds.tree else { throw Bounds.exceeded("modules", root, "\(Bounds.tree) files") }
      let full = "\(root)/\(path)"
      let name = path.split(separator: "/").last.map(String.init) ?? ""
      if ModuleIndex.names.contains(name) {
        try index.add(try Self.read(full, below: root, atMost: Bounds.index))
        hasAliases = hasAliases || name == "modules.alias"
      } else if let module = ModuleName.of(path: path) {
        try Self.checkInside(full, root)
        files[module] = full
      }
    }
    self.files = files
    self.hasAliases = hasAliases
    isBuild = false
  }

  /// Takes those that the last build of a tree lists (`modules.order`), from where it left them: others lie about in it,
  /// of earlier configurations.
  ///
  /// Lines of that list are `net/netfilter/xt_nat.o`; until 6.2 they end in `.ko`, and until 5.4 `kernel/` is before them
  /// (Documentation/kbuild/kbuild.rst, scripts/Makefile.modinst).
  init(built folder: String) throws {
    let root = try Self.real(folder)
    let list = try Files.read("\(root)/modules.order", stage: "modules", atMost: Bounds.index)
    var files: [String: String] = [:]
    for line in String(decoding: list, as: UTF8.self).split(separator: "\n") {
      guard let dot = line.lastIndex(of: "."), [".o", ".ko"].contains(line[dot...]),
        !line.hasPrefix("/"), !line.split(separator: "/").contains("..")
      else { continue }
      let path = String(line[..<dot]) + ".ko"
      let places = [path] + (path.hasPrefix("kernel/") ? [String(path.dropFirst("kernel/".count))] : [])
      let full: [String] = places.map { "\(root)/\($0)" }
      guard files.count <= Bounds.tree else {
        throw Bounds.exceeded("modules", root, "\(Bounds.tree) files")
      }
      guard let name = ModuleName.of(path: path) else { continue }
      guard let full = full.first(where: { access($0, F_OK) == 0 }) else {
        throw Failure(
          stage: "modules", object: Files.printable("\(root)/\(path)"),
          cause: "modules.order lists it, and it is not there", mend: "make modules", isUsage: true)
      }
      try Self.checkInside(full, root)
      files[name] = full
    }
    for name in ["modules.builtin", "modules.builtin.modinfo"] where access("\(root)/\(name)", F_OK) == 0 {
      try index.add(try Self.read("\(root)/\(name)", below: root, atMost: Bounds.index))
    }
    self.files = files
    hasAliases = false
    isBuild = true
  }

  var isEmpty: Bool { files.isEmpty }

  /// Copies every wanted module and what it needs, unpacked, and says in which order each bundle loads.
  ///
  /// - Parameter release: of the image. Modules that lie in a tree may be of an earlier build, which no kernel says of them
  ///   in a way that could be seen here: it refuses to load them.
  func copy(to folder: URL, of release: String? = nil) throws -> [StoredKernel.Bundle] {
    var written: Set<String> = []
    return try ModuleBundles.all.map { bundle in
      var order = ModuleOrder(needs: { try self.read($0)?.needs }, find: find)
      for module in bundle.modules { try order.add(module) }
      for entry in order.entries where written.insert(entry.module).inserted {
        guard let data = try read(entry.module)?.data else { continue }
        if isBuild, let release, let own = try ModuleInfo(bytes: data).release, own != release {
          throw Failure(
            stage: "modules", object: Files.printable(files[entry.module] ?? entry.module),
            cause: "it was built for Linux \(own), and the image is Linux \(release)",
            mend: "make bzImage modules", isUsage: true)
        }
        let file = try NewFile(folder.appendingPathComponent("\(entry.module).ko").path)
        try file.append(data, atMost: Bounds.module, of: "module")
      }
      let optional = order.entries.filter(\.isOptional).map { "\($0.module).ko" }
      return StoredKernel.Bundle(
        name: bundle.name, files: order.entries.map { "\($0.module).ko" },
        optional: optional.isEmpty ? nil : optional)
    }
  }

  /// A module with what it and the indexes say that it needs; nil where there is none.
  private func read(_ module: String) throws -> (needs: ModuleOrder.Needs, data: Data)? {
    if let known = known[module] { return known }
    guard let path = files[module] else { return nil }
    let data = try Self.unpacked(path)
    bytes += data.count
    guard bytes <= Bounds.allModules else {
      throw Bounds.exceeded(
        "modules", module, "\(Bounds.text(Bounds.allModules)) of modules that the lab needs")
    }
    let own = try ModuleInfo(bytes: data, named: path)
    func both(_ own: [String], _ more: [String]?) -> [String] {
      own + (more ?? []).filter { !own.contains($0) }
    }
    // modules.dep has all that are needed, the first to be loaded last.
    let needs = ModuleOrder.Needs(
      depends: both(own.depends, index.depends[module]?.reversed()),
      before: both(own.before, index.before[module]),
      after: both(own.after, index.after[module]))
    known[module] = (needs, data)
    return known[module]
  }

  /// The modules that a softdep's name stands for: one of that name, else those with that alias, else none.
  private func find(_ name: String) throws -> [String] {
    if let found = asked[name] { return found }
    var found: [String] = files[name] != nil ? [name] : index.modules(called: name)
    if found.isEmpty, !hasAliases, !index.isBuiltin(name) {
      // Most ask for an algorithm. All others are read only where none of those has it: there are thousands.
      let isNear = { (path: String) in path.contains("/crypto/") }
      for near in [true, false] where found.isEmpty {
        if aliasesRead.insert(near).inserted {
          for (module, path) in files.sorted(by: { $0.key < $1.key }) where isNear(path) == near {
            try Task.checkCancellation()
            guard let info = try? ModuleInfo(bytes: Self.unpacked(path), named: path) else { continue }
            for alias in info.aliases { index.add(alias: alias, of: module) }
          }
        }
        found = index.modules(called: name)
      }
    }
    asked[name] = found
    return found
  }

  // MARK: files

  private static func unpacked(_ path: String) throws -> Data {
    let unpacker: [String]? =
      switch path.split(separator: ".").last {
      case "xz": ["xz", "--memlimit-decompress=192MiB", "-dc"]
      case "zst": ["zstd", "--memory=192MB", "-dcq"]
      case "gz": ["gzip", "-dc"]
      default: nil
      }
    guard let unpacker else { return try Files.read(path, stage: "module", atMost: Bounds.module) }
    var data = Data()
    try Unpacker(unpacker, from: path, deadline: Bounds.seconds).run { bytes in
      guard data.count + bytes.count <= Bounds.module else {
        throw Bounds.exceeded("module", Files.printable(path), Bounds.text(Bounds.module))
      }
      data.append(contentsOf: bytes)
    }
    return data
  }

  private static func read(_ path: String, below root: String, atMost limit: Int) throws -> Data {
    try checkInside(path, root)
    return try Files.read(path, stage: "modules", atMost: limit)
  }

  /// What a link names must lie in the folder too: else a stranger's folder takes any file of this machine along.
  private static func checkInside(_ path: String, _ root: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return }
    let target = try real(path)
    guard target.hasPrefix(root + "/") else {
      throw Failure(
        stage: "modules", object: Files.printable(path),
        cause: "it is a link to \(Files.printable(target)), outside its folder",
        mend: "copy the file there, if it is a module of this kernel")
    }
  }

  private static func real(_ path: String) throws -> String {
    guard let real = realpath(path, nil) else {
      throw Failure(
        stage: "modules", object: path.isEmpty ? "\"\"" : Files.printable(path),
        cause: Files.words(errno: errno))
    }
    defer { free(real) }
    return String(cString: real)
  }
}
