import Foundation
import Model

/// A repository of RPM packages: `repodata/repomd.xml` names its index, which names its packages, each with its size and
/// checksum.
struct RpmRepository: Sendable {
  /// A package that it has.
  struct Package: Sendable, Equatable {
    var name: String
    var version: RpmVersion
    /// Below the repository, checked.
    var path: String
    var size: Int
    var checksum: Checksum
  }

  let mirror: Mirror
  /// Who signed its summary; nil where nobody did, and the packages must be.
  let signer: String?
  /// Those of the names that were asked for, for x86-64.
  let packages: [Package]

  /// Reads it.
  ///
  /// - Parameters:
  ///   - names: of the packages that are of use.
  ///   - folder: an empty one of ours.
  /// - Returns: nil where the mirror has none there.
  static func read(
    _ mirror: Mirror, names: Set<String>, keyring: Keyring, in folder: URL
  ) async throws -> RpmRepository? {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let summary = folder.appendingPathComponent("repomd.xml")
    let signature = folder.appendingPathComponent("repomd.xml.asc")
    guard try mirror.find("repodata/repomd.xml", to: summary, atMost: Bounds.repositorySummary) else {
      return nil
    }
    // Where there is a signature it must be good: only one that is not there leaves it to the packages'.
    var signer: String?
    if try mirror.find("repodata/repomd.xml.asc", to: signature, atMost: Bounds.signature) {
      signer = try keyring.check(signature, of: summary, as: "\(mirror.address)/repodata/repomd.xml")
    }
    let index = try RepositorySummary(
      try Files.read(summary.path, stage: "repository", atMost: Bounds.repositorySummary),
      of: "\(mirror.address)/repodata/repomd.xml")
    let packed = folder.appendingPathComponent("primary")
    try mirror.get(index.path, to: packed, atMost: Bounds.packedRepositoryIndex, size: index.size)
    try await index.checksum.check(packed, as: index.path)
    var reader = RepositoryIndex(names: names)
    var scanner = XMLScanner(name: index.path, atMost: Bounds.repositoryIndex)
    try Unpacker(try Self.unpacker(of: packed, as: index.path), from: packed.path, deadline: Bounds.seconds)
      .run(
        mend: "is it whole? name another mirror with --mirror URL"
      ) { try scanner.read($0, into: &reader) }
    try scanner.end()
    return RpmRepository(mirror: mirror, signer: signer, packages: reader.packages)
  }

  /// What unpacks an index, by its first bytes.
  private static func unpacker(of file: URL, as object: String) throws -> [String] {
    let bytes = Bytes(
      try Files.read(file.path, stage: "repository", atMost: Bounds.packedRepositoryIndex).prefix(8))
    switch (bytes.number(0, 1), bytes.number(0, 2), bytes.number(0, 4)) {
    case (_, 0x8b1f, _): return ["gzip", "-dc"]
    case (_, _, 0x587a_37fd): return ["xz", "--memlimit-decompress=192MiB", "-dc"]
    case (_, _, 0xfd2f_b528): return ["zstd", "--memory=192MB", "-dcq"]
    case (_, 0x5a42, _): return ["bzip2", "-dc"]
    case (0x3c, _, _): return ["cat"]
    default:
      throw Failure(
        stage: "repository", object: Files.printable(object),
        cause: "it is packed by a program that is not known here",
        mend: "gzip, xz, zstd and bzip2 are; pawslab kernels add NAME --rpm FILE")
    }
  }

  /// The newest of a name; of equals the first.
  static func newest(_ name: String, in repositories: [RpmRepository]) -> (RpmRepository, Package)? {
    var found: (RpmRepository, Package)?
    for repository in repositories {
      for package in repository.packages where package.name == name {
        if found.map({ $0.1.version < package.version }) ?? true { found = (repository, package) }
      }
    }
    return found
  }

  /// Fetches a package, and holds it against the index; where nobody has signed that, against the package's own signature.
  /// - Returns: the file to unpack, and who signed it if that was asked.
  func fetch(_ package: Package, by keyring: Keyring, in folder: URL) async throws -> (
    file: String, signer: String?
  ) {
    let name = package.path.split(separator: "/").last.map(String.init) ?? package.name
    let file = folder.appendingPathComponent(name)
    try mirror.get(package.path, to: file, atMost: Bounds.packageFile, size: package.size)
    try await package.checksum.check(file, as: name)
    guard signer == nil else { return (file.path, nil) }
    let checked = try await RpmFile.check(file, by: keyring, in: folder)
    // Nobody vouches for the index: what it calls a package and what was signed may differ.
    guard checked.file.name == package.name, checked.file.version == package.version,
      checked.file.architecture == "x86_64"
    else {
      let own = "\(checked.file.name) \(checked.file.version) for \(checked.file.architecture)"
      throw Failure(
        stage: "signature", object: name,
        cause: "it is \(Files.printable(own)), and not \(package.name) \(package.version)",
        mend: "the repository's index is not to be trusted: name another mirror with --mirror URL")
    }
    return (checked.content.path, checked.signer)
  }
}

