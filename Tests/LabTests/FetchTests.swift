import Foundation
import Lab
import MicroVM
import Model
import TestSupport
import Testing

/// A distribution's kernel from a mirror into the store: a real kernel, repackaged, signed and served by the test. What is
/// stored is the same to the byte as what other tests boot, so it need not be booted here.
@Suite(
  .serialized,
  .enabled(
    if: Needs.met(
      KernelStore().entry(Machines.fallback) != nil && Needs.program("createrepo_c") != nil
        && Needs.program("rpmsign") != nil),
    "SKIPPED: needs debian-12 in the cache, rpm and createrepo-c"),
  .timeLimit(.minutes(5)))
struct FetchTests {
  @Test func aKernelOfAMirrorsIsFetchedByName() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fetch-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let stored = try #require(KernelStore().entry(Machines.fallback))
    let good = KernelStore().root.appendingPathComponent("kernels/\(Machines.fallback)")
    func tree(_ name: String, _ file: URL, as path: String) throws -> URL {
      let tree = folder.appendingPathComponent(name)
      let place = tree.appendingPathComponent("lib/modules/\(stored.release)/\(path)")
      try FileManager.default.createDirectory(
        at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
      try FileManager.default.copyItem(at: file, to: place)
      return tree
    }
    try await SigningKey.with(in: folder, "fedora") { key in
      let mirror = folder.appendingPathComponent("mirror")
      let repository = try RpmMaker(mirror.appendingPathComponent("updates/44/Everything/x86_64"))
      let version = "6.1.0-1.fc44"
      try key.sign(
        package: try repository.add(
          "kernel-core", version,
          tree: try tree("core", good.appendingPathComponent("vmlinux"), as: "vmlinuz")))
      try key.sign(
        package: try repository.add(
          "kernel-modules", version,
          tree: try tree("rest", good.appendingPathComponent("modules"), as: "kernel")))
      try repository.index()
      let server = try FileServer(mirror)
      defer { server.stop() }

      // All that it needs, and no QEMU.
      let tools = folder.appendingPathComponent("tools")
      try FileManager.default.createDirectory(at: tools, withIntermediateDirectories: true)
      for name in ["cat", "curl", "gpgv", "gzip", "zstd", "xz", "bsdtar", "sha256sum"] {
        try FileManager.default.createSymbolicLink(
          atPath: "\(tools.path)/\(name)", withDestinationPath: try #require(Needs.program(name), "\(name)"))
      }
      let process = Process()
      process.executableURL = URL(fileURLWithPath: ProgramTests.program)
      process.arguments = [
        "kernels", "fetch", "fedora-44", "--mirror", server.address + "/", "--keyring", key.file.path,
      ]
      process.environment = ProcessInfo.processInfo.environment.merging(
        ["XDG_CACHE_HOME": folder.path, "PATH": tools.path]
      ) { $1 }
      let errors = Pipe()
      process.standardError = errors
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(text)")
      for name in ["kernel-core", "kernel-modules"] {
        #expect(text.contains("fedora-44: \(name) is signed by \(key.fingerprint)"), "\(text)")
      }
      #expect(
        text.contains("fedora-44: stored, Linux \(stored.release); not tried, for there is no QEMU"),
        "\(text)")
      let fetched = try #require(
        KernelStore(root: folder.appendingPathComponent("pawslab")).entry("fedora-44"))
      #expect(fetched.source == "kernel-core 6.1.0-1.fc44")
      #expect(fetched.digests == stored.digests && fetched.bundles == stored.bundles)
    }
  }
}
