import Foundation
import Model

/// Which modules the lab may need, in groups that a case asks for together.
/// A module that a kernel has built in, or that is not of its time, is simply not there.
enum ModuleBundles {
  static let all: [(name: String, modules: [String])] = [
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
    (
      "ipvs",
      ["ip_vs"]
        + ["rr", "wrr", "lc", "sh", "wlc", "lblc", "lblcr", "dh", "sed", "nq", "fo", "ovf", "mh"].map {
          "ip_vs_\($0)"
        }
    ),
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
    ("bridge", ["bridge"]),
    ("tunnel", ["ipip", "ip6_tunnel"]),
  ]

  /// Every bundle but that for booting: what a probe asks for.
  static let probed = all.map(\.name).filter { $0 != "boot" }

  /// The bundles that one case needs on a kernel.
  static func needed(by test: Case, on kernel: Kernel) -> [String] {
    var names = ["base"]
    let tables = kernel.has(.iptablesNft) ? "nft" : "legacy"
    for host in test.network.hosts where host.tracks {
      names.append("nat")
      names += host.backend == .nft ? ["nft"] : ["xtables", tables]
    }
    if test.network.hosts.contains(where: { $0.rules.contains { $0 != .dropInvalid } }) {
      names.append("rules")
    }
    // For a node whose timestamps are off alone.
    if kernel.perKernelSettings.contains("tcp_timestamps") { names += ["xtables", tables] }
    if !test.network.directorNodes.isEmpty { names.append("ipvs") }
    if test.network.hosts.contains(where: \.proxies) { names.append("synproxy") }
    if test.network.isImpaired || test.workload.contains(where: { $0.action.needs.features.contains(.netem) })
    {
      names.append("netem")
    }
    if test.network.hasBridge { names.append("bridge") }
    if test.network.hasTunnel { names.append("tunnel") }
    return names
  }
}

extension Guest {
  /// Every bundle of modules: what a probe asks for.
  public static let allBundles = ModuleBundles.probed

  /// The bundles that one case needs on a kernel.
  public static func bundles(for test: Case, on kernel: Kernel) -> [String] {
    ModuleBundles.needed(by: test, on: kernel)
  }
}
