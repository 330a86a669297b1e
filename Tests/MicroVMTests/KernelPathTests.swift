import Foundation
import Model
import Testing

@testable import MicroVM

/// Kernels by version, and kernels where they lie.
@Suite struct KernelPathTests {
  // MARK: versions

  @Test func versionsAreOrderedAsDpkgOrdersThem() {
    let ordered = [
      "3.10.0-1160.el7.x86_64", "4.9.115", "5.10.223-1", "6.1.9", "6.1.176-1~bpo", "6.1.176-1",
      "6.1.176-1+b1",
      "6.1.192-tree", "6.12.0-rc1", "6.12.0-rc12", "6.12.0", "6.12.0-tree", "6.12.117-1",
      "7.2.13+deb14-cloud-amd64",
    ].map(KernelVersion.init)
    for (index, version) in ordered.enumerated() {
      for (other, than) in ordered.enumerated() {
        #expect((version < than) == (index < other), "\(version) \(than)")
        #expect((version == than) == (index == other), "\(version) \(than)")
      }
    }
    #expect(KernelVersion("6.01") == KernelVersion("6.1"))
  }

  @Test func aPackagesVersionCountsWhereItIsThatOfTheKernel() throws {
    func version(_ release: String, _ source: String) throws -> String {
      KernelVersion(
        of: StoredKernel(
          key: try KernelName("x"), release: release, source: source, digests: [:], bundles: [], pvh: true)
      ).description
    }
    #expect(
      try version("6.1.0-50-cloud-amd64", "linux-image-6.1.0-50-cloud-amd64 6.1.176-1") == "6.1.176-1")
    #expect(
      try version("7.2.13+deb14-amd64", "linux-image-7.2.13.deb linux-modules-7.2.13_7.2.13-1_amd64.deb")
        == "7.2.13+deb14-amd64")
    #expect(try version("6.1.192-tree", "/src/linux-6.1/arch/x86/boot/bzImage") == "6.1.192-tree")
    #expect(try version("6.1.192-tree", "/src/6.12") == "6.1.192-tree")
  }

  @Test(arguments: [
    ("6.1.0-50-cloud-amd64", KernelFlavour.cloud), ("6.1.0-50-rt-amd64", .rt), ("6.1.0-50-amd64", .generic),
    ("6.12.0-rt", .rt), ("6.1.192-tree", .generic), ("6.12.0-artful", .generic),
  ])
  func aFlavourIsReadFromARelease(_ release: String, _ flavour: KernelFlavour) {
    #expect(KernelFlavour(release) == flavour)
  }

  @Test func knownKernelsHaveTheFlavourOfTheirPackage() {
    let flavours = ["debian-12", "debian-12-rt", "debian-12-generic", "debian-13-backports"].map {
      KnownKernel.named($0)?.flavour
    }
    #expect(flavours == [.cloud, .rt, .generic, .generic])
  }

  // MARK: a name or a path

  private func word(_ text: String, _ store: KernelStore) throws -> KernelWord {
    try KernelWord(text, in: store)
  }

  private func files(_ path: String) throws -> KernelFiles { try KernelFiles(at: path) }

  private func with(_ files: [String: String], _ body: (KernelStore, String) async throws -> Void)
    async throws
  {
    try await Fixtures.withFolder { folder in
      for (path, content) in files {
        let file = folder.appendingPathComponent(path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content.utf8).write(to: file)
      }
      try await body(KernelStore(root: folder.appendingPathComponent("cache")), folder.path)
    }
  }

  @Test func whatHasASlashIsAPathAndWhatNobodyKnowsIsAName() async throws {
    try await with([:]) { store, folder in
      for path in ["./linux", "/src/linux", "../debian-12", "arch/x86/boot/bzImage", "linux/", "/", "a/../b"]
      {
        let seen = try word(path, store)
        #expect(seen == .path(path))
      }
      // A folder of the working folder: that of this package's tests has one.
      let seen = try word(".", store)
      #expect(seen == .path("."))
      let above = try word("..", store)
      #expect(above == .path(".."))
      for name in ["host", "running", "debian-12", "no-such-file-here", "6.1"] {
        let own = try KernelName(name)
        let seen = try word(name, store)
        #expect(seen == .name(own))
      }
      for word in ["", "-x", "a b", "debian-12-emulated", "\u{0}"] {
        let failure = #expect(throws: Failure.self) { _ = try self.word(word, store) }
        #expect(failure?.isUsage == true)
      }
    }
  }

  /// A file that is called like a kernel that is stored or known takes nobody's place; another file is itself.
  @Test func aStoredKernelsNameIsNoPathThoughAFileIsCalledSo() async throws {
    try await with(["bzImage": "x", "debian-12": "x", "mine": "x"]) { store, folder in
      let image = folder + "/image"
      try Fixtures.pvhKernel.write(to: URL(fileURLWithPath: image))
      _ = try await store.add(
        name: try KernelName("mine"), image: URL(fileURLWithPath: image), modules: nil, source: "test",
        release: "1.2.3")
      // The working folder is one for the whole process, so what is asked is whether it was looked at: by link.
      let here = FileManager.default.currentDirectoryPath
      for name in ["debian-12", "mine"] {
        let link = here + "/" + name
        guard symlink(folder + "/" + name, link) == 0 else { continue }
        defer { unlink(link) }
        let own = try KernelName(name)
        let seen = try word(name, store)
        #expect(seen == .name(own))
      }
      let other = "pawslab-test-\(UUID().uuidString)"
      try #require(symlink(folder + "/bzImage", here + "/" + other) == 0)
      defer { unlink(here + "/" + other) }
      let seen = try word(other, store)
      #expect(seen == .path(other))
    }
  }

  // MARK: what lies there

  private func refusal(_ path: String) -> String {
    do throws(Failure) {
      _ = try KernelFiles(at: path)
      return "none"
    } catch {
      #expect(error.isUsage, "\(error)")
      return "\(error.cause); \(error.mend ?? "no mend")"
    }
  }

  @Test func aTreeThatWasBuiltIsFoundWithTheModulesOfItsList() async throws {
    let files = ["linux/arch/x86/boot/bzImage": "x", "linux/modules.order": "net/veth.o\n"]
    try await with(files) { _, folder in
      let real = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path + "/linux"
      for path in ["linux", "linux/", "linux/../linux/."] {
        let found = try KernelFiles(at: "\(folder)/\(path)")
        #expect(found.image == real + "/arch/x86/boot/bzImage")
        #expect(found.modules == .inTree(real))
        #expect(found.title == "linux")
      }
      // Its image alone is one without modules.
      let alone = try KernelFiles(at: folder + "/linux/arch/x86/boot/bzImage")
      #expect(alone.modules == .builtIn && alone.title == "linux")
    }
  }

  @Test func aTreeThatLacksSomethingSaysWhatMakesIt() async throws {
    let files = [
      "sources/Kbuild": "", "configured/Kbuild": "", "configured/.config": "", "output/.config": "CONFIG_X=y",
      "without/arch/x86/boot/bzImage": "x", "without/.config": "CONFIG_NET=y\nCONFIG_VETH=m\n",
      "whole/arch/x86/boot/bzImage": "x", "whole/.config": "CONFIG_NET=y\n", "a.deb": "", "b.rpm": "",
    ]
    try await with(files) { _, folder in
      #expect(refusal(folder + "/sources").hasSuffix("; make x86_64_defconfig; make bzImage modules"))
      for name in ["configured", "output"] {
        #expect(
          refusal("\(folder)/\(name)")
            == "a tree whose kernel is not built: no arch/x86/boot/bzImage; make bzImage modules")
      }
      #expect(
        refusal(folder + "/without").hasPrefix(
          "its modules are not built: CONFIG_VETH=m, and there is no modules.order; make modules; or name"))
      let seen = try self.files(folder + "/whole").modules
      #expect(seen == .builtIn)
      #expect(refusal(folder) == "no kernel in this folder; \(KernelFiles.wanted)")
      #expect(refusal(folder + "/wole") == "No such file or directory; did you mean \(folder)/whole?")
      #expect(refusal(folder + "/sources/../wole/").hasSuffix("; did you mean \(folder)/sources/../whole?"))
      #expect(refusal(folder + "/a.deb") == "it is a package; pawslab kernels add NAME --deb \(folder)/a.deb")
      #expect(refusal(folder + "/b.rpm").contains("--rpm"))
      #expect(refusal("/dev/null") == "neither a file nor a folder; \(KernelFiles.wanted)")
    }
  }

  @Test func whatPackagesLayOutIsFound() async throws {
    let files = [
      "deb/boot/vmlinuz-6.1.0-x": "x", "deb/lib/modules/6.1.0-x/modules.dep": "",
      "deb/boot/config-6.1.0-x": "",
      "arch/usr/lib/modules/6.2/vmlinuz": "x", "arch/usr/lib/modules/6.2/kernel/a.ko": "x",
      "two/boot/vmlinuz-1": "x", "two/lib/modules/1/a": "", "two/boot/vmlinuz-2": "x",
      "two/lib/modules/2/a": "",
      "half/lib/modules/6.3/kernel/a.ko": "x",
    ]
    try await with(files) { _, folder in
      let real = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
      let deb = try KernelFiles(at: folder + "/deb")
      #expect(
        deb.image == real + "/deb/boot/vmlinuz-6.1.0-x" && deb.release == "6.1.0-x" && deb.title == "deb")
      #expect(deb.modules == .below(real + "/deb/lib/modules/6.1.0-x"))
      let arch = try KernelFiles(at: folder + "/arch/usr/lib/modules/6.2")
      #expect(arch.image == real + "/arch/usr/lib/modules/6.2/vmlinuz" && arch.title == "6.2")
      let seen = try self.files(folder + "/arch").image
      #expect(seen == arch.image)
      #expect(refusal(folder + "/two") == "2 kernels: 1, 2; name lib/modules/RELEASE of one")
      #expect(refusal(folder + "/half").hasPrefix("no kernel in this folder"))
    }
  }

  // MARK: modules in a tree

  /// A tree whose list of modules is as that of its time.
  private func tree(
    _ order: String, modules: [String: [String]], image: String = "6.1.0-test",
    _ body: (KernelStore, String) async throws -> Void
  ) async throws {
    try await with(["linux/modules.order": order, "linux/modules.builtin": "kernel/net/ipv6/ipv6.ko\n"]) {
      store, folder in
      for (path, info) in modules {
        let file = URL(fileURLWithPath: "\(folder)/linux/\(path)")
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Fixtures.module(info).write(to: file)
      }
      let boot = URL(fileURLWithPath: folder + "/linux/arch/x86/boot")
      try FileManager.default.createDirectory(at: boot, withIntermediateDirectories: true)
      try Fixtures.bzImage([1, 2, 3, 4], release: image).write(to: boot.appendingPathComponent("bzImage"))
      try await body(store, folder + "/linux")
    }
  }

  @Test(arguments: [
    // 6.2 and later; 5.5 to 6.1; before.
    "drivers/net/veth.o\nnet/core/failover.o\n", "drivers/net/veth.ko\nnet/core/failover.ko\n",
    "kernel/drivers/net/veth.ko\nkernel/net/core/failover.ko\n",
  ])
  func modulesAreTakenFromWhereTheBuildLeftThem(_ order: String) async throws {
    let modules = [
      "drivers/net/veth.ko": ["depends=failover", "vermagic=6.1.0-test SMP mod_unload "],
      "net/core/failover.ko": ["depends=", "vermagic=6.1.0-test SMP mod_unload "],
      // Left by an earlier configuration, and on no list.
      "net/bridge/bridge.ko": ["depends="],
    ]
    try await tree(order, modules: modules) { store, path in
      let kernel = try await store.takeAside(path)
      #expect(kernel.name == "linux" && kernel.release == "6.1.0-test")
      #expect(kernel.bundles.first { $0.name == "base" }?.files == ["failover.ko", "veth.ko"])
      #expect(kernel.bundles.first { $0.name == "bridge" }?.files == [])
    }
  }

  @Test func aModuleOfAnotherBuildIsRefusedBeforeAnythingBoots() async throws {
    let modules = ["drivers/net/veth.ko": ["depends=", "vermagic=6.1.0-rc8 SMP mod_unload "]]
    try await tree("drivers/net/veth.o\n", modules: modules) { store, path in
      let failure = await #expect(throws: Failure.self) { try await store.takeAside(path) }
      #expect(failure?.cause == "it was built for Linux 6.1.0-rc8, and the image is Linux 6.1.0-test")
      #expect(failure?.mend == "make bzImage modules")
    }
    try await tree("drivers/net/veth.o\n", modules: [:]) { store, path in
      let failure = await #expect(throws: Failure.self) { try await store.takeAside(path) }
      #expect(failure?.cause == "modules.order lists it, and it is not there")
    }
    try await with(["text": "no kernel"]) { store, folder in
      let failure = await #expect(throws: Failure.self) { try await store.takeAside(folder + "/text") }
      #expect(failure?.isUsage == true && failure?.cause == "neither a bzImage nor an ELF kernel")
    }
    // A list that leads elsewhere leads nowhere.
    try await tree("../../../etc/veth.o\n/etc/veth.o\n", modules: [:]) { store, path in
      let kernel = try await store.takeAside(path)
      #expect(kernel.bundles.allSatisfy { $0.files.isEmpty })
    }
  }

  @Test func aKernelIsUsedWhereItLiesAndNothingIsStored() async throws {
    try await tree("", modules: [:]) { store, path in
      let kernel = try await store.takeAside(path)
      let seen = try await store.takeAside(path + "/.")
      #expect(seen == kernel)
      #expect(store.all().isEmpty && KernelStore(root: store.root).entry("linux") == nil)
      #expect(store.entry("linux") == kernel)
      try await store.verify(kernel)
      // Another that is called so has another name.
      let other = path + "/inner/linux/arch/x86/boot"
      try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: path + "/arch/x86/boot/bzImage", toPath: other + "/bzImage")
      let second = try await store.takeAside(path + "/inner/linux")
      #expect(
        second.name == "boot-linux" && store.entry("boot-linux") == second && store.entry("linux") == kernel)
    }
    try await tree("", modules: [:]) { store, path in
      do {
        let own = KernelStore(root: store.root)
        _ = try await own.takeAside(path)
        #expect(Fixtures.content(of: store.root).contains { $0.hasSuffix("linux/manifest.json") })
      }
      // It goes with the store that took it.
      #expect(Fixtures.content(of: store.root) == ["kernels"])
    }
  }

  @Test(arguments: [
    ("linux", "linux"), ("linux 6.1 (mine)", "linux-6.1--mine-"), ("..", "kernel"), (".hidden", "hidden"),
    ("größe", "gr--e"), ("-x", "x"), ("", "kernel"),
    (String(repeating: "a", count: 99), String(repeating: "a", count: 61)),
  ])
  func aTitleBecomesAName(_ title: String, _ name: String) {
    #expect(KernelStore.name(title)?.text == name)
  }

  @Test func whatWasFoundOfKernelsThatAreNotStoredGoesAfterADay() async throws {
    try await with([
      "cache/probes/linux.json": "x", "cache/saved/linux/memory": "x", "cache/probes/new.json": "x",
    ]) {
      store, folder in
      for path in ["probes/linux.json", "saved/linux"] {
        var times = [
          timeval(tv_sec: time(nil) - 90_000, tv_usec: 0), timeval(tv_sec: time(nil) - 90_000, tv_usec: 0),
        ]
        #expect(utimes("\(folder)/cache/\(path)", &times) == 0)
      }
      store.sweep()
      let left = Fixtures.content(of: store.root)
      #expect(
        !left.contains("probes/linux.json") && !left.contains("saved/linux")
          && left.contains("probes/new.json"))
    }
  }
}
