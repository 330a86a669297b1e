import Foundation

/// What a stranger's kernel is made of, read as it is when one is added, without a store. For those who hold the reading
/// against arbitrary bytes.
public enum Reading {
  /// A file that claims to be a kernel.
  public static func image(_ bytes: [UInt8]) throws { _ = try KernelImage(bytes: Data(bytes)) }

  /// A file of a package, or of a repository of packages: whatever its name claims it to be, each reader must bear it.
  public static func package(_ bytes: [UInt8]) throws {
    let data = Data(bytes)
    let readers: [(Data) throws -> Void] = [
      { _ = try ModuleInfo(bytes: $0) }, { _ = try ArchiveListing(bytes: $0) },
      { _ = try ModuleIndex(bytes: $0) }, { _ = try StoredKernel(bytes: $0, of: .running) },
      { _ = try RpmFile($0, as: "package") }, { _ = try RepositorySummary($0, of: "repomd.xml") },
      { _ = try RepositoryIndex(bytes: $0, names: ["kernel"]) },
      { _ = try ArchRepository.Package(String(decoding: $0, as: UTF8.self)) },
    ]
    var refusals: [any Error] = []
    for read in readers {
      do { try read(data) } catch { refusals.append(error) }
    }
    // What is no armour are bytes that gpgv refuses, or not.
    _ = Keyring.unarmoured(data)
    if refusals.count == readers.count, let first = refusals.first { throw first }
  }
}