/// What `repomd.xml` says of the index of packages.
struct RepositorySummary {
  let path: String
  let size: Int?
  let checksum: Checksum

  /// - Throws: `Failure` for any bytes that are none.
  init(_ bytes: Data, of name: String) throws {
    var reader = Reader()
    var scanner = XMLScanner(name: name, atMost: Bounds.repositorySummary)
    try bytes.withUnsafeBytes { try scanner.read($0, into: &reader) }
    try scanner.end()
    guard let path = reader.path, let kind = reader.kind else {
      throw Failure(
        stage: "repository", object: Files.printable(name), cause: "it names no index of packages",
        mend: "is it a repository of RPM packages? name another mirror with --mirror URL")
    }
    if reader.hasBase { throw RepositoryIndex.leaves(path) }
    self.path = try Mirror.checked(path)
    size = reader.size
    checksum = try Checksum(kind: kind, text: reader.digest, of: path)
  }

  private struct Reader: XMLScanner.Sink {
    var path: String?
    var kind: String?
    var digest = ""
    var size: Int?
    var hasBase = false
    private var isPrimary = false
    private(set) var wantsText = false

    mutating func open(_ name: String, depth: Int, _ attributes: XMLScanner.Attributes) throws {
      wantsText = false
      if depth == 2 { isPrimary = try name == "data" && attributes.value("type") == "primary" && path == nil }
      guard depth == 3, isPrimary else { return }
      switch name {
      case "location":
        path = try attributes.value("href")
        hasBase = try attributes.value("xml:base") != nil
      case "checksum":
        kind = try attributes.value("type")
        wantsText = true
      case "size": wantsText = true
      default: break
      }
    }

    mutating func close(_ name: String, depth: Int, text: String) {
      if wantsText {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        if name == "checksum" { digest = text } else { size = Int(text) }
      }
      wantsText = false
    }
  }
}

/// The index of packages (`primary.xml`): 100 MB and more, of which a few elements are kept.
struct RepositoryIndex: XMLScanner.Sink {
  private let names: Set<String>
  private(set) var packages: [RpmRepository.Package] = []
  private(set) var wantsText = false

  private struct Draft {
    var name = ""
    var architecture = ""
    var version: RpmVersion?
    var path: String?
    var hasBase = false
    var size: Int?
    var kind = ""
    var digest = ""
  }
  /// The package at hand, as long as it may be one of them.
  private var draft: Draft?

  init(names: Set<String>) { self.names = names }

  /// Reads one that is at hand as a whole.
  init(bytes: Data, names: Set<String>) throws {
    self.init(names: names)
    var scanner = XMLScanner(name: "primary.xml", atMost: Bounds.repositoryIndex)
    try bytes.withUnsafeBytes { try scanner.read($0, into: &self) }
    try scanner.end()
  }

  mutating func open(_ name: String, depth: Int, _ attributes: XMLScanner.Attributes) throws {
    wantsText = false
    if depth == 2 { draft = name == "package" ? Draft() : nil }
    guard depth == 3, draft != nil else { return }
    switch name {
    case "name", "arch": wantsText = true
    case "checksum":
      draft?.kind = try attributes.value("type") ?? ""
      wantsText = true
    case "version":
      draft?.version = RpmVersion(
        epoch: Int(try attributes.value("epoch") ?? "0") ?? 0, version: try attributes.value("ver") ?? "",
        release: try attributes.value("rel") ?? "")
    case "size": draft?.size = try attributes.value("package").flatMap { Int($0) }
    case "location":
      draft?.path = try attributes.value("href")
      draft?.hasBase = try attributes.value("xml:base") != nil
    default: break
    }
  }

  mutating func close(_ name: String, depth: Int, text: String) throws {
    if depth == 3, wantsText {
      let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
      switch name {
      case "name":
        draft?.name = text
        if !names.contains(text) { draft = nil }
      case "arch":
        draft?.architecture = text
        if text != "x86_64" { draft = nil }
      default: draft?.digest = text
      }
    }
    wantsText = false
    guard depth == 2, name == "package", let draft, names.contains(draft.name), draft.architecture == "x86_64"
    else { return }
    self.draft = nil
    guard let version = draft.version, let path = draft.path, let size = draft.size, size > 0 else {
      throw Failure(
        stage: "repository", object: draft.name, cause: "its index does not say where it is, or how large",
        mend: "name another mirror with --mirror URL")
    }
    if draft.hasBase { throw Self.leaves(path) }
    guard packages.count < Bounds.packagesOfAName else {
      throw Bounds.exceeded("repository", draft.name, "\(Bounds.packagesOfAName) packages")
    }
    packages.append(
      RpmRepository.Package(
        name: draft.name, version: version, path: try Mirror.checked(path), size: size,
        checksum: try Checksum(kind: draft.kind, text: draft.digest, of: path)))
  }

  /// `xml:base`: another place than the mirror that was named.
  static func leaves(_ path: String) -> Failure {
    Failure(
      stage: "repository", object: Files.printable(path),
      cause: "its index sends elsewhere for it (xml:base)",
      mend: "name the mirror that has it with --mirror URL")
  }
}
