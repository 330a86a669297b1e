import Foundation
import Model
import Testing

@testable import MicroVM

@Suite struct ModuleTests {
  @Test func aModuleSaysWhatItNeeds() throws {
    let info = try ModuleInfo(
      bytes: Fixtures.module([
        "license=GPL", "depends=nf-conntrack,x_tables", "name=x", "softdep=pre: crc32c-x post: a b",
        "softdep=pre: y",
        "alias=nft-chain-2-nat", "nothing", "=",
      ]))
    #expect(info.depends == ["nf_conntrack", "x_tables"])
    #expect(info.before == ["crc32c_x", "y"])
    #expect(info.after == ["a", "b"])
    #expect(info.aliases == ["nft-chain-2-nat"])
    #expect(try ModuleInfo(bytes: Fixtures.module(["depends="])).depends.isEmpty)
  }

  @Test func whatIsNoModuleIsSaidSo() {
    func refusal(_ data: Data) -> String {
      do {
        _ = try ModuleInfo(bytes: data)
        return "taken"
      } catch { return error.cause }
    }
    #expect(refusal(Data("root:!:19000:0:99999:7:::".utf8)) == "it is no ELF file, so no module")
    #expect(refusal(Fixtures.module([], machine: 3)) == "it is no module for x86-64")
    #expect(refusal(Fixtures.pvhKernel) == "it is no module for x86-64")
    #expect(refusal(Fixtures.module(["depends=a"]).prefix(80)) == "the file is cut short, or says nothing")
  }

  @Test func theIndexesOfDepmodAreRead() throws {
    let index = try ModuleIndex(
      bytes: Data(
        """
        # Aliases extracted from modules themselves.
        kernel/net/a-b.ko.xz: kernel/net/c.ko.xz kernel/net/d.ko
        kernel/net/c.ko:
        softdep libcrc32c pre: crc32c
        softdep x pre: y post: z
        alias crypto-crc32c crc32c_intel
        alias crypto-crc32c crc32c-generic
        alias crc32* any
        kernel/crypto/sha256_generic.ko
        aes_generic.alias=crypto-aes\0aes_generic.license=GPL\0
        alias too short
        """.utf8))
    #expect(index.depends == ["a_b": ["c", "d"], "c": []])
    #expect(index.before == ["libcrc32c": ["crc32c"], "x": ["y"]])
    #expect(index.after["x"] == ["z"])
    #expect(index.modules(called: "crypto_crc32c") == ["crc32c_intel", "crc32c_generic"])
    #expect(index.modules(called: "crc32c") == ["any"])
    #expect(index.isBuiltin("sha256_generic") && index.isBuiltin("crypto_aes") && !index.isBuiltin("crc32c"))
  }

  private func order(
    _ needs: [String: ModuleOrder.Needs], aliases: [String: [String]] = [:], of modules: [String]
  )
    throws -> [String]
  {
    var order = ModuleOrder(needs: { needs[$0] }, find: { aliases[$0] ?? (needs[$0] == nil ? [] : [$0]) })
    for module in modules { try order.add(module) }
    return order.entries.map { ($0.isOptional ? "-" : "") + $0.module }
  }

