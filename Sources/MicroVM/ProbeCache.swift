import Foundation
import Model

/// What a kernel's probe found, kept beside the kernels: a probe takes a boot and some seconds.
/// Valid for the same files of the kernel and the same worker. What cannot be read, or cannot be, is asked again.
public struct ProbeCache: Sendable {
  private let file: URL
  private let key: String

  private struct Entry: Codable {
    var key: String
    var kernel: Kernel
  }

  /// - Parameter programs: what its guest has of the programs that lab files run.
  init(_ kernel: StoredKernel, store: KernelStore, worker: String, programs: [String] = []) {
    let attributes = try? FileManager.default.attributesOfItem(atPath: worker)
    let modified = (attributes?[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
    key = "\(kernel.digest) \(attributes?[.size] ?? 0) \(modified)" + programs.map { " \($0)" }.joined()
    file = Self.file(kernel.key, in: store, hasPrograms: !programs.isEmpty)
  }

  private static func file(_ name: KernelName, in store: KernelStore, hasPrograms: Bool) -> URL {
    store.root.appendingPathComponent("probes").appendingPathComponent(
      "\(name)\(hasPrograms ? "+programs" : "").json")
  }

  /// What was found before; nil where something has changed since.
  func load() -> Kernel? {
    guard let data = try? Files.read(file.path, stage: "probe", atMost: Bounds.record),
      let entry = try? JSONDecoder().decode(Entry.self, from: data),
      entry.key == key, Self.isPossible(entry.kernel)
    else { return nil }
    return entry.kernel
  }

  /// Whether a kernel can be so: what a judgement divides by, and what is printed.
  static func isPossible(_ kernel: Kernel) -> Bool {
    (1...1_000_000_000).contains(kernel.timestampTicksPerSecond) && Release.checked(kernel.release) != nil
      && Release.checked(kernel.machine) != nil
  }

  /// Keeps it; not to be able to costs only time.
  func save(_ kernel: Kernel) {
    try? FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try? JSONEncoder().encode(Entry(key: key, kernel: kernel)).write(to: file, options: .atomic)
  }

  /// Forgets it.
  static func remove(_ name: KernelName, in store: KernelStore) {
    for hasPrograms in [false, true] {
      try? FileManager.default.removeItem(at: file(name, in: store, hasPrograms: hasPrograms))
    }
  }
}
