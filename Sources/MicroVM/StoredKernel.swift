import Foundation
import Model

/// A kernel that guests can boot: files in the cache, known by a name. Its manifest is a file like any other, so what
/// is read from it is checked before it becomes a path.
public struct StoredKernel: Codable, Sendable, Equatable {
  /// What `--kernel` calls it.
  public var key: KernelName
  /// `uname -r`, as the image or its package says.
  public var release: String
  /// Where it came from, e.g. `linux-image-6.1.0-50-cloud-amd64 6.1.176-1`.
  public var source: String
  /// File below the entry's folder to its SHA-256.
  public var digests: [String: String]
  /// Bundle to the module files in the order of loading.
  public var bundles: [Bundle]
  /// Whether `vmlinux` can be started directly.
  public var pvh: Bool
  /// Of this format.
  public var version = StoredKernel.currentVersion
  /// The modules that were looked for, sorted; nil in a manifest of a version that did not say.
  public var wanted: [String]? = ModuleBundles.wanted

  static let currentVersion = 1

  private enum CodingKeys: String, CodingKey {
    case key = "name"
    case release, source, digests, bundles, pvh, version, wanted
  }

  /// What `--kernel` calls it, as text.
  public var name: String { key.text }

  /// Whether modules have not been looked for that this version has a use for: what needs them is skipped on it.
  public var isOutdated: Bool { !Set(ModuleBundles.wanted).isSubset(of: wanted ?? []) }

  /// Modules that are loaded together.
  public struct Bundle: Codable, Sendable, Equatable {
    public var name: String
    public var files: [String]
    /// Those of them without which the others are loaded all the same; nil for none.
    public var optional: [String]?
  }

  /// Names it by what its files hold.
  var digest: String { digests.sorted { $0.key < $1.key }.map(\.value).joined(separator: "+") }

  /// The file that is booted, below the entry's folder.
  var image: String { pvh ? "vmlinux" : "image" }

  /// Reads a manifest.
  /// - Throws: `Failure` for any bytes that are none of ours; its object is the entry's name.
  public init(bytes: Data, of name: KernelName) throws(Failure) {
    func damaged(_ cause: String) -> Failure {
      Failure(
        stage: "kernel", object: name.text, cause: "its manifest.json \(cause)",
        mend: "pawslab kernels remove \(name), then fetch or add it again")
    }
    struct Version: Decodable { var version: Int }
    let decoder = JSONDecoder()
    guard let made = try? decoder.decode(Version.self, from: bytes) else { throw damaged("cannot be read") }
    guard made.version == Self.currentVersion else { throw damaged("was made by another version of pawslab") }
    guard let kernel = try? decoder.decode(StoredKernel.self, from: bytes) else {
      throw damaged("cannot be read")
    }
    self = kernel
    guard key == name else { throw damaged("is that of \(key)") }
    guard Release.checked(release) != nil else { throw damaged("names a release that is none") }
    guard Files.printable(source) == source else { throw damaged("names a source that is none") }
    guard
      bundles.allSatisfy({ bundle in
        (1...32).contains(bundle.name.utf8.count) && bundle.name.utf8.allSatisfy { (97...122).contains($0) }
          && bundle.files.allSatisfy { Self.isModule($0) && digests["modules/\($0)"] != nil }
          && (bundle.optional ?? []).allSatisfy(bundle.files.contains)
      })
    else { throw damaged("names a module that it has not") }
    guard digests.allSatisfy({ Self.isMember($0.key) && Self.isDigest($0.value) }),
      digests.count <= 2 * Bounds.modules
    else { throw damaged("names a file that no kernel here has") }
    guard digests[image] != nil else { throw damaged("has no \(image)") }
  }

  init(
    key: KernelName, release: String, source: String, digests: [String: String], bundles: [Bundle], pvh: Bool
  ) {
    (self.key, self.release, self.source) = (key, release, source)
    (self.digests, self.bundles, self.pvh) = (digests, bundles, pvh)
  }

  private static func isMember(_ path: String) -> Bool {
    ["vmlinux", "image"].contains(path)
      || path.hasPrefix("modules/") && isModule(String(path.dropFirst("modules/".count)))
  }

  private static func isModule(_ file: String) -> Bool {
    file.hasSuffix(".ko") && ModuleName.isOne(String(file.dropLast(3)))
  }

  private static func isDigest(_ text: String) -> Bool {
    text.utf8.count == 64 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }
}
