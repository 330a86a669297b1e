import Foundation
import Model

/// What a user writes behind `--kernel`: the name of a kernel, or the path of one that is used where it lies.
///
/// What has a slash is a path. What is the name of a kernel that is stored or can be fetched is that, whatever lies in this
/// folder; any other word is a path if a file or folder is called so, else a name. Only words off a command line are read
/// so: names out of files are ``KernelName``s.
public enum KernelWord: Sendable, Equatable {
  case name(KernelName)
  case path(String)

  /// - Parameter store: whose names come first.
  /// - Throws: `Failure` of usage for what is neither; it says what either would be.
  public init(_ text: String, in store: KernelStore) throws(Failure) {
    if text.utf8.contains(UInt8(ascii: "/")) {
      self = .path(text)
      return
    }
    let isThere = !text.isEmpty && FileManager.default.fileExists(atPath: text)
    do throws(Failure) {
      let name = try KernelName(text)
      let isKnown =
        name == .host || name == .running || KnownKernel.named(text) != nil || store.look(at: name) != nil
      self = isThere && !isKnown ? .path(text) : .name(name)
    } catch {
      guard isThere else { throw error }
      self = .path(text)
    }
  }
}

/// A kernel where it lies: an image, and the modules of it.
struct KernelFiles: Equatable {
  /// Where modules are.
  enum Modules: Equatable {
    /// None: everything is built in.
    case builtIn
    /// In a folder, wherever below it.
    case below(String)
    /// Where the build left them in a tree, which has its own list of them.
    case inTree(String)
  }

  var image: String
  var modules: Modules
  /// What its modules' folder is called; nil where only the image says it.
  var release: String?
  /// What it is called by those who work on it: the tree's folder, the release, the file.
  var title: String

  private static let images = ["arch/x86/boot/bzImage", "arch/x86_64/boot/bzImage"]

  /// Finds them.
  /// - Throws: `Failure` of usage that says what is missing there, and what makes it.
  init(at path: String) throws(Failure) {
    func refused(_ cause: String, _ mend: String) -> Failure {
      Failure(stage: "--kernel", object: Files.printable(path), cause: cause, mend: mend, isUsage: true)
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw refused(Files.words(errno: errno), Self.near(path) ?? Self.wanted)
    }
    // What it is called does not hang on how it was named: `.` is a folder with a name.
    guard let real = realpath(path, nil) else { throw refused(Files.words(errno: errno), Self.wanted) }
    defer { free(real) }
    let full = String(cString: real)
    let last = full.split(separator: "/").last.map(String.init) ?? ""
    if status.st_mode & S_IFMT == S_IFREG {
      if [".deb", ".rpm"].contains(where: full.hasSuffix) {
        throw refused(
          "it is a package", "pawslab kernels add NAME --\(full.suffix(3)) \(Files.printable(path))")
      }
      let tree = Self.images.first { full.hasSuffix("/" + $0) }.map { String(full.dropLast($0.count + 1)) }
      self.init(
        image: full, modules: .builtIn, title: tree?.split(separator: "/").last.map(String.init) ?? last)
      return
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw refused("neither a file nor a folder", Self.wanted)
    }
    func isFile(_ path: String) -> Bool {
      var status = stat()
      return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
    if let image = Self.images.map({ "\(full)/\($0)" }).first(where: isFile) {
      try self.init(tree: full, image: image, shown: path, title: last)
      return
    }
    if let installed = try Self.installed(in: full, shown: path) {
      self = installed
      return
    }
    // A folder that `make` writes to (O=) has no sources.
    guard isFile("\(full)/Kbuild") || isFile("\(full)/.config") else {
      throw refused("no kernel in this folder", Self.wanted)
    }
    throw refused(
      "a tree whose kernel is not built: no \(Self.images[0])",
      isFile("\(full)/.config") ? "make bzImage modules" : "make x86_64_defconfig; make bzImage modules")
  }

  private init(image: String, modules: Modules, release: String? = nil, title: String) {
    (self.image, self.modules, self.release, self.title) = (image, modules, release, title)
  }

  /// A tree that was built: its modules are those that its last build lists.
  private init(tree: String, image: String, shown: String, title: String) throws(Failure) {
    if FileManager.default.fileExists(atPath: "\(tree)/modules.order") {
      self.init(image: image, modules: .inTree(tree), title: title)
      return
    }
    let config = try? String(contentsOfFile: "\(tree)/.config", encoding: .utf8)
    if let option = config?.split(separator: "\n").first(where: { $0.hasSuffix("=m") }) {
      throw Failure(
        stage: "--kernel", object: Files.printable(shown),
        cause: "its modules are not built: \(Files.printable(String(option))), and there is no modules.order",
        mend: "make modules; or name \(Self.images[0]) in it, where all that is needed is built in",
        isUsage: true)
    }
    self.init(image: image, modules: .builtIn, title: title)
  }

  /// As distributions and `make modules_install` lay it: `boot/vmlinuz-RELEASE` with `[usr/]lib/modules/RELEASE`, or that
  /// folder itself.
  private static func installed(in root: String, shown: String) throws(Failure) -> KernelFiles? {
    let files = FileManager.default
    func content(_ path: String) -> [String] {
      ((try? files.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }
    func image(_ release: String, _ modules: String, _ boot: String) -> String? {
      ["\(modules)/vmlinuz", "\(boot)/vmlinuz-\(release)"].first { files.fileExists(atPath: $0) }
    }
    let last = root.split(separator: "/").last.map(String.init) ?? ""
    if ["modules.dep", "modules.order", "kernel"].contains(where: {
      files.fileExists(atPath: "\(root)/\($0)")
    }),
      root.hasSuffix("/lib/modules/\(last)"), let found = image(last, root, "/boot")
    {
      return KernelFiles(image: found, modules: .below(root), release: last, title: last)
    }
    let folders = ["lib/modules", "usr/lib/modules"].flatMap { base in
      content("\(root)/\(base)").map { (release: $0, path: "\(root)/\(base)/\($0)") }
    }
    let found = folders.compactMap { folder in
      image(folder.release, folder.path, "\(root)/boot").map {
        KernelFiles(image: $0, modules: .below(folder.path), release: folder.release, title: last)
      }
    }
    guard found.count < 2 else {
      let names = found.compactMap(\.release).map(Files.printable).joined(separator: ", ")
      throw Failure(
        stage: "--kernel", object: Files.printable(shown), cause: "\(found.count) kernels: \(names)",
        mend: "name lib/modules/RELEASE of one", isUsage: true)
    }
    return found.first
  }

  static let wanted =
    "name a kernel tree that was built (arch/x86/boot/bzImage), a bzImage, or lib/modules/RELEASE"

  /// What is called nearly so in the same folder.
  private static func near(_ path: String) -> String? {
    let url = URL(fileURLWithPath: path)
    let names =
      (try? FileManager.default.contentsOfDirectory(atPath: url.deletingLastPathComponent().path)) ?? []
    guard let near = Nearest.to(url.lastPathComponent, among: names) else { return nil }
    // The folder as it was written.
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let above = parts.dropLast(path.hasSuffix("/") ? 2 : 1).map { $0 + "/" }.joined()
    return "did you mean \(Files.printable(above + near))?"
  }
}