  @Test func modulesAreLoadedInKmodsOrder() throws {
    let needs: [String: ModuleOrder.Needs] = [
      "nat": .init(depends: ["track"], after: ["helper"]), "track": .init(depends: ["crc"]),
      "crc": .init(before: ["crypto_crc"]), "crc_intel": .init(), "crc_generic": .init(depends: ["base"]),
      "base": .init(), "helper": .init(),
    ]
    let aliases = ["crypto_crc": ["crc_intel", "crc_generic"]]
    #expect(
      try order(needs, aliases: aliases, of: ["nat"]) == [
        "-crc_intel", "-base", "-crc_generic", "crc", "track", "nat", "-helper",
      ])
    // What was only tried is needed by another.
    #expect(
      try order(needs, aliases: aliases, of: ["crc", "base"]) == [
        "-crc_intel", "base", "-crc_generic", "crc",
      ])
    #expect(try order(needs, of: ["absent"]).isEmpty)
    #expect(try order(["a": .init(depends: ["b"]), "b": .init(depends: ["a"])], of: ["a"]) == ["b", "a"])
    #expect(try order(["a": .init(before: ["a"], after: ["a"])], of: ["a"]) == ["a"])
  }

  @Test func aChainWithoutEndIsRefused() {
    var needs: [String: ModuleOrder.Needs] = [:]
    for number in 0..<20_000 { needs["m\(number)"] = .init(depends: ["m\(number + 1)"]) }
    #expect(throws: Failure.self) { try order(needs, of: ["m0"]) }
    for number in 0..<20_000 { needs["m\(number)"] = .init(before: ["m\(number + 1)"]) }
    #expect(throws: Failure.self) { try order(needs, of: ["m0"]) }
    var wide: [String: ModuleOrder.Needs] = ["all": .init(depends: (0..<20_000).map { "w\($0)" })]
    for number in 0..<20_000 { wide["w\(number)"] = .init() }
    let failure = #expect(throws: Failure.self) { try order(wide, of: ["all"]) }
    #expect(failure?.cause == "it has more than \(Bounds.modules) modules")
  }

  /// As Debian's generic flavour has it: no depmod has been there, so aliases stand in the modules alone.
  @Test func aSoftdepIsFoundByTheAliasesOfTheModules() async throws {
    try await Fixtures.withFolder { folder in
      let tree = folder.appendingPathComponent("6.1/kernel")
      func put(_ path: String, _ info: [String]) throws {
        let file = tree.appendingPathComponent(path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Fixtures.module(info).write(to: file)
      }
      try put("net/nf_conntrack.ko", ["depends=libcrc32c,nf_defrag_ipv4"])
      try put("net/nf_defrag_ipv4.ko", ["depends="])
      try put("lib/libcrc32c.ko", ["depends=", "softdep=pre: crc32c"])
      try put(
        "crypto/crc32c_generic.ko", ["alias=crypto-crc32c-generic", "alias=crc32c", "alias=crypto-crc32c"])
      try put("arch/x86/crypto/crc32c-intel.ko", ["alias=crc32c", "depends="])
      try put("drivers/unrelated.ko", ["alias=pci:v*"])
      let target = folder.appendingPathComponent("modules")
      try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
      let bundles = try ModuleTree(tree).copy(to: target)
      let nat = try #require(bundles.first { $0.name == "nat" })
      #expect(
        nat.files == [
          "crc32c_generic.ko", "crc32c_intel.ko", "libcrc32c.ko", "nf_defrag_ipv4.ko", "nf_conntrack.ko",
        ])
      #expect(nat.optional == ["crc32c_generic.ko", "crc32c_intel.ko"])
      #expect(Fixtures.content(of: target).sorted() == nat.files.sorted())
      // Where the kernel itself has it, nothing is taken along.
      try Data("kernel/crypto/crc32c_generic.ko\n".utf8).write(
        to: folder.appendingPathComponent("6.1/modules.builtin"))
      try Data("crc32c_generic.alias=crc32c\0".utf8).write(
        to: folder.appendingPathComponent("6.1/modules.builtin.modinfo"))
      let other = folder.appendingPathComponent("other")
      try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
      let small = try ModuleTree(folder.appendingPathComponent("6.1")).copy(to: other)
      #expect(
        small.first { $0.name == "nat" }?.files == ["libcrc32c.ko", "nf_defrag_ipv4.ko", "nf_conntrack.ko"])
    }
  }

  @Test func aLinkOutOfTheFolderIsRefusedAndOneInsideIsNot() async throws {
    try await Fixtures.withFolder { folder in
      let tree = folder.appendingPathComponent("tree")
      try FileManager.default.createDirectory(at: tree, withIntermediateDirectories: true)
      try Fixtures.module(["depends="]).write(to: tree.appendingPathComponent("real.ko"))
      try FileManager.default.createSymbolicLink(
        atPath: tree.path + "/veth.ko", withDestinationPath: "real.ko")
      #expect(try ModuleTree(tree).isEmpty == false)
      let secret = folder.appendingPathComponent("secret")
      try Data("secret".utf8).write(to: secret)
      for target in [secret.path, "../secret", "/etc/shadow"] {
        try? FileManager.default.removeItem(atPath: tree.path + "/veth.ko")
        try FileManager.default.createSymbolicLink(
          atPath: tree.path + "/veth.ko", withDestinationPath: target)
        let failure = #expect(throws: Failure.self) { try ModuleTree(tree) }
        #expect(failure?.cause.contains("outside its folder") == true, "\(failure?.cause ?? "")")
      }
      try? FileManager.default.removeItem(atPath: tree.path + "/veth.ko")
      try Data("no module".utf8).write(to: tree.appendingPathComponent("veth.ko"))
      let target = folder.appendingPathComponent("modules")
      try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
      let failure = #expect(throws: Failure.self) { try ModuleTree(tree).copy(to: target) }
      #expect(failure?.cause == "it is no ELF file, so no module")
    }
  }
}

