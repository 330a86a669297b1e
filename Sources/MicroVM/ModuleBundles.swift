import Foundation
import Model

/// Which modules the lab may need, in groups that a case asks for together.
/// A module that a kernel has built in, or that is not of its time, is simply not there.
enum ModuleBundles {
  static let all: [Bundle] = fixed + schedulers

  typealias Bundle = (name: String, modules: [String])

  /// A guest loads that of the scheduler that a case names, and no other.
  private static let schedulers: [Bundle] = Network.Scheduler.allCases.map { scheduler in
    (name: name(of: scheduler), modules: ["ip_vs_\(scheduler)"])
  }

  private static let fixed: [Bundle] = [
    ("boot", ["virtio_mmio", "virtio_pci", "virtio_console", "virtio_rng"]),
    ("base", ["ipv6", "af_packet", "veth", "tcp_diag", "cls_bpf", "sch_ingress", "act_bpf"]),
    (
      "nat",
      [
        "nf_conntrack", "nf_conntrack_ipv4", "nf_conntrack_ipv6", "nf_conntrack_netlink", "nf_nat",
        "nf_nat_ipv4", "nf_nat_ipv6",
      ]
    ),
    (
      "xtables",
      [
        "xt_nat", "xt_MASQUERADE", "ipt_MASQUERADE", "ip6t_MASQUERADE", "xt_conntrack", "xt_tcpudp",
        "xt_ipvs", "xt_TCPOPTSTRIP",
      ]
    ),
    ("legacy", ["iptable_nat", "iptable_filter", "ip6table_nat", "ip6table_filter", "iptable_mangle"]),
    (
      "nft",
      [
        "nf_tables", "nf_tables_inet", "nf_tables_ipv4", "nf_tables_ipv6", "nft_compat", "nft_chain_nat",
        "nft_chain_nat_ipv4", "nft_chain_nat_ipv6", "nft_ct", "nft_counter", "nft_nat", "nft_masq",
        "nft_masq_ipv4", "nft_masq_ipv6", "nft_exthdr",
      ]
    ),
    ("ipvs", ["ip_vs"]),
    ("netem", ["sch_netem"]),
    (
      "rules",
      [
        "ipt_REJECT", "ip6t_REJECT", "xt_statistic", "xt_CT", "iptable_raw", "ip6table_raw",
        "ip6table_mangle",
        "nft_reject_inet", "nft_numgen",
      ]
    ),
    ("synproxy", ["ipt_SYNPROXY", "ip6t_SYNPROXY", "nft_synproxy"]),
    ("queue", ["nfnetlink_queue", "nft_queue"]),
    ("bridge", ["bridge"]),
    ("tunnel", ["ipip", "ip6_tunnel"]),
  ]

  /// The modules of all bundles, sorted.
  static let wanted = Set(all.flatMap(\.modules)).sorted()

  /// Every bundle but that for booting: what a probe asks for.
  static let probed = all.map(\.name).filter { $0 != "boot" }

  /// The bundles that a case needs on a kernel: of what does equally well the first that it has, as the worker takes it.
  static func needed(by needs: Needs, on kernel: Kernel) -> [String] {
    var names = ["base"]
    for need in needs.kernel {
      if let capability = need.met(by: kernel) { names += bundles(of: capability) }
    }
    if needs.hasRules { names.append("rules") }
    // What a lab file's program asks of the kernel only its author knows; there is no modprobe in a guest.
    if needs.runsPrograms { names += probed }
    // For a node whose timestamps are off alone.
    if kernel.perKernelSettings.contains("tcp_timestamps") {
      names += bundles(of: .feature(kernel.has(.iptablesNft) ? .iptablesNft : .iptablesLegacy))
    }
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// Those that bring a capability.
  private static func bundles(of capability: Capability) -> [String] {
    switch capability {
    case .feature(.conntrack): ["nat"]
    case .feature(.iptablesNft): ["xtables", "nft"]
    case .feature(.iptablesLegacy): ["xtables", "legacy"]
    case .feature(.nft), .feature(.nftTimestamps): ["nft"]
    case .feature(.ipvs): ["ipvs"]
    case .feature(.netem): ["netem"]
    case .feature(.synproxy): ["synproxy"]
    case .feature(.nftSynproxy): ["nft", "synproxy"]
    case .feature(.nftQueue): ["nft", "queue"]
    case .feature(.bridge): ["bridge"]
    case .feature(.ipip): ["tunnel"]
    case .scheduler(let scheduler): [name(of: scheduler)]
    case .feature, .setting, .counter: []
    }
  }

  /// A manifest's names of bundles are of letters only.
  private static func name(of scheduler: Network.Scheduler) -> String { "ipvs\(scheduler)" }
}

extension Guest {
  /// Every bundle of modules: what a probe asks for.
  public static let allBundles = ModuleBundles.probed

  /// The bundles that cases need on a kernel.
  public static func bundles(for tests: [Case], on kernel: Kernel) -> [String] {
    var seen: Set<String> = []
    let names = tests.flatMap { ModuleBundles.needed(by: $0.needs, on: kernel) }
    return names.filter { seen.insert($0).inserted }
  }
}
