import Foundation

/// What a stranger's kernel is made of, read as it is when one is added, without a store. For those who hold the reading
/// against arbitrary bytes.
public enum Reading {
  /// A file that claims to be a kernel.
  public static func image(_ bytes: [UInt8]) throws { _ = try KernelImage(bytes: Data(bytes)) }

  /// A file of a package: whatever its name claims it to be, each reader must bear it.
  public static func package(_ bytes: [UInt8]) throws {
    let data = Data(bytes)
    var refusals: [any Error] = []
    for read: (Data) throws -> Void in [
      { _ = try ModuleInfo(bytes: $0) }, { _ = try ArchiveListing(bytes: $0) },
      { _ = try ModuleIndex(bytes: $0) }, { _ = try StoredKernel(bytes: $0, of: .running) },
    ] {
      do { try read(data) } catch { refusals.append(error) }
    }
    if refusals.count == 4, let first = refusals.first { throw first }
  }
}