/// Which modules a guest loads for a case.
@Suite struct BundleTests {
  private static func kernel(_ features: [Capability.Feature]) -> Kernel {
    Kernel(
      release: "6.1", machine: "x86_64",
      capabilities: Set(
        features.map(Capability.feature) + Network.Scheduler.allCases.map(Capability.scheduler)),
      perKernelSettings: [], timestampTicksPerSecond: 1000, privilege: .root, missing: [:])
  }

  private static func test(_ topology: Network.Topology, _ clock: Clock = .off) -> Case {
    let client = Client(name: "c", group: "c", clock: clock, isn: .natural)
    let hop = Hop(nat: .snat, backend: .auto, ports: 1...2, random: .none, dropInvalid: false)
    return Case(
      id: "x/y", scenario: "x", title: "", why: "", axes: [],
      network: Network(
        topology: topology, family: .ipv4, clients: [client], hop: topology == .direct ? nil : hop),
      settings: [:], workload: [], rules: [])
  }

  /// All schedulers were loaded for each.
  @Test func ofTheSchedulersThatOneIsLoadedWhichTheCaseNames() {
    var test = Self.test(.ipvsNAT)
    let kernel = Self.kernel([.ipvs, .conntrack, .iptablesNft])
    for scheduler in Network.Scheduler.allCases {
      for index in test.network.hosts.indices where !test.network.hosts[index].services.isEmpty {
        test.network.hosts[index].services[0].scheduler = scheduler
      }
      let names = ModuleBundles.needed(by: test.needs, on: kernel)
      let modules = ModuleBundles.all.filter { names.contains($0.name) }.flatMap(\.modules)
      #expect(modules.filter { $0.hasPrefix("ip_vs_") } == ["ip_vs_\(scheduler)"])
      #expect(modules.contains("ip_vs"))
    }
    let probed = ModuleBundles.all.filter { ModuleBundles.probed.contains($0.name) }.flatMap(\.modules)
    #expect(Set(Network.Scheduler.allCases.map { "ip_vs_\($0)" }).isSubset(of: probed))
  }

  /// Of what does equally well the first that the kernel has: where that was nft, the tables of iptables-legacy came.
  @Test(arguments: [
    (
      [Capability.Feature.conntrack, .iptablesNft, .iptablesLegacy, .nft], ["base", "nat", "xtables", "nft"]
    ),
    ([.conntrack, .iptablesLegacy, .nft], ["base", "nat", "xtables", "legacy"]),
    ([.conntrack, .nft], ["base", "nat", "nft"]),
  ])
  func theTablesAreThoseOfTheToolThatIsTaken(features: [Capability.Feature], bundles: [String]) {
    #expect(ModuleBundles.needed(by: Self.test(.snat).needs, on: Self.kernel(features)) == bundles)
  }

  /// `nft` failed in a guest in which no case before had brought nf_tables.
  @Test func aProgramFindsAllThatTheGuestHas() {
    var test = Self.test(.direct)
    test.workload = [Step(Exec(node: "c", command: ["nft", "--version"]))]
    let names = ModuleBundles.needed(by: test.needs, on: Self.kernel([]))
    #expect(Set(names) == Set(ModuleBundles.probed))
    #expect(names.first == "base")
  }

  /// What a NAT holds is held by nft, whoever has written its rules.
  @Test func aHeldBurstBringsTheQueue() {
    var test = Self.test(.snat)
    func names(held: String?) -> [String] {
      test.workload = [Step(Burst(clients: ["c"], label: "c", closes: .client, connections: 1, held: held))]
      return ModuleBundles.needed(
        by: test.needs, on: Self.kernel([.conntrack, .iptablesLegacy, .nft, .nftQueue]))
    }
    #expect(names(held: nil) == ["base", "nat", "xtables", "legacy"])
    #expect(Set(names(held: "hop")) == ["base", "nat", "xtables", "legacy", "nft", "queue"])
  }

  /// A clock that only nft can move needs its modules without any NAT.
  @Test func aClockThatNftMovesBringsItsModules() {
    let test = Self.test(.direct, .offset(milliseconds: 5))
    #expect(ModuleBundles.needed(by: test.needs, on: Self.kernel([.tcBPF, .nftTimestamps])) == ["base"])
    #expect(ModuleBundles.needed(by: test.needs, on: Self.kernel([.nftTimestamps])) == ["base", "nft"])
  }
}
