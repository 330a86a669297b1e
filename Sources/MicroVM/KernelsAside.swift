import Foundation
import Model
import Synchronization

/// Kernels that this process uses where they lie: copies of what a guest needs, in folders that go with the process, by
/// names that no stored kernel has.
final class KernelsAside: Sendable {
  private struct Entry {
    /// Real path of what was named.
    var path: String
    var kernel: StoredKernel
    var staging: Staging
  }
  private let entries = Mutex<[KernelName: Entry]>([:])

  /// The folder of one; nil where none is called so.
  func folder(_ name: KernelName) -> URL? {
    entries.withLock { $0[name]?.staging.store.folder(name) }
  }

  func kernel(at path: String) -> StoredKernel? {
    entries.withLock { $0.values.first { $0.path == path }?.kernel }
  }

  func add(_ kernel: StoredKernel, from path: String, _ staging: Staging) {
    entries.withLock { $0[kernel.key] = Entry(path: path, kernel: kernel, staging: staging) }
  }
}

extension KernelStore {
  /// Takes a kernel where it lies: a tree that was built, a folder as packages lay it, an image alone. Nothing is stored:
  /// it is there for this process, under a name that is made of its folder's or file's and that no other kernel has.
  ///
  /// - Throws: `Failure` that says what is not there, and what makes it.
  public func takeAside(_ path: String) async throws -> StoredKernel {
    let files = try KernelFiles(at: path)
    if let known = aside.kernel(at: files.image) { return known }
    let staging = try staging()
    let name = try freeName(for: files)
    let kernel: StoredKernel
    do {
      kernel = try await staging.store.add(
        name: name, image: URL(fileURLWithPath: files.image), source: files.image, release: files.release
      ) {
        switch files.modules {
        case .builtIn: nil
        case .below(let folder): try ModuleTree(URL(fileURLWithPath: folder))
        case .inTree(let folder): try ModuleTree(built: folder)
        }
      }
    } catch var failure as Failure {
      // What was named is no kernel: that is not the lab's.
      if ["kernel image", "module", "modules"].contains(failure.stage) { failure.isUsage = true }
      throw failure
    }
    aside.add(kernel, from: files.image, staging)
    return kernel
  }

  /// The title as a name; where another kernel is called so, with the folder that it lies in before it, and a number.
  private func freeName(for files: KernelFiles) throws(Failure) -> KernelName {
    func isFree(_ name: KernelName) -> Bool {
      name != .host && name != .running && KnownKernel.named(name.text) == nil && look(at: name) == nil
    }
    let above = URL(fileURLWithPath: files.image).deletingLastPathComponent().lastPathComponent
    let titles = [files.title, "\(above)-\(files.title)"] + (2...99).map { "\(files.title)-\($0)" }
    for title in titles {
      if let name = Self.name(title), isFree(name) { return name }
    }
    throw Failure(
      stage: "--kernel", object: Files.printable(files.title), cause: "no name is left for it",
      mend: "pawslab kernels add NAME --image \(Files.printable(files.image))", isUsage: true)
  }

  /// A title in the characters of a name: others are a dash.
  static func name(_ title: String) -> KernelName? {
    let kept = title.unicodeScalars.map { scalar -> Character in
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "_": Character(scalar)
      default: "-"
      }
    }
    let text = String(kept.drop { "-._".contains($0) }.prefix(KernelName.longest - 3))
    return try? KernelName(text.isEmpty ? "kernel" : text)
  }
}
