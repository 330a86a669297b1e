import Foundation
import Testing

@testable import pawslab

/// What `doctor` recommends can work on the machine that it is said on.
@Suite struct MendsTests {
  /// A kernel with these modules to load and built in.
  private func mends(
    root: Bool = true, guests: Bool = true, loadable: [String] = [], builtIn: [String] = [],
    installed: Set<String> = []
  ) throws -> Mends {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("modules-\(UUID().uuidString)")
      .path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try loadable.map { "kernel/net/\($0).ko.xz: kernel/net/other.ko.xz\n" }.joined()
      .write(toFile: folder + "/modules.dep", atomically: true, encoding: .utf8)
    try builtIn.map { "kernel/net/\($0).ko\n" }.joined()
      .write(toFile: folder + "/modules.builtin", atomically: true, encoding: .utf8)
    return Mends(root: root, release: "6.1.0-x", guests: guests, modules: folder) { installed.contains($0) }
  }

  @Test func aModuleIsLoadedOnlyWhereThisKernelHasIt() throws {
    let has = try mends(loadable: ["ip_vs", "nf-conntrack-netlink"], builtIn: ["ipip"])
    #expect(has.kernel(modules: ["ip_vs"], configuration: "CONFIG_IP_VS") == "modprobe -a ip_vs")
    #expect(has.module("nf_conntrack_netlink") == .loadable)
    #expect(has.module("ipip") == .builtIn)
    let user = try mends(root: false, loadable: ["ip_vs"])
    #expect(user.kernel(modules: ["ip_vs"], configuration: "CONFIG_IP_VS") == "as root: modprobe -a ip_vs")
    // One of two is not enough, and what is built in and does not work is not mended by loading it.
    for without in [try mends(), try mends(loadable: ["a"]), try mends(builtIn: ["a", "b"])] {
      #expect(
        without.kernel(modules: ["a", "b"], configuration: "CONFIG_A")
          == "nothing to do: such cases run in a guest (--kernel debian-12); "
          + "else a kernel with CONFIG_A, which 6.1.0-x is not")
    }
    #expect(
      try mends(guests: false).kernel(modules: ["a"], configuration: "CONFIG_A")
        == "apt-get install qemu-system-x86, and they run in a guest; "
        + "else a kernel with CONFIG_A, which 6.1.0-x is not")
  }

  @Test func aToolIsInstalledOnlyWhereItIsNotThere() throws {
    func said(_ mends: Mends) -> String {
      mends.tool("nft", package: "nftables", modules: ["nf_tables"], configuration: "CONFIG_NF_TABLES")
    }
    #expect(said(try mends()) == "apt-get install nftables")
    #expect(said(try mends(root: false)) == "as root: apt-get install nftables")
    #expect(said(try mends(loadable: ["nf_tables"], installed: ["nft"])) == "modprobe -a nf_tables")
  }
}
