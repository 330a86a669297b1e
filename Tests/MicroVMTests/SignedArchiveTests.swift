import Foundation
import Model
import TestSupport
import Testing

@testable import MicroVM

/// Archives of apt's and repositories of pacman's that a test makes and signs.
@Suite(
  .enabled(
    if: Needs.met(Needs.program("gpg") != nil && Needs.program("bsdtar") != nil),
    "SKIPPED: needs gnupg, libarchive-tools"))
struct SignedArchiveTests {
  private actor Notes {
    private(set) var lines: [String] = []
    func take(_ line: String) { lines.append(line) }
  }

  private func fetch(_ name: String, _ mirror: URL, by key: URL, in folder: URL) async throws -> (
    kernel: StoredKernel?, failure: Failure?, notes: [String]
  ) {
    let store = KernelStore(root: folder.appendingPathComponent("store-\(UUID().uuidString)"))
    let notes = Notes()
    do {
      let kernel = try await Packages(store: store, deadline: 60).fetch(
        try #require(KnownKernel.named(name)), mirror: "file://\(mirror.path)", keyrings: [key.path]
      ) { await notes.take($0) }
      return (kernel, nil, await notes.lines)
    } catch let failure as Failure {
      #expect(store.all().isEmpty && Fixtures.content(of: store.root) == ["kernels"])
      return (nil, failure, await notes.lines)
    }
  }

  /// A suite with a kernel in it.
  private func suite(
    _ suite: String, _ image: String, _ version: String, meta: String, in mirror: URL, by key: SigningKey,
    until: String? = nil
  ) throws {
    let files = FileManager.default
    let index = mirror.appendingPathComponent("dists/\(suite)/main/binary-amd64")
    let pool = mirror.appendingPathComponent("pool")
    for made in [index, pool] { try files.createDirectory(at: made, withIntermediateDirectories: true) }
    let release = image.replacing("linux-image-", with: "")
    let package = Fixtures.deb([Fixtures.member("./boot/vmlinuz-\(release)", Fixtures.bzImage([0, 1]))])
    let deb = pool.appendingPathComponent("\(image)_\(version)_amd64.deb")
    try package.write(to: deb)
    let digest = try tool("sha256sum", deb.path, in: pool).prefix(64)
    let shared =
      "Architecture: amd64\nFilename: pool/\(deb.lastPathComponent)\nSize: \(package.count)\nSHA256: \(digest)\n"
    try Data(
      "Package: \(meta)\nVersion: \(version)\nDepends: \(image)\n\(shared)\nPackage: \(image)\nVersion: \(version)\n\(shared)\n"
        .utf8
    ).write(to: index.appendingPathComponent("Packages"))
    let list = try Data(contentsOf: index.appendingPathComponent("Packages"))
    let sum = try tool("sha256sum", "Packages", in: index).prefix(64)
    let unsigned = mirror.appendingPathComponent("dists/\(suite)/Release")
    try Data(
      """
      Origin: x
      Suite: \(suite)
      Codename: \(suite)
      Date: Sat, 01 Jan 2022 00:00:00 UTC
      \(until.map { "Valid-Until: \($0)\n" } ?? "")Architectures: amd64
      Components: main
      SHA256:
       \(sum) \(list.count) main/binary-amd64/Packages

      """.utf8
    ).write(to: unsigned)
    let signed = mirror.appendingPathComponent("dists/\(suite)/InRelease")
    try? files.removeItem(at: signed)
    try key.clearSign(unsigned, as: signed)
    // Only what is signed inline.
    try files.removeItem(at: unsigned)
  }

