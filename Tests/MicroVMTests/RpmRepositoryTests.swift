import Foundation
import Model
import TestSupport
import Testing

@testable import MicroVM

/// Repositories that rpmbuild, rpmsign, createrepo_c and gpg make, read as a mirror's.
@Suite(
  .enabled(
    if: Needs.met(Needs.program("createrepo_c") != nil && Needs.program("rpmsign") != nil),
    "SKIPPED: needs rpm, createrepo-c"))
struct RpmRepositoryTests {
  private let fedora: KnownKernel

  init() throws { fedora = try #require(KnownKernel.named("fedora-44")) }

  /// What was said, and what is in the store; or why nothing is.
  private struct Fetched {
    var kernel: StoredKernel?
    var failure: Failure?
    var notes: [String]
    var left: [String]
  }

  private actor Notes {
    private(set) var lines: [String] = []
    func take(_ line: String) { lines.append(line) }
  }

  private func fetch(_ mirror: String, by keys: [URL], in folder: URL) async throws -> Fetched {
    let store = KernelStore(root: folder.appendingPathComponent("store-\(UUID().uuidString)"))
    let notes = Notes()
    var (kernel, failure): (StoredKernel?, Failure?)
    do {
      kernel = try await Packages(store: store, deadline: 20).fetch(
        fedora, mirror: mirror, keyrings: keys.map(\.path)
      ) { await notes.take($0) }
    } catch let caught as Failure { failure = caught }
    return Fetched(
      kernel: kernel, failure: failure, notes: await notes.lines, left: Fixtures.content(of: store.root))
  }

  /// A tree with a kernel of that release.
  private func tree(_ release: String, in folder: URL) throws -> URL {
    let tree = folder.appendingPathComponent("tree-\(UUID().uuidString)")
    let modules = tree.appendingPathComponent("lib/modules/\(release)")
    try FileManager.default.createDirectory(
      at: modules.appendingPathComponent("kernel/drivers/net"), withIntermediateDirectories: true)
    try Fixtures.bzImage([0, 1, 2], release: release).write(to: modules.appendingPathComponent("vmlinuz"))
    try Fixtures.module(["depends="]).write(to: modules.appendingPathComponent("kernel/drivers/net/veth.ko"))
    return tree
  }

  private func copy(_ folder: URL, _ name: String) throws -> URL {
    let copied = folder.deletingLastPathComponent().appendingPathComponent(name)
    try? FileManager.default.removeItem(at: copied)
    try FileManager.default.copyItem(at: folder, to: copied)
    return copied
  }

  private func change(_ file: URL, _ body: (inout Data) -> Void) throws {
    var data = try Data(contentsOf: file)
    body(&data)
    try data.write(to: file)
  }

  /// Writes the index anew, packed by another program, with a summary that goes with it; who signed the old one did not sign
  /// this.
  private func edit(_ repository: URL, by packer: String = "gzip", _ body: (String) -> String = { $0 }) throws
  {
    let folder = repository.appendingPathComponent("repodata")
    let files = FileManager.default
    let old = try #require(
      try files.contentsOfDirectory(atPath: folder.path).first { $0.contains("-primary.xml") })
    let text = body(try tool("gzip", "-dc", old, in: folder))
    try Data(text.utf8).write(to: folder.appendingPathComponent("primary.xml"))
    try tool(packer, "-f", "primary.xml", in: folder)
    let new = try #require(
      try files.contentsOfDirectory(atPath: folder.path).first { $0.hasPrefix("primary.xml.") })
    let digest = try tool("sha256sum", new, in: folder).prefix(64)
    let size = try Data(contentsOf: folder.appendingPathComponent(new)).count
    try Data(
      """
      <repomd><data type="primary"><checksum type="sha256">\(digest)</checksum>
      <location href="repodata/\(new)"/><size>\(size)</size></data></repomd>
      """.utf8
    ).write(to: folder.appendingPathComponent("repomd.xml"))
  }

  @Test func whereTheIndexIsNotSignedEachPackageMustBe() async throws {
    try await Fixtures.withFolder { folder in
      try await SigningKey.with(in: folder, "fedora") { key in
        try await SigningKey.with(in: folder, "other") { other in
          let mirror = folder.appendingPathComponent("mirror")
          let base = try RpmMaker(mirror.appendingPathComponent("releases/44/Everything/x86_64/os"))
          let tree = try tree("6.1.0-9.fc44", in: folder)
          let unsigned = try base.add("kernel-core", "6.1.0-10.fc44", tree: tree)
          let plain = try Data(contentsOf: unsigned)
          try key.sign(package: unsigned)
          // An older one, which is greater as text.
          let older = base.folder.appendingPathComponent("kernel-core-6.1.0-9.fc44.x86_64.rpm")
          try plain.write(to: older)
          try base.index()
          try edit(base.folder) { text in
            // createrepo_c knows both by what their headers say.
            var parts = text.components(separatedBy: "<package ")
            for index in parts.indices where parts[index].contains(older.lastPathComponent) {
              parts[index] = parts[index].replacing("rel=\"10.fc44\"", with: "rel=\"9.fc44\"")
            }
            return parts.joined(separator: "<package ")
          }
          let good = try await fetch("file://\(mirror.path)", by: [key.file], in: folder)
          #expect(good.failure == nil, "\(good.failure?.description ?? "")")
          #expect(good.kernel?.release == "6.1.0-9.fc44", "as its modules' folder says")
          #expect(good.kernel?.source == "kernel-core 6.1.0-10.fc44")
          #expect(
            good.notes.contains("fedora-44: kernel-core is signed by \(key.fingerprint)"), "\(good.notes)")
          #expect(good.notes.contains("fedora-44: its index is not signed: each package must be"))
          #expect(good.notes.contains { $0.contains("no kernel-modules 6.1.0-10.fc44: left out") })
          #expect(good.notes.contains { $0.hasSuffix("updates/44/Everything/x86_64 has no repository") })
          // The repository itself, and each program that packs an index.
          for packer in ["xz", "zstd", "bzip2"] {
            let packed = try copy(base.folder, "packed")
            try edit(packed, by: packer)
            let found = try await fetch("file://\(packed.path)", by: [other.file, key.file], in: folder)
            #expect(found.kernel?.source == "kernel-core 6.1.0-10.fc44", "\(packer): \(found)")
          }

          func refusal(_ name: String, by keys: [URL]? = nil, _ body: (URL, URL) throws -> Void) async throws
            -> String
          {
            let changed = try copy(base.folder, "changed")
            try body(changed, changed.appendingPathComponent(unsigned.lastPathComponent))
            let found = try await fetch("file://\(changed.path)", by: keys ?? [key.file], in: folder)
            #expect(found.kernel == nil && found.left == ["kernels"], "\(name)")
            #expect(found.failure?.mend != nil, "\(name)")
            return found.failure?.cause ?? "\(name): it was taken"
          }
          #expect(
            try await refusal("another's", by: [other.file]) { _, _ in }.contains(
              "not among those it is known by"))
          #expect(
            try await refusal("nobody's") { folder, package in
              try plain.write(to: package)
              try RpmMaker(folder).index()
            } == "nobody has signed it")
          #expect(
            try await refusal("changed content") { folder, package in
              try change(package) { $0[$0.count - 30] ^= 1 }
              try RpmMaker(folder).index()
            }.contains("its content is not what was signed"))
          #expect(
            try await refusal("changed header") { folder, package in
              try change(package) { data in
                // The last: in the header, behind those that the lead has.
                if let range = data.range(of: Data("GPL-2.0-only".utf8), options: .backwards) {
                  data[range.lowerBound] ^= 1
                }
              }
              try RpmMaker(folder).index()
            }.contains("it was changed"))
          #expect(
            try await refusal("called another") { folder, _ in
              try edit(folder) { $0.replacing("rel=\"10.fc44\"", with: "rel=\"99.fc44\"") }
            } == "it is kernel-core 6.1.0-10.fc44 for x86_64, and not kernel-core 6.1.0-99.fc44")
          #expect(
            try await refusal("longer") { _, package in try change(package) { $0.append(0) } }
              .contains("bytes that the index gives it"))
          #expect(
            try await refusal("shorter") { _, package in try change(package) { $0.removeLast() } }
              .contains("where the index says"))
          #expect(
            try await refusal("without end") { _, package in
              try FileManager.default.removeItem(at: package)
              try FileManager.default.createSymbolicLink(
                atPath: package.path, withDestinationPath: "/dev/zero")
            } == "it is no regular file")
          #expect(
            try await refusal("gone") { _, package in try FileManager.default.removeItem(at: package) }
              == "it is not there")
          #expect(
            try await refusal("no kernel") { folder, _ in
              try edit(folder) { $0.replacing(">kernel-core<", with: ">kernel-doc<") }
            } == "there is no package kernel-core for x86-64 in the repositories")
        }
      }
    }
  }

  @Test func whereTheIndexIsSignedItVouchesForItsPackages() async throws {
    try await Fixtures.withFolder { folder in
      try await SigningKey.with(in: folder, "fedora") { key in
        let base = try RpmMaker(folder.appendingPathComponent("repository"))
        let package = try base.add("kernel-core", "6.1.0-1.fc44", tree: try tree("6.1.0-1.fc44", in: folder))
        try base.index()
        try base.sign(by: key)
        let good = try await fetch("file://\(base.folder.path)", by: [key.file], in: folder)
        #expect(good.kernel?.source == "kernel-core 6.1.0-1.fc44", "\(good)")
        #expect(good.notes.contains("fedora-44: its index is signed by \(key.fingerprint)"), "\(good.notes)")

        func refusal(_ name: String, signed: Bool = false, _ body: (URL) throws -> Void) async throws
          -> String
        {
          let changed = try copy(base.folder, "changed")
          try body(changed)
          if signed { try RpmMaker(changed).sign(by: key) }
          let found = try await fetch("file://\(changed.path)", by: [key.file], in: folder)
          #expect(found.kernel == nil && found.left == ["kernels"], "\(name)")
          return found.failure?.cause ?? "\(name): it was taken"
        }
        let repomd = "repodata/repomd.xml"
        #expect(
          try await refusal("a changed summary") { folder in
            try change(folder.appendingPathComponent(repomd)) { $0.append(10) }
          }.contains("it was changed"))
        #expect(
          try await refusal("a signature that is none") { folder in
            try Data("-----BEGIN PGP SIGNATURE-----\n".utf8).write(
              to: folder.appendingPathComponent(repomd + ".asc"))
          }.isEmpty == false)
        #expect(
          try await refusal("a changed index") { folder in
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/repodata")
            let index = try #require(names.first { $0.contains("-primary") })
            try change(folder.appendingPathComponent("repodata/\(index)")) { $0[9] ^= 1 }
          }.contains("its checksum is another"))
        #expect(
          try await refusal("a changed package") { folder in
            try change(folder.appendingPathComponent(package.lastPathComponent)) { $0[$0.count - 30] ^= 1 }
          }.contains("its checksum is another"))
        #expect(
          try await refusal("out of the mirror", signed: true) { folder in
            try edit(folder) { $0.replacing("href=\"kernel-core", with: "href=\"../kernel-core") }
          } == "a path that leaves the mirror")
        #expect(
          try await refusal("an index out of the mirror", signed: true) { folder in
            try change(folder.appendingPathComponent(repomd)) { data in
              data = Data(String(decoding: data, as: UTF8.self).replacing("repodata/", with: "/etc/").utf8)
            }
          } == "a path that leaves the mirror")
        #expect(
          try await refusal("entities", signed: true) { folder in
            try edit(folder) { "<!DOCTYPE m [<!ENTITY a \"a\">]>" + $0.drop { $0 != "\n" } }
          }.contains("document type"))
        #expect(
          try await refusal("cut short", signed: true) { folder in try edit(folder) { String($0.prefix(300)) }
          }
            == "it is cut short")
      }
    }
  }

  @Test func aServerOfTheMirrorsIsReadUntilItIsTooMuch() async throws {
    try await Fixtures.withFolder { folder in
      let server = try FileServer(folder)
      defer { server.stop() }
      try Data("hello".utf8).write(to: folder.appendingPathComponent("a^b~1+2.rpm"))
      func get(_ path: String, size: Int? = nil, atMost limit: Int = 1 << 20) -> String {
        let file = folder.appendingPathComponent("got")
        do {
          let mirror = try Mirror(server.address, example: "", deadline: 20)
          guard try mirror.find(path, to: file, atMost: limit, size: size) else { return "not there" }
          return String(decoding: try Data(contentsOf: file), as: UTF8.self)
        } catch { return (error as? Failure)?.cause ?? "\(error)" }
      }
      #expect(get("a^b~1+2.rpm", size: 5) == "hello")
      #expect(get("a^b~1+2.rpm", size: 4).contains("more than the 4 bytes"))
      #expect(get("a^b~1+2.rpm", size: 6).contains("it has 5 bytes where the index says 6"))
      #expect(get("nothing") == "not there")
      #expect(get("endless/repomd.xml", atMost: 64 << 10) == "it has more than 64 KiB")
      #expect(get("endless/package.rpm", size: 100_000).contains("more than the 100000 bytes"))
      #expect(get("elsewhere/x").contains("file"), "a redirection to another scheme: \(get("elsewhere/x"))")
    }
  }

  /// Header and payload signed together, as packages of rpm before 4.14 are, by rpm's own tool.
  @Test func theOlderSignatureIsOverHeaderAndPayload() async throws {
    try await Fixtures.withFolder { folder in
      try await SigningKey.with(in: folder, "centos") { key in
        let maker = try RpmMaker(folder.appendingPathComponent("repository"))
        let package = try maker.add(
          "kernel", "3.10.0-1160.el7", tree: try tree("3.10.0-1160.el7.x86_64", in: folder))
        try key.sign(package: package, whole: true)
        let bytes = try Data(contentsOf: package)
        let file = try RpmFile(bytes, as: "kernel.rpm")
        #expect(file.name == "kernel" && file.version.description == "3.10.0-1160.el7")
        let packet = try #require(file.wholeSignature)
        let keyring = try Keyring([key.file.path], in: folder)
        let (signature, whole) = (
          folder.appendingPathComponent("signature"), folder.appendingPathComponent("whole")
        )
        try packet.write(to: signature)
        try bytes.subdata(in: file.header.lowerBound..<bytes.count).write(to: whole)
        #expect(try keyring.check(signature, of: whole, as: "kernel") == key.fingerprint)
        // One whose header has no digest of its payload: what is signed then is both, or nothing.
        for isSigned in [true, false] {
          let old = folder.appendingPathComponent("old.rpm")
          let (header, content) = (Fixtures.rpmHeader(name: "kernel"), Data("payload".utf8))
          try (header + content).write(to: whole)
          try key.sign(whole, as: signature, armoured: false)
          let packet = try Data(contentsOf: signature)
          try Fixtures.rpm(header, content, signatures: [isSigned ? 1002 : 268: packet]).write(to: old)
          if isSigned {
            let checked = try await RpmFile.check(old, by: keyring, in: folder)
            #expect(checked.signer == key.fingerprint)
            #expect(try Data(contentsOf: checked.content) == content)
            try change(old) { $0[$0.count - 1] ^= 1 }
          }
          await #expect(throws: Failure.self) { try await RpmFile.check(old, by: keyring, in: folder) }
        }
      }
    }
  }
}

