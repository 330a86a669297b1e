import ArgumentParser
import Foundation
import Lab
import MicroVM
import Model

struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What this machine can do, what it costs to lack it, and the command that mends it.",
    discussion: """
      Exit status: 0 if cases can run, on this machine's kernel or in guests; 3 if neither.
      """)

  /// One line of the diagnosis.
  private struct Finding {
    var name: String
    var ok: Bool
    var detail = ""
    var cost = ""
    var mend = ""
  }

  func run() async throws {
    // What descriptors, memory and processes allow is said before anything is started.
    let runner = try Running.fixed().runner()
    let guests = Hypervisor.canBoot && Resources.now().guests > 0
    let release = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
    let mends = Mends(
      root: geteuid() == 0, release: release.trimmingCharacters(in: .whitespacesAndNewlines), guests: guests)
    let kernel: Kernel
    do { kernel = try await runner.probe() } catch let failure as Failure {
      show([
        Finding(
          name: "this machine's kernel (\(mends.release))", ok: false, detail: failure.cause,
          cost: "nothing runs on it", mend: failure.mend ?? "run as root")
      ])
      show(machineFindings(mends))
      guard guests else {
        Console.print(
          "no case can run: neither on this machine's kernel nor in guests; mend: \(failure.mend ?? mends.inGuest)"
        )
        throw ExitCode(3)
      }
      Console.print("cases can run in guests only: pawslab run takes \(Machines.fallback) by itself")
      return
    }
    Console.print(
      "Linux \(kernel.release) \(kernel.machine), TSval ticks \(kernel.timestampTicksPerSecond) per second")
    show([
      Finding(
        name: "root", ok: kernel.privilege == .root,
        detail: kernel.privilege == .root ? "" : "a user namespace serves instead",
        cost: "clocks are moved by nft, by 2^30 ticks and not by what the lab file says, and eBPF is refused",
        mend: geteuid() == 0
          ? "outside of this user namespace (a rootless container): sudo scripts/run" : "sudo scripts/run"),
      Finding(name: "network namespaces, veth, settings that can be written", ok: true),
    ])
    show(machineFindings(mends) + kernelFindings(kernel, mends))
    Console.print(
      "cases can run on this machine's kernel\(guests ? ", and in guests" : "; in guests they cannot")")
  }

  private func show(_ findings: [Finding]) {
    for finding in findings {
      let detail = finding.detail.isEmpty ? "" : ": \(finding.detail)"
      Console.print("\(finding.ok ? "yes" : "no ")  \(finding.name)\(detail)")
      guard !finding.ok else { continue }
      Console.print("     without it \(finding.cost)")
      Console.print("     mend: \(finding.mend)")
    }
  }

  private func machineFindings(_ mends: Mends) -> [Finding] {
    let kvm = access("/dev/kvm", R_OK | W_OK) == 0
    let there = FileManager.default.fileExists(atPath: "/dev/kvm")
    let memory = Resources.now()
    var qemu = Finding(
      name: "QEMU", ok: Hypervisor.canBoot && memory.guests > 0,
      cost: "no other kernel than this one can be tried, and what this one lacks is skipped",
      mend: mends.asRoot("apt-get install qemu-system-x86"))
    if Hypervisor.canBoot, memory.guests == 0 {
      qemu.detail = "there, but only \(memory.megabytes) MiB of memory are available, too few for a guest"
      qemu.mend = "more memory (the container's limit counts)"
    }
    return [
      Finding(
        name: "KVM", ok: kvm,
        detail: kvm
          ? "there; only a guest that answers proves it"
          : there ? "/dev/kvm may not be opened by this user" : "no /dev/kvm",
        cost: "guests are emulated, several times slower", mend: mends.kvm(user: NSUserName())),
      qemu,
    ]
  }

  private func kernelFindings(_ kernel: Kernel, _ mends: Mends) -> [Finding] {
    func finding(_ feature: Capability.Feature, _ cost: String, _ mend: String) -> Finding {
      Finding(
        name: feature.rawValue, ok: kernel.has(feature), detail: kernel.missing[feature.rawValue] ?? "",
        cost: cost, mend: mend)
    }
    let root = kernel.privilege == .root
    let nft = mends.tool(
      "nft", package: "nftables", modules: ["nf_tables", "nft_chain_nat"], configuration: "CONFIG_NF_TABLES")
    let tracing =
      root ? "a kernel from 5.17 on with CONFIG_DEBUG_INFO_BTF=y that lets root trace" : "run as root"
    return [
      finding(.ipv6, "the IPv6 cases run in a guest", "boot without ipv6.disable=1, CONFIG_IPV6"),
      finding(
        .conntrack, "everything behind a NAT runs in a guest",
        mends.kernel(modules: ["nf_conntrack_netlink"], configuration: "CONFIG_NF_CT_NETLINK")),
      finding(
        .iptablesNft, "iptables-legacy or nft makes the rules",
        mends.tool(
          "iptables-nft-restore", package: "iptables", modules: ["nft_compat", "xt_nat"],
          configuration: "CONFIG_NFT_COMPAT")),
      finding(
        .iptablesLegacy, "iptables-nft or nft makes the rules",
        mends.tool(
          "iptables-legacy-restore", package: "iptables", modules: ["iptable_nat", "xt_nat"],
          configuration: "CONFIG_IP_NF_NAT")),
      finding(.nft, "iptables makes the rules; clocks in a user namespace cannot be moved", nft),
      finding(
        .tcBPF, "clocks are moved by nft, in steps of 2^30 ticks",
        root
          ? mends.kernel(modules: ["cls_bpf", "sch_ingress"], configuration: "CONFIG_NET_CLS_BPF")
          : "run as root: eBPF is refused in a user namespace"),
      finding(.nftTimestamps, "without root clocks cannot be moved", nft),
      finding(
        .tcpRepair, "sequence numbers cannot be pinned: most cases run in a guest",
        mends.kernel(modules: [], configuration: "CONFIG_CHECKPOINT_RESTORE=y")),
      finding(.randomTimestamps, "natural clocks run in a guest", mends.inGuest),
      finding(
        .stripTimestamps, "on kernels below 4.13 no node can have its timestamps off alone",
        mends.tool(
          "iptables-nft-restore", package: "iptables", modules: ["xt_TCPOPTSTRIP"],
          configuration: "CONFIG_NETFILTER_XT_TARGET_TCPOPTSTRIP")),
      finding(
        .ipvs, "the IPVS cases run in a guest, or are skipped without QEMU",
        mends.kernel(modules: ["ip_vs"], configuration: "CONFIG_IP_VS")),
      finding(
        .bridge, "ipvs-dr and ipvs-tun run in a guest",
        mends.kernel(modules: ["bridge"], configuration: "CONFIG_BRIDGE")),
      finding(
        .ipip, "ipvs-tun runs in a guest",
        mends.kernel(modules: ["ipip", "ip6_tunnel"], configuration: "CONFIG_NET_IPIP, CONFIG_IPV6_TUNNEL")),
      finding(
        .dropReasons,
        kernel.has(.dropHints)
          ? "why a packet is dropped is a hint (perf), no witness"
          : "why the kernel drops a packet is not told",
        tracing),
    ]
  }
}
