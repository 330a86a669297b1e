import Foundation
import Model
import Testing

@testable import MicroVM

/// Real apt, on repositories that the test makes.
@Suite struct AptTests {
  private let bookworm: KnownKernel

  init() throws { bookworm = try #require(KnownKernel.named("debian-12")) }

  /// A repository like Debian's, that nobody has signed, and settings that allow it.
  private func unsigned(_ folder: URL) throws -> (mirror: String, weak: String) {
    let files = FileManager.default
    let pool = folder.appendingPathComponent("debian/pool")
    let index = folder.appendingPathComponent("debian/dists/bookworm/main/binary-amd64")
    for made in [pool, index] { try files.createDirectory(at: made, withIntermediateDirectories: true) }
    let package = Fixtures.deb([Fixtures.member("./boot/vmlinuz-6.1.0-9-evil", Fixtures.bzImage([0, 1]))])
    try package.write(to: pool.appendingPathComponent("image.deb"))
    try Data(
      """
      Package: linux-image-cloud-amd64
      Version: 99
      Architecture: amd64
      Depends: linux-image-6.1.0-9-evil
      Filename: pool/image.deb
      Size: \(package.count)

      Package: linux-image-6.1.0-9-evil
      Version: 99
      Architecture: amd64
      Filename: pool/image.deb
      Size: \(package.count)

      """.utf8
    ).write(to: index.appendingPathComponent("Packages"))
    let weak = folder.appendingPathComponent("weak.conf")
    try Data(
      """
      APT::Get::AllowUnauthenticated "true";
      Acquire::AllowInsecureRepositories "true";
      Acquire::AllowWeakRepositories "true";
      Acquire::AllowDowngradeToInsecureRepositories "true";
      APT::Update::Pre-Invoke { "touch \(folder.path)/invoked"; };
      """.utf8
    ).write(to: weak)
    return ("file://\(folder.path)/debian", weak.path)
  }

  @Test func whatNobodySignedIsRefusedWhateverThisMachineAllows() async throws {
    try await Fixtures.withFolder { folder in
      let (mirror, weak) = try unsigned(folder)
      // With such settings apt takes it: the repository is one.
      let scratch = folder.appendingPathComponent("scratch")
      let scratchLists = scratch.appendingPathComponent("lists/partial")
      try FileManager.default.createDirectory(at: scratchLists, withIntermediateDirectories: true)
      try Data("deb [trusted=yes] \(mirror) bookworm main\n".utf8).write(
        to: scratch.appendingPathComponent("list"))
      var careless = Command(
        ["apt-get", "-qq"]
          + [
            "Dir::State=\(scratch.path)", "Dir::State::lists=\(scratch.path)/lists",
            "Dir::Cache=\(scratch.path)",
            "Dir::Etc::sourcelist=\(scratch.path)/list", "Dir::Etc::sourceparts=/dev/null",
            "Debug::NoLocking=1",
            "APT::Architecture=amd64", "APT::Architectures::=amd64", "APT::Sandbox::User=",
            "Acquire::Languages=none",
          ].flatMap { ["-o", $0] } + ["--error-on=any", "update"])
      careless.environment["APT_CONFIG"] = .some(weak)
      _ = try await careless.output()
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/lists").contains {
          $0.contains("_Packages")
        })
      try #require(FileManager.default.fileExists(atPath: folder.path + "/invoked"))
      try FileManager.default.removeItem(atPath: folder.path + "/invoked")

      let store = KernelStore(root: folder.appendingPathComponent("store"))
      setenv("APT_CONFIG", weak, 1)
      defer { unsetenv("APT_CONFIG") }
      let failure = await #expect(throws: Failure.self) {
        try await Packages(store: store).fetch(bookworm, mirror: mirror) { _ in }
      }
      #expect(failure?.cause.contains("bookworm") == true, "\(failure?.description ?? "")")
      #expect(failure?.cause.contains("not signed") == true || failure?.cause.contains("Release") == true)
      #expect(store.all().isEmpty)
      #expect(Fixtures.content(of: store.root) == ["kernels"])
      #expect(
        !FileManager.default.fileExists(atPath: folder.path + "/invoked"), "no program of theirs was run")
    }
  }

  /// What apt itself says is in force, and that the way to the mirror is this machine's.
  @Test func nothingThatDecidesWhatIsTrustedIsInherited() async throws {
    try await Fixtures.withFolder { folder in
      let (mirror, _) = try unsigned(folder)
      let state = folder.appendingPathComponent("state")
      try FileManager.default.createDirectory(at: state, withIntermediateDirectories: true)
      _ = try await Apt(
        in: state, site: mirror, suites: ["bookworm"],
        keyrings: ["/usr/share/keyrings/debian-archive-keyring.gpg"], isCurrent: true, deadline: 60)
      var dump = Command("apt-config", "dump")
      dump.environment["APT_CONFIG"] = .some(state.path + "/apt.conf")
      let lines = try await dump.lines()
      for name in [
        "APT::Get::AllowUnauthenticated", "Acquire::AllowInsecureRepositories",
        "Acquire::AllowWeakRepositories",
        "Acquire::AllowDowngradeToInsecureRepositories", "Acquire::AllowReleaseInfoChange",
      ] {
        #expect(lines.filter { $0.hasPrefix("\(name) ") } == ["\(name) \"false\";"])
      }
      #expect(lines.contains("Acquire::Check-Valid-Until \"true\";"))
      #expect(!lines.contains { $0.contains("-Invoke") })
      let sources = try String(contentsOfFile: state.path + "/sources.list", encoding: .utf8)
      #expect(sources.contains("signed-by=") && !sources.contains("trusted"))
    }
  }

  /// apt's own words of 2.6.1.
  @Test func aMirrorOfAnotherTimeIsNotOneThatCannotBeReached() {
    let expired =
      "E: Release file for http://m/dists/sid/InRelease is expired (invalid since 23d 3h 24min 15s). Updates for this repository will not be applied."
    #expect(Apt.mend(of: expired)?.contains("brought up to date") == true)
    let early =
      "E: Release file for http://m/dists/sid/InRelease is not valid yet (invalid for another 2h 3min 4s). Updates for this repository will not be applied."
    #expect(Apt.mend(of: early)?.contains("clock is behind") == true)
    #expect(Apt.mend(of: "E: Unable to locate package") == nil)
  }

  @Test func aMirrorThatAnswersNothingIsGivenUp() async throws {
    try await Fixtures.withFolder { folder in
      let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(listener) }
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      var size = socklen_t(MemoryLayout<sockaddr_in>.size)
      let port = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
          guard bind(listener, generic, size) == 0, listen(listener, 8) == 0,
            getsockname(listener, generic, &size) == 0
          else { return UInt16(0) }
          return UInt16(bigEndian: pointer.pointee.sin_port)
        }
      }
      try #require(port != 0)
      let store = KernelStore(root: folder.appendingPathComponent("store"))
      let failure = await #expect(throws: Failure.self) {
        try await Packages(store: store, deadline: 2)
          .fetch(bookworm, mirror: "http://127.0.0.1:\(port)/debian") { _ in }
      }
      #expect(failure?.stage == "apt-get" && failure?.object == "update")
      #expect(failure?.cause == "not done within 2 s, and ended")
      #expect(failure?.mend?.contains("is the mirror of this machine's apt reachable") == true)
      #expect(Fixtures.content(of: store.root) == ["kernels"])
    }
  }

  @Test func aMirrorThatIsNoneIsAMistakeInUsage() async throws {
    try await Fixtures.withFolder { folder in
      let packages = Packages(store: KernelStore(root: folder))
      for mirror in [
        "", "ftp://x", "http://x/ [trusted=yes]", "http://x/[trusted=yes]", "http://x/\nDir::Bin /x",
        "file:x",
      ] {
        let failure = await #expect(throws: Failure.self) {
          try await packages.fetch(bookworm, mirror: mirror) { _ in }
        }
        #expect(failure?.isUsage == true)
      }
      let gone = await #expect(throws: Failure.self) {
        try await packages.fetch(bookworm, mirror: "file:///nothing/here") { _ in }
      }
      #expect(gone?.isUsage == false && gone?.object == "update", "\(gone?.description ?? "")")
    }
  }

  @Test func onlyPackagesOfKernelsAreDownloaded() {
    for name in [
      "linux-image-6.1.0-50-cloud-amd64", "linux-binary-7.2.13+deb14-amd64", "linux-modules-6.8.0-31-generic",
    ] {
      #expect(Apt.isKernelPackage(name))
    }
    for name in [
      "linux-image-amd64", "linux-image-6.1-unsigned", "  Depends: linux-image-6.1", "linux-image-6.1 -o x=y",
      "linux-image-6.1;x", "<linux-image-6>", "linux-image-", "",
    ] {
      #expect(!Apt.isKernelPackage(name))
    }
  }
}
