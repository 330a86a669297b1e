import CLinux
import Foundation
import Model

/// A guest as it was where it stopped itself: its memory, and its processor and devices. Memory is a file that nobody can
/// change any more, so that all who go on from it begin alike, and only what they write takes memory of their own.
struct SavedState: Sendable {
  let memory: MemoryFile
  let devices: MemoryFile
  /// What it is a function of, by content: kernel, initramfs, QEMU and its arguments. One SHA-256.
  let origin: String
}

/// Saved guests in the cache: `$XDG_CACHE_HOME/pawslab/saved/NAME`, one per kernel. Only what is not zero is kept.
struct SavedStateCache {
  private let folder: URL
  private let name: KernelName
  /// Says cheaply whether one that is there is still good.
  private let key: String

  private struct Manifest: Codable {
    var version: Int
    var key: String
    var origin: String
    /// Bytes of the whole memory.
    var size: Int
    /// Where the parts of the file `memory` belong: begin and count of each, in order.
    var parts: [[Int]]
    var digests: [String: String]
  }
  private static let version = 2
  private static let longest = 4 << 30
  /// 100 MB are looked at before each run: BLAKE2b takes 0.12 s of processor for them where coreutils' SHA-256 takes 0.29.
  private static let digest = ["b2sum", "--length=256"]

  init(_ name: KernelName, key: String, store: KernelStore) {
    folder = store.root.appendingPathComponent("saved")
    (self.name, self.key) = (name, key)
  }

  private var entry: URL { folder.appendingPathComponent(name.text) }

  /// One that is good and whole; nil for any other, which is made anew.
  func load() async -> SavedState? {
    let path = entry.path
    guard
      let data = try? Files.read(path + "/manifest.json", stage: "saved guest", atMost: Bounds.record),
      let manifest = try? JSONDecoder().decode(Manifest.self, from: data),
      manifest.version == Self.version, manifest.key == key, (1...Self.longest).contains(manifest.size),
      let found = try? await KernelStore.digests(of: ["devices", "memory"], in: entry, by: Self.digest),
      found == manifest.digests
    else { return nil }
    return try? Self.read(manifest, from: path)
  }

  private static func read(_ manifest: Manifest, from path: String) throws -> SavedState {
    let memory = try MemoryFile("memory", size: manifest.size)
    let file = try Data(contentsOf: URL(fileURLWithPath: path + "/memory"), options: .alwaysMapped)
    var at = 0
    for part in manifest.parts {
      guard part.count == 2, part[0] >= 0, part[1] > 0, part[1] <= file.count - at,
        part[0] <= manifest.size - part[1]
      else { throw Failure(stage: "saved guest", object: path, cause: "its manifest is not its own") }
      try memory.write(file[at..<at + part[1]], at: part[0], of: "memory")
      at += part[1]
    }
    try memory.seal("memory")
    let devices = try MemoryFile("devices", try Data(contentsOf: URL(fileURLWithPath: path + "/devices")))
    try devices.seal("devices")
    return SavedState(memory: memory, devices: devices, origin: manifest.origin)
  }

  /// Keeps one. It is made beside and renamed when it is whole.
  func save(_ state: SavedState, size: Int) async throws {
    let made = try ScratchFolder(in: folder, stage: "saved guest")
    let path = made.url.appendingPathComponent("state")
    do {
      try FileManager.default.createDirectory(at: path, withIntermediateDirectories: false)
      try Data(state.devices.bytes).write(to: path.appendingPathComponent("devices"))
      guard FileManager.default.createFile(atPath: path.path + "/memory", contents: nil) else {
        throw CocoaError(.fileWriteUnknown)
      }
      let file = try FileHandle(forWritingTo: path.appendingPathComponent("memory"))
      defer { try? file.close() }
      var parts: [[Int]] = []
      for extent in state.memory.extents {
        for begin in stride(from: extent.lowerBound, to: extent.upperBound, by: 1 << 20) {
          let bytes = state.memory.read(at: begin, count: min(1 << 20, extent.upperBound - begin))
          for part in Self.written(bytes) {
            try file.write(contentsOf: Data(bytes[part]))
            if let last = parts.last, last[0] + last[1] == begin + part.lowerBound {
              parts[parts.count - 1][1] += part.count
            } else {
              parts.append([begin + part.lowerBound, part.count])
            }
          }
        }
      }
      try file.synchronize()
      let manifest = Manifest(
        version: Self.version, key: key, origin: state.origin, size: size, parts: parts,
        digests: try await KernelStore.digests(of: ["devices", "memory"], in: path, by: Self.digest))
      try JSONEncoder().encode(manifest).write(to: path.appendingPathComponent("manifest.json"))
    } catch let failure as Failure { throw failure } catch {
      throw Failure(stage: "saved guest", object: path.path, cause: Files.words(error))
    }
    let guarded = try FolderLock(folder, stage: "saved guest")
    defer { guarded.unlock() }
    if clinux_rename_new(path.path, entry.path) != 0, clinux_rename_exchange(path.path, entry.path) != 0 {
      try? FileManager.default.removeItem(at: entry)
      rename(path.path, entry.path)
    }
  }

  /// Pages that hold anything, neighbours together.
  private static func written(_ bytes: [UInt8]) -> [Range<Int>] {
    let page = 4096
    return bytes.withUnsafeBytes { all in
      var parts: [Range<Int>] = []
      for begin in stride(from: 0, to: all.count, by: page) {
        let end = min(begin + page, all.count)
        guard let first = all.baseAddress.map({ $0 + begin }) else { break }
        // One whose first byte is zero and that is equal to itself moved by a byte.
        let isEmpty = all[begin] == 0 && memcmp(first, first + 1, end - begin - 1) == 0
        if isEmpty { continue }
        if let last = parts.last, last.upperBound == begin {
          parts[parts.count - 1] = last.lowerBound..<end
        } else {
          parts.append(begin..<end)
        }
      }
      return parts
    }
  }

  /// Forgets what is kept of a kernel.
  static func remove(_ name: KernelName, in store: KernelStore) {
    try? FileManager.default.removeItem(
      at: store.root.appendingPathComponent("saved").appendingPathComponent(name.text))
  }
}
