/// A Debian kernel that can be fetched by name.
public struct KnownKernel: Sendable {
  /// What `--kernel` calls it.
  public let name: String
  /// The suite in the archive.
  let suite: String
  /// The meta package of its kernel.
  let package: String
  /// Whether the mirrors still have it; others need `--mirror` with an archive.
  public let current: Bool

  /// The cloud flavour where there is one: small, and it boots anywhere. Others of the releases in use by what Debian
  /// calls them.
  public static let all: [KnownKernel] =
    [
      KnownKernel(name: "debian-8", suite: "jessie", package: "linux-image-amd64", current: false),
      KnownKernel(name: "debian-9", suite: "stretch", package: "linux-image-amd64", current: false),
      KnownKernel(name: "debian-10", suite: "buster", package: "linux-image-cloud-amd64", current: false),
    ] + release("debian-11", "bullseye") + release("debian-12", "bookworm", backports: true)
    + release("debian-13", "trixie", backports: true) + release("debian-sid", "sid")

  private static func release(_ name: String, _ suite: String, backports: Bool = false) -> [KnownKernel] {
    var flavours = [("", suite, "cloud-amd64"), ("-generic", suite, "amd64"), ("-rt", suite, "rt-amd64")]
    if backports { flavours.append(("-backports", "\(suite)-backports", "amd64")) }
    return flavours.map { flavour in
      KnownKernel(
        name: name + flavour.0, suite: flavour.1, package: "linux-image-\(flavour.2)", current: true)
    }
  }

  /// The release of that name.
  public static func named(_ name: String) -> KnownKernel? { all.first { $0.name == name } }
}
