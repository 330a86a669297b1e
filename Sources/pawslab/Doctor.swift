import ArgumentParser
import Foundation
import Lab
import Scenario

struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What this machine can do, what it costs to lack it, and the command that mends it.")

  /// One line of the diagnosis.
  private struct Finding {
    var name: String
    var ok: Bool
    var detail: String
    var cost: String
    var mend: String
  }

  func run() async throws {
    let root = geteuid() == 0
    let kernel: Kernel
    do { kernel = try await Running.fixed().runner().probe() } catch let failure as Failure {
      Console.print("no   network namespaces: \(failure.cause)")
      Console.print("     without them nothing runs; \(failure.mend ?? "run as root")")
      throw ExitCode(3)
    }
    Console.print(
      "Linux \(kernel.release) \(kernel.machine), TSval ticks \(kernel.timestampTicksPerSecond) per second")
    let findings = hostFindings(root: root, kernel) + kernelFindings(kernel)
    for finding in findings {
      Console.print(
        "\(finding.ok ? "yes" : "no ")  \(finding.name)\(finding.detail.isEmpty ? "" : ": \(finding.detail)")"
      )
      if !finding.ok {
        Console.print("     without it \(finding.cost)")
        Console.print("     mend: \(finding.mend)")
      }
    }
  }

  private func hostFindings(root: Bool, _ kernel: Kernel) -> [Finding] {
    let files = FileManager.default
    let onPath = { (name: String) in
      (ProcessInfo.processInfo.environment["PATH", default: ""] + ":/usr/sbin:/sbin").split(separator: ":")
        .contains { files.isExecutableFile(atPath: "\($0)/\(name)") }
    }
    return [
      Finding(
        name: "root", ok: kernel.privilege == .root,
        detail: kernel.privilege == .root ? "" : "a user namespace of its own serves instead",
        cost: "clocks are moved by nft, by 2^30 ticks and not by what the lab file says, and eBPF is refused",
        mend: "sudo scripts/run"),
      Finding(name: "network namespaces and veth", ok: true, detail: "", cost: "", mend: ""),
      Finding(
        name: "KVM", ok: files.isReadableFile(atPath: "/dev/kvm"),
        detail: files.isReadableFile(atPath: "/dev/kvm") ? "there; only a guest that answers proves it" : "",
        cost: "guests are emulated, several times slower", mend: "modprobe kvm_intel or kvm_amd"),
      Finding(
        name: "QEMU", ok: onPath("qemu-system-\(kernel.machine)"), detail: "",
        cost: "no other kernel than this one can be tried, and the IPVS cases need one that has it",
        mend: "apt-get install qemu-system-x86"),
    ]
  }

  private func kernelFindings(_ kernel: Kernel) -> [Finding] {
    let known: [(Capability.Feature, String, String)] = [
      (.ipv6, "the IPv6 cases are skipped", "boot without ipv6.disable=1"),
      (.conntrack, "everything behind a NAT is skipped", "modprobe nf_conntrack_netlink"),
      (.iptablesNft, "iptables-legacy or nft makes the rules", "apt-get install iptables"),
      (.iptablesLegacy, "iptables-nft or nft makes the rules", "modprobe ip_tables"),
      (.nft, "clocks in a user namespace cannot be moved", "apt-get install nftables"),
      (.tcBPF, "clocks are moved by nft, in steps of 2^30 ticks", "run as root; CONFIG_NET_CLS_BPF"),
      (.nftTimestamps, "without root clocks cannot be moved", "apt-get install nftables (1.0 or later)"),
      (
        .tcpRepair, "sequence numbers cannot be pinned: most cases are skipped", "CONFIG_CHECKPOINT_RESTORE=y"
      ),
      (.randomTimestamps, "natural clocks are skipped", "a kernel from 4.10 on"),
      (
        .stripTimestamps, "on kernels below 4.13 no node can have its timestamps off alone",
        "apt-get install iptables"
      ),
      (.ipvs, "the IPVS cases run in a guest (debian-12), or are skipped without QEMU", "modprobe ip_vs"),
      (.bridge, "ipvs-dr and ipvs-tun run in a guest", "modprobe bridge"),
      (.ipip, "ipvs-tun runs in a guest", "modprobe ipip ip6_tunnel"),
      (
        .dropReasons,
        kernel.has(.dropHints)
          ? "why a packet is dropped is a hint (perf), no witness"
          : "why the kernel drops a packet is not told",
        "run as root; a kernel from 5.17 on with CONFIG_DEBUG_INFO_BTF=y"
      ),
    ]
    return known.map { feature, cost, mend in
      Finding(
        name: feature.rawValue, ok: kernel.has(feature), detail: kernel.missing[feature.rawValue] ?? "",
        cost: cost, mend: mend)
    }
  }
}
