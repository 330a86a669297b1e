import Foundation
import Model
import Testing

@testable import MicroVM

@Suite struct KernelStoreTests {
  private let mine: KernelName

  init() throws { mine = try KernelName("mine") }

  private func withStore(_ body: (KernelStore, URL) async throws -> Void) async throws {
    try await Fixtures.withFolder { folder in
      try await body(KernelStore(root: folder.appendingPathComponent("cache/pawslab")), folder)
    }
  }

  @discardableResult
  private func add(
    _ name: String, to store: KernelStore, release: String = "1.2.3",
    replacing: KernelStore.Replacing = .nothing
  )
    async throws -> StoredKernel
  {
    let image = store.root.deletingLastPathComponent().appendingPathComponent("image-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: image.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Fixtures.pvhKernel.write(to: image)
    defer { try? FileManager.default.removeItem(at: image) }
    return try await store.add(
      name: try KernelName(name), image: image, modules: nil, source: "test", release: release,
      replacing: replacing)
  }

  // MARK: names

  @Test(arguments: [
    "../../../victim", "../..", "..", ".", "", "/", "a/../../victim", "host", "nothing", ".lock",
  ])
  func removingWhatIsNotStoredRemovesNothing(_ name: String) async throws {
    try await withStore { store, folder in
      try await add("mine", to: store)
      let victim = folder.appendingPathComponent("victim")
      try FileManager.default.createDirectory(at: victim, withIntermediateDirectories: true)
      try Data("precious".utf8).write(to: victim.appendingPathComponent("file"))
      let before = Fixtures.content(of: folder)
      let failure = #expect(throws: Failure.self) { try store.remove(name) }
      #expect(failure?.isUsage == true)
      #expect(Fixtures.content(of: folder) == before)
      #expect(store.entry(name) == nil)
    }
  }

  @Test func whatIsStoredIsRemovedWithItsProbe() async throws {
    try await withStore { store, _ in
      let kernel = try await add("mine", to: store)
      ProbeCache(kernel, store: store, worker: "/bin/sh").save(possible)
      #expect(ProbeCache(kernel, store: store, worker: "/bin/sh").load() == possible)
      try store.remove("mine")
      #expect(store.all().isEmpty)
      #expect(Fixtures.content(of: store.root) == ["kernels", "probes"])
      let failure = #expect(throws: Failure.self) { try store.remove("mine") }
      #expect(failure?.mend == "none is")
    }
  }

  @Test func anEntryOfANameThatIsNoneIsNotSeen() async throws {
    try await withStore { store, _ in
      try await add("mine", to: store)
      let kernels = store.root.appendingPathComponent("kernels")
      for name in ["x-emulated", "host", ".hidden", "-x", "a b"] {
        try FileManager.default.copyItem(
          at: kernels.appendingPathComponent("mine"), to: kernels.appendingPathComponent(name))
      }
      #expect(store.all().map(\.name) == ["mine"])
      #expect(store.damaged().isEmpty)
      // One that was copied says whose it is.
      try FileManager.default.copyItem(
        at: kernels.appendingPathComponent("mine"), to: kernels.appendingPathComponent("other"))
      #expect(store.damaged().map(\.failure.cause) == ["its manifest.json is that of mine"])
    }
  }

  // MARK: what is wrong in the cache

  @Test(arguments: [
    ("", "cannot be read"), ("{", "cannot be read"), ("[[[[", "cannot be read"),
    ("\u{0}\u{1}", "cannot be read"),
    (#"{"version": 0}"#, "was made by another version of pawslab"),
    (#"{"version": 99999999999999999999}"#, "cannot be read"),
  ]) func aManifestThatIsNoneIsSaidSo(_ text: String, _ cause: String) async throws {
    try await withStore { store, _ in
      try await add("mine", to: store)
      try Data(text.utf8).write(to: store.folder(mine).appendingPathComponent("manifest.json"))
      #expect(store.all().isEmpty && store.entry("mine") == nil)
      let damaged = try #require(store.damaged().first)
      #expect(damaged.failure.cause == "its manifest.json \(cause)")
      #expect(damaged.failure.mend == "pawslab kernels remove mine, then fetch or add it again")
      // Which works.
      try store.remove("mine")
      #expect(store.damaged().isEmpty)
    }
  }

  /// One of before `nft_queue` was kept had its cases run on another kernel, or skipped.
  @Test func anEntryWithFewerModulesSaysSo() async throws {
    try await withStore { store, _ in
      var kernel = try await add("mine", to: store)
      #expect(!kernel.isOutdated)
      kernel.wanted?.removeAll { $0 == "nft_queue" }
      #expect(kernel.isOutdated)
      kernel.wanted = nil
      #expect(try StoredKernel(bytes: try JSONEncoder().encode(kernel), of: mine).isOutdated)
    }
  }

  @Test func aManifestWithOtherPathsIsRefused() async throws {
    try await withStore { store, _ in
      let kernel = try await add("mine", to: store)
      func cause(_ change: (inout StoredKernel) -> Void) throws -> String {
        var changed = kernel
        change(&changed)
        do {
          _ = try StoredKernel(bytes: try JSONEncoder().encode(changed), of: mine)
          return "taken"
        } catch let failure as Failure { return failure.cause }
      }
      let digest = String(repeating: "0", count: 64)
      #expect(try cause { _ in } == "taken")
      for path in [
        "../../victim", "/etc/shadow", "modules/../../x.ko", "modules/x", "modules/.ko", "manifest.json",
      ] {
        #expect(
          try cause { $0.digests[path] = digest } == "its manifest.json names a file that no kernel here has")
        let bundle = StoredKernel.Bundle(name: "base", files: [path])
        #expect(try cause { $0.bundles = [bundle] } == "its manifest.json names a module that it has not")
      }
      // Each file that is loaded has its digest.
      #expect(
        try cause { $0.bundles = [.init(name: "base", files: ["veth.ko"])] }
          == "its manifest.json names a module that it has not")
      #expect(
        try cause {
          $0.digests["modules/veth.ko"] = digest
          $0.bundles = [.init(name: "base", files: ["veth.ko"])]
        } == "taken")
      #expect(
        try cause { $0.bundles = [.init(name: "a b\nc", files: [])] }.hasSuffix("module that it has not"))
      #expect(try cause { $0.digests["vmlinux"] = "x" }.hasSuffix("names a file that no kernel here has"))
      #expect(try cause { $0.digests = [:] } == "its manifest.json has no vmlinux")
      #expect(try cause { $0.release = "6.1\u{1b}[31m" } == "its manifest.json names a release that is none")
      #expect(try cause { $0.source = "a\nok 2 forged" } == "its manifest.json names a source that is none")
    }
  }

  @Test func aFileThatChangedOrIsGoneIsNotUsed() async throws {
    try await withStore { store, _ in
      let kernel = try await add("mine", to: store)
      try await store.verify(kernel)
      let file = store.folder(mine).appendingPathComponent("vmlinux")
      try Data("changed".utf8).write(to: file)
      let changed = await #expect(throws: Failure.self) { try await store.verify(kernel) }
      #expect(changed?.cause == "vmlinux is not what was stored (SHA-256 differs)")
      try FileManager.default.removeItem(at: file)
      let gone = await #expect(throws: Failure.self) { try await store.verify(kernel) }
      #expect(gone?.cause == "vmlinux is gone")
      try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: "/dev/zero")
      #expect(
        await #expect(throws: Failure.self) { try await store.verify(kernel) }?.cause == "vmlinux is gone")
    }
  }

  private var possible: Kernel {
    Kernel(
      release: "1.2.3", machine: "x86_64", capabilities: [.feature(.ipvs)], perKernelSettings: [],
      timestampTicksPerSecond: 1000, privilege: .root, missing: [:])
  }

  @Test func aProbeThatCannotBeIsAskedAgain() async throws {
    try await withStore { store, _ in
      let kernel = try await add("mine", to: store)
      let cache = ProbeCache(kernel, store: store, worker: "/bin/sh")
      let file = store.root.appendingPathComponent("probes/mine.json")
      for ticks in [0, -1, Int.max, Int.min] {
        var wrong = possible
        wrong.timestampTicksPerSecond = ticks
        cache.save(wrong)
        #expect(FileManager.default.fileExists(atPath: file.path))
        #expect(cache.load() == nil, "\(ticks) ticks")
      }
      var wrong = possible
      wrong.release = "6.1\nok 2"
      cache.save(wrong)
      #expect(cache.load() == nil)
      for text in ["", "{", "null", "[]", "\u{0}", #"{"key": "x"}"#] {
        try Data(text.utf8).write(to: file)
        #expect(cache.load() == nil)
      }
      cache.save(possible)
      #expect(cache.load() == possible)
      // Another worker may find something else.
      #expect(ProbeCache(kernel, store: store, worker: "/bin/cat").load() == nil)
    }
  }

  // MARK: adding

  @Test func aFileThatIsNoKernelLeavesNothing() async throws {
    try await withStore { store, folder in
      let file = folder.appendingPathComponent("text")
      try Data("hello".utf8).write(to: file)
      func cause(_ path: String) async -> String? {
        await #expect(throws: Failure.self) {
          try await store.add(name: mine, image: URL(fileURLWithPath: path), modules: nil, source: "test")
        }?.cause
      }
      #expect(await cause(file.path) == "neither a bzImage nor an ELF kernel")
      #expect(await cause(folder.path) == "Is a directory")
      #expect(await cause(folder.path + "/nothing") == "No such file or directory")
      #expect(await cause("/dev/zero") == "it is no regular file")
      #expect(store.all().isEmpty)
      #expect(Fixtures.content(of: store.root).isEmpty)
    }
  }

  @Test func anEntryIsReplacedOnlyWhereThatIsSaid() async throws {
    try await withStore { store, _ in
      try await add("mine", to: store, release: "1.0")
      let failure = await #expect(throws: Failure.self) { try await add("mine", to: store, release: "2.0") }
      #expect(failure?.isUsage == true)
      #expect(failure?.mend?.contains("--replace") == true)
      #expect(store.entry("mine")?.release == "1.0")
      try await add("mine", to: store, release: "2.0", replacing: .entry)
      #expect(store.entry("mine")?.release == "2.0")
      // What cannot be used is no loss.
      try Data("{".utf8).write(to: store.folder(mine).appendingPathComponent("manifest.json"))
      try await add("mine", to: store, release: "3.0")
      #expect(store.entry("mine")?.release == "3.0")
      #expect(
        Fixtures.content(of: store.root.appendingPathComponent("kernels")).allSatisfy { !$0.hasPrefix(".") })
    }
  }

  @Test func aKernelIsMadeAsideAndPutInItsPlaceAtOnce() async throws {
    try await withStore { store, _ in
      try await add("mine", to: store, release: "1.0")
      do {
        let staging = try store.staging()
        try await add("mine", to: staging.store, release: "2.0")
        #expect(store.entry("mine")?.release == "1.0", "the old one stays until the new one is adopted")
      }
      #expect(store.entry("mine")?.release == "1.0")
      #expect(
        Fixtures.content(of: store.root.appendingPathComponent("kernels")).allSatisfy { $0.hasPrefix("mine") }
      )
      do {
        let staging = try store.staging()
        let new = try await add("mine", to: staging.store, release: "2.0")
        #expect(throws: Failure.self) { try store.adopt(new, from: staging, replacing: .nothing) }
        try store.adopt(new, from: staging, replacing: .entry)
      }
      #expect(store.entry("mine")?.release == "2.0")
      #expect(
        Fixtures.content(of: store.root.appendingPathComponent("kernels")).allSatisfy { $0.hasPrefix("mine") }
      )
    }
  }

  // MARK: what killed commands leave

  @Test func whatIsLeftGoesAndWhatIsInUseStays() async throws {
    try await withStore { store, _ in
      let held = try store.scratch()
      let kernels = store.root.appendingPathComponent("kernels")
      for name in [".partial-dead", ".partial-old-1", ".partial-\(getpid())"] {
        try FileManager.default.createDirectory(
          at: kernels.appendingPathComponent(name), withIntermediateDirectories: true)
        try Data().write(to: kernels.appendingPathComponent("\(name)/file"))
      }
      // One of a process that was killed: its file is there and nobody holds its lock.
      try Data().write(to: kernels.appendingPathComponent(".partial-dead/lock"))
      try await add("mine", to: store)
      store.sweep()
      let left = try FileManager.default.contentsOfDirectory(atPath: kernels.path).sorted()
      #expect(left == [".lock", held.url.lastPathComponent, "mine"].sorted())
      held.remove()
      store.sweep()
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: kernels.path).sorted() == [".lock", "mine"])
    }
  }

  /// Two containers that share a cache have each other's process IDs: what tells the living from the dead is a lock.
  @Test func anotherProcessNamespaceIsNoReasonToRemoveAnything() async throws {
    try await withStore { store, folder in
      let kernels = store.root.appendingPathComponent("kernels")
      let theirs = kernels.appendingPathComponent(".partial-theirs")
      try FileManager.default.createDirectory(at: theirs, withIntermediateDirectories: true)
      let fifo = folder.appendingPathComponent("ready").path
      mkfifo(fifo, 0o600)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
      // It holds the lock until its standard input ends, and says when it has it.
      process.arguments = [theirs.path + "/lock", "sh", "-c", "echo ready > \(fifo); cat"]
      let input = Pipe()
      process.standardInput = input
      try process.run()
      let ready = open(fifo, O_RDONLY)
      defer { close(ready) }
      var said = [UInt8](repeating: 0, count: 16)
      #expect(read(ready, &said, said.count) == 6)
      store.sweep()
      #expect(FileManager.default.fileExists(atPath: theirs.path))
      try input.fileHandleForWriting.close()
      process.waitUntilExit()
      store.sweep()
      #expect(!FileManager.default.fileExists(atPath: theirs.path))
    }
  }
}
