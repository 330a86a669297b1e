import Foundation
import Model

/// A repository of pacman's: a database that nobody signs, and packages with a signature each beside them.
struct ArchRepository {
  /// A package as the database describes it (`desc`): `%NAME%`, a line for each value, an empty line.
  struct Package: Equatable {
    var name: String
    var version: String
    /// Beside the database, checked.
    var file: String
    var size: Int
    var checksum: Checksum

    /// - Throws: `Failure` for what describes no package.
    init(_ text: String) throws(Failure) {
      var values: [String: String] = [:]
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      for (index, line) in lines.enumerated() where line.hasPrefix("%") && line.hasSuffix("%") {
        if index + 1 < lines.count, values[String(line)] == nil {
          values[String(line)] = String(lines[index + 1])
        }
      }
      guard let name = values["%NAME%"], let version = values["%VERSION%"], let file = values["%FILENAME%"],
        let size = values["%CSIZE%"].flatMap({ Int($0) }), size > 0, let digest = values["%SHA256SUM%"]
      else {
        throw Failure(
          stage: "repository", object: Files.printable(values["%NAME%"] ?? "desc"),
          cause: "its database does not say what it is, where, or how large",
          mend: "name another mirror with --mirror URL")
      }
      (self.name, self.version, self.size) = (name, version, size)
      self.file = try Mirror.checked(file)
      checksum = try Checksum(kind: "sha256", text: digest, of: file)
    }
  }

  /// Finds a package in a database (`core.db`), which is an archive with a folder for each.
  /// - Throws: `Failure` where it is not in there.
  static func package(_ name: String, in database: URL, as object: String) throws -> Package {
    var reader = TarReader(name: object)
    var sink = Descriptions(name: name)
    try Unpacker(
      ["bsdtar", "-cf", "-", "--format=gnutar", "@-"], from: database.path, deadline: Bounds.seconds
    ).run(mend: Command.exists("bsdtar") ? "is it whole, and a database of pacman's?" : nil) {
      try reader.read($0, into: &sink)
    }
    try reader.end()
    try sink.endFile()
    guard let found = sink.found else {
      throw Failure(
        stage: "repository", object: Files.printable(object), cause: "it has no package \(name)",
        mend: "name another mirror with --mirror URL")
    }
    return found
  }

  private struct Descriptions: TarReader.Sink {
    let name: String
    var found: Package?
    private var text: [UInt8]?

    init(name: String) { self.name = name }

    mutating func begin(_ path: String, _ member: TarReader.Member) throws {
      try endFile()
      // linux-6.9.1.arch1-1/desc; others are called linux-headers-..., which their own names say.
      guard path.hasPrefix(name + "-"), path.hasSuffix("/desc"), case .file(let size) = member else { return }
      guard size <= Bounds.signature else {
        throw Bounds.exceeded("repository", Files.printable(path), "64 KiB")
      }
      text = []
    }

    mutating func content(_ bytes: UnsafeRawBufferPointer) { text?.append(contentsOf: bytes) }

    mutating func endFile() throws {
      defer { text = nil }
      guard let text else { return }
      let lines = String(decoding: text, as: UTF8.self)
      guard lines.contains("%NAME%\n\(name)\n") else { return }
      let package = try Package(lines)
      if package.name == name { found = package }
    }
  }

  /// The name and version that a package gives itself (`.PKGINFO`): it is signed, the database is not.
  static func identity(of package: URL) throws -> (name: String?, version: String?) {
    var text = Data()
    try Unpacker(["bsdtar", "-xOqf", "-", ".PKGINFO"], from: package.path, deadline: Bounds.seconds).run(
      mend: "is it whole, and a package of pacman's?"
    ) { bytes in
      guard text.count + bytes.count <= Bounds.record else {
        throw Bounds.exceeded("package", package.lastPathComponent, Bounds.text(Bounds.record))
      }
      text.append(contentsOf: bytes)
    }
    func value(_ key: String) -> String? {
      String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("\(key) = ") }
        .map { String($0.dropFirst(key.count + 3)) }
    }
    return (value("pkgname"), value("pkgver"))
  }

  /// Fetches the package of a name, its signature and checksum checked.
  /// - Returns: nil where the mirror has no database there.
  static func fetch(
    _ name: String, database: String, from mirror: Mirror, by keyring: Keyring, in folder: URL,
    progress: @Sendable (String) async -> Void
  ) async throws -> (file: String, package: Package)? {
    let index = folder.appendingPathComponent(database)
    guard try mirror.find(database, to: index, atMost: Bounds.packedRepositoryIndex) else { return nil }
    let package = try package(name, in: index, as: "\(mirror.address)/\(database)")
    await progress("downloading \(package.file)")
    let file = folder.appendingPathComponent(package.file.split(separator: "/").last.map(String.init) ?? name)
    let signature = folder.appendingPathComponent("package.sig")
    guard try mirror.find(package.file + ".sig", to: signature, atMost: Bounds.signature) else {
      throw Failure(
        stage: "signature", object: package.file,
        cause: "nobody has signed it: the mirror has no \(package.file).sig",
        mend: "name another mirror with --mirror URL")
    }
    try mirror.get(package.file, to: file, atMost: Bounds.packageFile, size: package.size)
    try await package.checksum.check(file, as: package.file)
    let signer = try keyring.check(signature, of: file, as: package.file)
    await progress("\(package.file) is signed by \(signer)")
    let own = try identity(of: file)
    guard own.name == package.name, own.version == package.version else {
      throw Failure(
        stage: "signature", object: package.file,
        cause:
          "it is \(Files.printable("\(own.name ?? "?") \(own.version ?? "?")")), and not \(Files.printable("\(package.name) \(package.version)"))",
        mend: "the repository's database is not to be trusted: name another mirror with --mirror URL")
    }
    return (file.path, package)
  }
}
