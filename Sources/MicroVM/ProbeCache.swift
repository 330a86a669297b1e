import Foundation
import Scenario

/// What a kernel's probe found, kept beside the kernels: a probe takes a boot and some seconds.
/// Valid for the same files of the kernel and the same worker.
public struct ProbeCache: Sendable {
  private let folder: URL
  private let key: String

  private struct Entry: Codable {
    var key: String
    var kernel: Kernel
  }

  init(_ kernel: StoredKernel, store: KernelStore, worker: String) {
    folder = store.root.appendingPathComponent("probes")
    let attributes = try? FileManager.default.attributesOfItem(atPath: worker)
    let modified = (attributes?[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
    key = "\(kernel.digest) \(attributes?[.size] ?? 0) \(modified)"
    file = folder.appendingPathComponent("\(kernel.name).json")
  }

  private let file: URL

  /// What was found before; nil where something has changed since.
  func load() -> Kernel? {
    guard let data = try? Data(contentsOf: file),
      let entry = try? JSONDecoder().decode(Entry.self, from: data),
      entry.key == key
    else { return nil }
    return entry.kernel
  }

  /// Keeps it; not to be able to costs only time.
  func save(_ kernel: Kernel) {
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try? JSONEncoder().encode(Entry(key: key, kernel: kernel)).write(to: file, options: .atomic)
  }
}