  @Test func anArchiveIsReadByAptAndTheKeysThatWereNamed() async throws {
    try await Fixtures.withFolder { folder in
      try await SigningKey.with(in: folder, "ubuntu") { key in
        try await SigningKey.with(in: folder, "other") { other in
          let ubuntu = folder.appendingPathComponent("ubuntu")
          for (name, release, version) in [
            ("noble", "6.8.0-9-virtual", "6.8.0-9.9"), ("noble-updates", "6.8.0-31-virtual", "6.8.0-31.31"),
            ("noble-security", "6.8.0-10-virtual", "6.8.0-10.10"),
          ] {
            try suite(
              name, "linux-image-\(release)", version, meta: "linux-image-virtual", in: ubuntu, by: key)
          }
          let good = try await fetch("ubuntu-24.04", ubuntu, by: key.file, in: folder)
          #expect(good.failure == nil, "\(good.failure?.description ?? "")")
          #expect(good.kernel?.source == "linux-image-6.8.0-31-virtual 6.8.0-31.31")
          #expect(!good.notes.contains { $0.contains("Valid-Until") })
          let others = try await fetch("ubuntu-24.04", ubuntu, by: other.file, in: folder)
          #expect(
            others.failure?.cause.contains("not signed") == true, "\(others.failure?.description ?? "")")

          // A time that is over is let pass for what is past, and for nothing else.
          let past = "Sun, 02 Jan 2022 00:00:00 UTC"
          let debian = folder.appendingPathComponent("debian")
          try suite(
            "buster", "linux-image-4.19.0-21-cloud-amd64", "4.19.249-2", meta: "linux-image-cloud-amd64",
            in: debian,
            by: key, until: past)
          let old = try await fetch("debian-10", debian, by: key.file, in: folder)
          #expect(old.kernel?.source == "linux-image-4.19.0-21-cloud-amd64 4.19.249-2", "\(old)")
          #expect(old.notes.contains { $0.contains("Valid-Until") })
          try suite(
            "noble", "linux-image-6.8.0-9-virtual", "6.8.0-9.9", meta: "linux-image-virtual", in: ubuntu,
            by: key,
            until: past)
          let expired = try await fetch("ubuntu-24.04", ubuntu, by: key.file, in: folder)
          #expect(
            expired.failure?.cause.contains("is expired") == true, "\(expired.failure?.description ?? "")")
        }
      }
    }
  }

  /// pacman's database, and a package with what it calls itself.
  private func arch(_ mirror: URL, version: String, own: String? = nil, name: String = "linux") throws -> URL
  {
    let folder = mirror.appendingPathComponent("core/os/x86_64")
    let (tree, database) = (mirror.appendingPathComponent("tree"), mirror.appendingPathComponent("database"))
    let modules = tree.appendingPathComponent("usr/lib/modules/6.12.1-arch1-1")
    let described = database.appendingPathComponent("linux-\(version)")
    for made in [folder, modules, described] {
      try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
    }
    try Fixtures.bzImage([0, 1], release: "6.12.1-arch1-1").write(
      to: modules.appendingPathComponent("vmlinuz"))
    try Fixtures.module(["depends="]).write(to: modules.appendingPathComponent("veth.ko"))
    try Data("pkgname = \(name)\npkgver = \(own ?? version)\n".utf8).write(
      to: tree.appendingPathComponent(".PKGINFO"))
    let package = folder.appendingPathComponent("linux-\(version)-x86_64.pkg.tar.zst")
    try tool("bsdtar", "--zstd", "-cf", package.path, ".PKGINFO", "usr", in: tree)
    try describe(package, version: version, in: mirror)
    return package
  }

  private func describe(_ package: URL, version: String, in mirror: URL) throws {
    let database = mirror.appendingPathComponent("database")
    let digest = try tool("sha256sum", package.path, in: mirror).prefix(64)
    let size = try Data(contentsOf: package).count
    try Data(
      """
      %FILENAME%
      \(package.lastPathComponent)

      %NAME%
      linux

      %VERSION%
      \(version)

      %CSIZE%
      \(size)

      %SHA256SUM%
      \(digest)

      """.utf8
    ).write(to: database.appendingPathComponent("linux-\(version)/desc"))
    try FileManager.default.createDirectory(
      at: database.appendingPathComponent("linux-headers-1"), withIntermediateDirectories: true)
    try Data("%NAME%\nlinux-headers\n".utf8).write(
      to: database.appendingPathComponent("linux-headers-1/desc"))
    try tool("bsdtar", "-czf", "../core/os/x86_64/core.db", ".", in: database)
  }

  @Test func aPackageOfPacmansIsHeldAgainstItsOwnSignature() async throws {
    try await Fixtures.withFolder { folder in
      try await SigningKey.with(in: folder, "arch") { key in
        func make(_ version: String, own: String? = nil, name: String = "linux") throws -> (URL, URL, URL) {
          let mirror = folder.appendingPathComponent("mirror-\(UUID().uuidString)")
          let package = try arch(mirror, version: version, own: own, name: name)
          let signature = package.appendingPathExtension("sig")
          try key.sign(package, as: signature, armoured: false)
          return (mirror, package, signature)
        }
        let (mirror, package, signature) = try make("6.12.1.arch1-1")
        let good = try await fetch("arch", mirror, by: key.file, in: folder)
        #expect(good.failure == nil, "\(good.failure?.description ?? "")")
        #expect(good.kernel?.source == "linux 6.12.1.arch1-1" && good.kernel?.release == "6.12.1-arch1-1")
        #expect(good.notes.contains { $0.hasSuffix("is signed by \(key.fingerprint)") }, "\(good.notes)")
        let lts = try await fetch("arch-lts", mirror, by: key.file, in: folder)
        #expect(lts.failure?.cause == "it has no package linux-lts")

        // A key whose makers have taken it back, as archlinux-keyring says it.
        let revoked = folder.appendingPathComponent("archlinux.gpg")
        try FileManager.default.copyItem(at: key.file, to: revoked)
        try Data("\(key.fingerprint)\n".utf8).write(to: folder.appendingPathComponent("archlinux-revoked"))
        let back = try await fetch("arch", mirror, by: revoked, in: folder)
        #expect(back.failure?.cause == "signed by \(key.fingerprint), a key that was taken back")

        try FileManager.default.removeItem(at: signature)
        let unsigned = try await fetch("arch", mirror, by: key.file, in: folder)
        #expect(unsigned.failure?.cause.contains("nobody has signed it") == true)

        // Changed, with a database that goes with it.
        try key.sign(package, as: signature, armoured: false)
        var bytes = try Data(contentsOf: package)
        bytes.append(0)
        try bytes.write(to: package)
        let larger = try await fetch("arch", mirror, by: key.file, in: folder)
        #expect(larger.failure?.cause.contains("bytes that the index gives it") == true)
        try describe(package, version: "6.12.1.arch1-1", in: mirror)
        let changed = try await fetch("arch", mirror, by: key.file, in: folder)
        #expect(changed.failure?.cause.contains("it was changed") == true, "\(changed)")

        let (older, _, _) = try make("6.12.1.arch1-1", own: "6.1.0.arch1-1")
        let replaced = try await fetch("arch", older, by: key.file, in: folder)
        #expect(replaced.failure?.cause == "it is linux 6.1.0.arch1-1, and not linux 6.12.1.arch1-1")
        let (other, _, _) = try make("6.12.1.arch1-1", name: "linux-lts")
        #expect(try await fetch("arch", other, by: key.file, in: folder).failure?.stage == "signature")
      }
    }
  }

  @Test func aDescriptionThatLeadsElsewhereIsRefused() {
    func package(_ file: String, size: String = "1") -> String {
      "%NAME%\nlinux\n\n%VERSION%\n1\n\n%FILENAME%\n\(file)\n\n%CSIZE%\n\(size)\n\n%SHA256SUM%\n"
        + String(repeating: "ab", count: 32) + "\n"
    }
    #expect(throws: Never.self) { try ArchRepository.Package(package("linux.pkg.tar.zst")) }
    for text in [
      package("../x"), package("/x"), package("http://h/x"), package("x", size: "-1"), package("x", size: ""),
      "",
      package("x").replacing("%SHA256SUM%", with: "%MD5SUM%"), package("x").replacing("abab", with: "zz"),
    ] {
      #expect(throws: Failure.self) { try ArchRepository.Package(text) }
    }
  }
}
