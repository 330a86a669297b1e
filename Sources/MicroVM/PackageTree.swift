import Foundation
import Model

/// What a kernel's packages have of use, written below a folder of ours: images, modules, their indexes. Only regular
/// files are made there, and folders for them, so that no link can lead anywhere; what a link in a package names must be
/// in the packages too.
struct PackageTree: TarReader.Sink {
  private let root: String
  private var bytes = 0
  private var files: Set<String> = []
  private var links: [String: (path: String, asWritten: String)] = [:]
  private var open: NewFile?

  init(_ root: URL) { self.root = root.path }

  /// Unpacks a `.deb` or `.rpm`; links are still to be resolved.
  mutating func add(package: String) throws {
    let isDeb = package.hasSuffix(".deb") && Command.exists("dpkg-deb")
    let unpacker =
      isDeb ? ["dpkg-deb", "--fsys-tarfile", "-"] : ["bsdtar", "-cf", "-", "--format=gnutar", "@-"]
    guard !package.isEmpty else {
      throw Failure(
        stage: "kernels add", object: isDeb ? "--deb" : "--deb or --rpm",
        cause: "the name of a package is empty",
        mend: "name its file")
    }
    var status = stat()
    let error = stat(package, &status) == 0 ? 0 : errno
    guard error == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(
        stage: "kernels add", object: Files.printable(package),
        cause: error == 0 ? "it is no regular file" : Files.words(errno: error), mend: "name a package's file"
      )
    }
    var reader = TarReader(name: package)
    try Unpacker(unpacker, from: package, deadline: Bounds.seconds).run(
      mend: Command.exists(unpacker[0])
        ? "is it whole, and a package of a kernel?" : Command.mend(unpacker[0])
    ) { bytes in
      try reader.read(bytes, into: &self)
    }
    open = nil
    try reader.end()
  }

  /// The members that a kernel consists of.
  static func isWanted(_ path: String) -> Bool {
    let parts = path.split(separator: "/")
    if parts.count == 2, parts[0] == "boot" { return parts[1].hasPrefix("vmlinuz-") }
    let below = parts.first == "usr" ? parts.dropFirst() : parts[...]
    guard below.count > 3, below.first == "lib", below.dropFirst().first == "modules", let last = parts.last
    else {
      return false
    }
    if below.count == 4 {
      return last == "vmlinuz" || ModuleIndex.names.contains(String(last)) || ModuleName.of(path: path) != nil
    }
    return ModuleName.of(path: path) != nil
  }

  mutating func begin(_ path: String, _ member: TarReader.Member) throws {
    open = nil
    guard Self.isWanted(path) else { return }
    switch member {
    case .file(let size):
      // Before a byte of it is read.
      let isImage = ModuleName.of(path: path) == nil && !path.hasSuffix(".modinfo")
      let limit = isImage ? Bounds.packedImage : Bounds.module
      guard size <= limit else { throw Bounds.exceeded("package", Files.printable(path), Bounds.text(limit)) }
      bytes += size
      guard bytes <= Bounds.kept else { throw Bounds.exceeded("package", "kernel", Bounds.text(Bounds.kept)) }
      let full = "\(root)/\(path)"
      try makeFolder(of: full)
      open = try NewFile(full)
      files.insert(path)
    case .link(let target, let isHard):
      // A symbolic link's target is seen from its folder, and from the system's root where it begins with a slash.
      let folder = path.split(separator: "/").dropLast().joined(separator: "/")
      links[path] = (isHard || target.hasPrefix("/") ? target : "\(folder)/\(target)", target)
    case .other: break
    }
  }

  mutating func content(_ content: UnsafeRawBufferPointer) throws {
    guard let open else { return }
    try open.append(content, atMost: Bounds.packedImage, of: "package")
  }

  private func makeFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
      throw Failure(
        stage: "kernel cache", object: Files.printable(folder.path), cause: Files.words(error),
        mend: "set XDG_CACHE_HOME to a folder that can be written")
    }
  }

  /// Puts a copy of what each link names in its place.
  /// - Throws: `Failure` where that is not in the packages.
  func resolveLinks() throws {
    for (path, target) in links.sorted(by: { $0.key < $1.key }) where !files.contains(path) {
      var named = Self.resolved(target.path)
      for _ in 0..<8 {
        guard let next = named.flatMap({ files.contains($0) ? nil : links[$0] }) else { break }
        named = Self.resolved(next.path)
      }
      guard let named, files.contains(named) else {
        throw Failure(
          stage: "package", object: Files.printable(path),
          cause: "it is a link to \(Files.printable(target.asWritten)), which is no file of the packages",
          mend: "name the package that has it too")
      }
      let full = "\(root)/\(path)"
      try makeFolder(of: full)
      let content = try Files.read("\(root)/\(named)", stage: "package", atMost: Bounds.image)
      try NewFile(full).append(content, atMost: Bounds.image, of: "package")
    }
  }

  /// The path without `.` and `..`; nil where it leads out of the tree.
  private static func resolved(_ path: String) -> String? {
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
      guard part == ".." else {
        parts.append(part)
        continue
      }
      guard parts.popLast() != nil else { return nil }
    }
    return parts.joined(separator: "/")
  }
}