@Suite struct RpmFileTests {
  @Test func anyBytesAreBorne() throws {
    let header = Fixtures.rpmHeader(name: "kernel")
    let whole = Fixtures.rpm(header, Data("payload".utf8), signatures: [268: Data("signature".utf8)])
    let file = try RpmFile(whole, as: "x")
    #expect(file.name == "kernel" && file.architecture == "x86_64" && file.digest == nil)
    #expect(file.headerSignature == Data("signature".utf8) && file.wholeSignature == nil)
    #expect(whole[file.header] == header && whole[file.payload] == Data("payload".utf8))
    for count in 0..<whole.count - 6 { _ = try? RpmFile(whole.prefix(count), as: "x") }
    for index in whole.indices {
      for bit in [1, 0x80] as [UInt8] {
        var changed = whole
        changed[index] ^= bit
        _ = try? RpmFile(changed, as: "x")
      }
    }
    // What stands between the headers is signed by nobody, and another reader might take it for something.
    var padded = Fixtures.rpm(header, Data("payload".utf8), signatures: [268: Data("signature ".utf8)])
    let start = try RpmFile(padded, as: "x").header.lowerBound
    padded[start - 1] = 1
    #expect(throws: Failure.self) { try RpmFile(padded, as: "x") }
  }
}

extension Fixtures {
  /// A header of strings, as rpm's are: magic, numbers of entries and bytes, entries, the strings.
  static func rpmHeader(name: String) -> Data {
    section(
      [1000: name, 1001: "3.10.0", 1002: "1", 1022: "x86_64"].map {
        ($0.key, 6, Data(($0.value + "\0").utf8))
      })
  }

  private static func section(_ entries: [(tag: Int, type: Int, content: Data)]) -> Data {
    func big(_ number: Int) -> Data { withUnsafeBytes(of: UInt32(number).bigEndian) { Data($0) } }
    var (index, store) = (Data(), Data())
    for entry in entries {
      index +=
        big(entry.tag) + big(entry.type) + big(store.count) + big(entry.type == 7 ? entry.content.count : 1)
      store += entry.content
    }
    return Data([0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0]) + big(entries.count) + big(store.count) + index + store
  }

  static func rpm(_ header: Data, _ payload: Data, signatures: [Int: Data]) -> Data {
    var lead = Data(count: 96)
    lead.put(0, [0xed, 0xab, 0xee, 0xdb, 3, 0])
    let signed = section(signatures.map { ($0.key, 7, $0.value) })
    return lead + signed + Data(count: -signed.count & 7) + header + payload
  }
}
