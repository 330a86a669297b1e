import CLinux
import Foundation
import Model

/// The kernels in the cache: `$XDG_CACHE_HOME/pawslab/kernels/NAME`.
///
/// An entry is made in a folder of another name and renamed when it is whole, so an interrupted fetch leaves
/// nothing that could be taken for a kernel; what it does leave goes with the next command.
public struct KernelStore: Sendable {
  /// `$XDG_CACHE_HOME/pawslab`, else `~/.cache/pawslab`.
  public let root: URL
  /// Those that are used where they lie, by this value and its copies.
  let aside = KernelsAside()

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

  /// The folder of an entry, or of a kernel that was taken aside.
  func folder(_ name: KernelName) -> URL {
    aside.folder(name) ?? kernels.appendingPathComponent(name.text)
  }

  // MARK: what there is

  /// Every entry that can be used, by name.
  public func all() -> [StoredKernel] {
    names().compactMap { if case .success(let kernel)? = look(at: $0) { kernel } else { nil } }
  }

  /// What is there and cannot be used, with the reason and its mend.
  public func damaged() -> [(name: KernelName, failure: Failure)] {
    names().compactMap { name in
      if case .failure(let failure)? = look(at: name) { (name, failure) } else { nil }
    }
  }

  private func names() -> [KernelName] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: kernels.path)) ?? []
    return names.compactMap { try? KernelName($0) }.filter { $0 != .host }.sorted()
  }

  /// The entry of that name; nil where there is none, or none that can be used.
  public func entry(_ name: String) -> StoredKernel? {
    guard let name = try? KernelName(name), case .success(let kernel)? = look(at: name) else { return nil }
    return kernel
  }

  /// The entry of that name, or why it cannot be used; nil where there is none.
  public func look(at name: KernelName) -> Result<StoredKernel, Failure>? {
    guard name != .host, Self.isThere(folder(name)) else { return nil }
    do throws(Failure) {
      let bytes = try Files.read(
        folder(name).appendingPathComponent("manifest.json").path, stage: "kernel", atMost: Bounds.record,
        mend: "pawslab kernels remove \(name), then fetch or add it again")
      return .success(try StoredKernel(bytes: bytes, of: name))
    } catch { return .failure(error) }
  }

  private static func isThere(_ url: URL) -> Bool {
    var status = stat()
    return lstat(url.path, &status) == 0
  }

  /// Checks every file against its digest.
  public func verify(_ kernel: StoredKernel) async throws {
    let names = kernel.digests.keys.sorted()
    func spoilt(_ cause: String) -> Failure {
      Failure(
        stage: "kernel", object: kernel.name, cause: cause,
        mend: "pawslab kernels remove \(kernel.name), then fetch or add it again")
    }
    for name in names {
      var status = stat()
      guard lstat(folder(kernel.key).path + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG
      else {
        throw spoilt("\(name) is gone")
      }
    }
    let found = try await Self.digests(of: names, in: folder(kernel.key))
    for name in names where found[name] != kernel.digests[name] {
      throw spoilt("\(name) is not what was stored (SHA-256 differs)")
    }
  }

  // MARK: changes

  /// Removes what commands that were killed have left, of this version and of those whose guests had files on the disk.
  public func sweep() {
    ScratchFolder.sweep(kernels)
    ScratchFolder.sweep(root.appendingPathComponent("saved"))
    let guests = root.appendingPathComponent("guests")
    for name in (try? FileManager.default.contentsOfDirectory(atPath: guests.path)) ?? [] {
      let old = guests.appendingPathComponent(name)
      var status = stat()
      // One of such a version may run beside us; none runs for a day.
      guard lstat(old.path, &status) == 0, time(nil) - status.st_mtim.tv_sec > 86400 else { continue }
      try? FileManager.default.removeItem(at: old)
    }
    rmdir(guests.path)
    // What was found more than a day ago of kernels that are not stored: those that are used where they lie (KernelsAside).
    let stored = Set(names().map(\.text))
    for (folder, suffix) in [("probes", ".json"), ("saved", "")] {
      let folder = root.appendingPathComponent(folder)
      for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      where name.hasSuffix(suffix) && !name.hasPrefix(".")
        && !stored.contains(String(name.dropLast(suffix.count)))
      {
        let path = folder.appendingPathComponent(name)
        var status = stat()
        guard lstat(path.path, &status) == 0, time(nil) - status.st_mtim.tv_sec > 86400 else { continue }
        try? FileManager.default.removeItem(at: path)
      }
    }
  }

  /// Forgets an entry, and what its probe found.
  /// - Throws: `Failure`, of usage, where none is of that name; nothing is removed then.
  public func remove(_ name: String) throws {
    let key = try KernelName(name)
    guard key != .host, Self.isThere(folder(key)) else {
      let names = names().map(\.text)
      throw Failure(
        stage: "kernels remove", object: name, cause: "no kernel of that name is stored",
        mend: (Nearest.to(name, among: names).map { "did you mean \($0)? " } ?? "")
          + (names.isEmpty ? "none is" : "there are \(names.joined(separator: ", "))"), isUsage: true)
    }
    let guarded = try FolderLock(kernels, stage: "kernels remove")
    defer { guarded.unlock() }
    do { try FileManager.default.removeItem(at: folder(key)) } catch {
      throw Failure(stage: "kernels remove", object: name, cause: Files.words(error))
    }
    ProbeCache.remove(key, in: self)
    SavedStateCache.remove(key, in: self)
  }

  /// A store of its own beside the entries, for a kernel that has yet to show that it boots.
  public func staging() throws -> Staging { try Staging(beside: kernels) }

  /// A folder beside the entries that goes with the instance.
  func scratch() throws -> ScratchFolder { try ScratchFolder(in: kernels, stage: "kernel cache") }

  /// Whether an entry of that name may be put in another's place.
  public enum Replacing: Sendable {
    /// Only where none is there that can be used.
    case nothing
    /// Whatever is there.
    case entry
  }

  /// Takes a kernel over from where it has shown that it boots. At no moment is there neither the old nor the new.
  public func adopt(_ kernel: StoredKernel, from staging: Staging, replacing: Replacing) throws {
    try install(staging.store.folder(kernel.key), as: kernel.key, replacing)
  }

  /// - Throws: `Failure`, of usage, where an entry is there and is not to be replaced.
  func install(_ made: URL, as name: KernelName, _ replacing: Replacing) throws {
    let target = folder(name).path
    let guarded = try FolderLock(kernels, stage: "kernel cache")
    defer { guarded.unlock() }
    var result = clinux_rename_new(made.path, target)
    if result == -EEXIST || result == -ENOTEMPTY {
      if case .success? = look(at: name), replacing == .nothing { throw Self.exists(name) }
      result = clinux_rename_exchange(made.path, target)
    }
    // A file system that cannot do either (NFS, FUSE): the lock is held, so nobody of ours looks in between.
    if result == -EINVAL || result == -ENOSYS {
      if Self.isThere(folder(name)) {
        if case .success? = look(at: name), replacing == .nothing { throw Self.exists(name) }
        let old = made.path + ".old"
        result = rename(target, old) == 0 ? 0 : -errno
        if result == 0, rename(made.path, target) != 0 {
          result = -errno
          rename(old, target)
        }
      } else {
        result = rename(made.path, target) == 0 ? 0 : -errno
      }
    }
    guard result == 0 else {
      throw Failure(
        stage: "kernel cache", object: target, cause: Files.words(errno: -result),
        mend: "set XDG_CACHE_HOME to a folder that can be written")
    }
  }

  /// What is said of a name that is taken.
  public static func exists(_ name: KernelName) -> Failure {
    Failure(
      stage: "kernels add", object: name.text, cause: "a kernel of that name is stored",
      mend:
        "--replace puts this one in its place once it has booted; pawslab kernels remove \(name) forgets it",
      isUsage: true)
  }

  /// By file; `program` is one of coreutils'.
  static func digests(
    of names: [String], in folder: URL, by program: [String] = ["sha256sum"]
  ) async throws -> [String: String] {
    guard !names.isEmpty else { return [:] }
    let lines = try await Command(program + ["--"] + names.map { folder.path + "/" + $0 }).lines()
    var digests: [String: String] = [:]
    for (name, line) in zip(names, lines) {
      digests[name] = line.split(separator: " ").first.map(String.init)
    }
    return digests
  }
}

/// A store of its own in a folder that goes with the instance.
public final class Staging: Sendable {
  /// Has no entry at first.
  public let store: KernelStore
  private let folder: ScratchFolder

  init(beside kernels: URL) throws {
    folder = try ScratchFolder(in: kernels, stage: "kernel cache")
    store = KernelStore(root: folder.url)
  }
}
