/// What brings a capability that a kernel or a machine lacks. The one place for it: the reason of a skip has it in few
/// words, and `pawslab doctor` by what this very machine can do about it.
public struct Remedy: Sendable, Equatable {
  /// Modules of the kernel that bring it, as modprobe(8) names them.
  public var modules: [String] = []
  /// Options of a kernel that has it; empty for none of its own.
  public var configuration = ""
  /// A program that it takes, and Debian's package of it.
  public var tool: Tool?
  /// What else brings it: another boot option, a later kernel.
  public var besides: String?
  /// Whether a user namespace's own root is not enough.
  public var needsRoot = false
  /// What it costs to go without it: `without it ...`.
  public var cost: String

  public struct Tool: Sendable, Equatable {
    public var program: String
    public var package: String
  }

  /// For a reader who is not on the machine that lacks it.
  ///
  /// - Parameters:
  ///   - inGuest: whether it is lacking in a guest, whose modules are those of a stored kernel.
  ///   - others: what brings the capabilities that would do as well: their programs are offered too.
  public func words(inGuest: Bool, others: [Remedy] = []) -> String {
    if inGuest, !modules.isEmpty {
      return "it was stored without (\(modules.joined(separator: ", "))): "
        + "pawslab kernels remove, and fetch it again"
    }
    let module =
      modules.isEmpty ? nil : "modprobe \(modules.count > 1 ? "-a " : "")\(modules.joined(separator: " "))"
    var seen: Set<String> = []
    let packages = ([self] + others).compactMap(\.tool?.package).filter { seen.insert($0).inserted }
    let parts = [
      besides, needsRoot ? "run as root" : nil,
      packages.isEmpty ? nil : "apt-get install \(packages.joined(separator: " "))", module,
      modules.isEmpty && besides == nil && !configuration.isEmpty
        ? "a kernel with \(configuration)" : nil,
    ]
    return parts.compactMap { $0 }.joined(separator: ", or ")
  }
}

extension Capability {
  /// What brings it; nil for what a kernel is like, which nothing brings.
  public var remedy: Remedy? {
    switch self {
    case .feature(let feature): feature.remedy
    case .scheduler(let scheduler):
      Remedy(
        modules: ["ip_vs_\(scheduler)"], configuration: "CONFIG_IP_VS_\(scheduler.rawValue.uppercased())",
        cost: "cases of that scheduler run in a guest, or are skipped without QEMU")
    case .setting, .counter: nil
    }
  }
}

extension Capability.Feature {
  /// What brings it; nil for what a kernel is like, which nothing brings.
  public var remedy: Remedy? {
    switch self {
    case .ipv6:
      Remedy(
        configuration: "CONFIG_IPV6", besides: "boot without ipv6.disable=1",
        cost: "the IPv6 cases run in a guest")
    case .conntrack:
      Remedy(
        modules: ["nf_conntrack_netlink"], configuration: "CONFIG_NF_CT_NETLINK",
        cost: "everything behind a NAT runs in a guest")
    case .iptablesNft:
      Remedy(
        modules: ["nft_compat", "xt_nat"], configuration: "CONFIG_NFT_COMPAT",
        tool: .init(program: "iptables-nft-restore", package: "iptables"),
        cost: "iptables-legacy or nft makes the rules")
    case .iptablesLegacy:
      Remedy(
        modules: ["iptable_nat", "xt_nat"], configuration: "CONFIG_IP_NF_NAT",
        tool: .init(program: "iptables-legacy-restore", package: "iptables"),
        cost: "iptables-nft or nft makes the rules")
    case .nft:
      Remedy(
        modules: ["nf_tables", "nft_chain_nat"], configuration: "CONFIG_NF_TABLES",
        tool: .init(program: "nft", package: "nftables"),
        cost: "iptables makes the rules; clocks in a user namespace cannot be moved")
    case .tcBPF:
      Remedy(
        modules: ["cls_bpf", "sch_ingress"], configuration: "CONFIG_NET_CLS_BPF", needsRoot: true,
        cost: "clocks are moved by nft, in steps of 2^30 ticks")
    case .nftTimestamps:
      Remedy(
        modules: ["nf_tables", "nft_exthdr"], configuration: "CONFIG_NF_TABLES",
        tool: .init(program: "nft", package: "nftables"), cost: "without root clocks cannot be moved")
    case .tcpRepair:
      Remedy(
        configuration: "CONFIG_CHECKPOINT_RESTORE=y",
        cost: "sequence numbers cannot be pinned: most cases run in a guest")
    case .randomTimestamps: Remedy(besides: "Linux 4.10 or later", cost: "natural clocks run in a guest")
    case .stripTimestamps:
      Remedy(
        modules: ["xt_TCPOPTSTRIP"], configuration: "CONFIG_NETFILTER_XT_TARGET_TCPOPTSTRIP",
        tool: .init(program: "iptables-nft-restore", package: "iptables"),
        cost: "on kernels below 4.13 no node can have its timestamps off alone")
    case .ipvs:
      Remedy(
        modules: ["ip_vs"], configuration: "CONFIG_IP_VS",
        cost: "the IPVS cases run in a guest, or are skipped without QEMU")
    case .bridge:
      Remedy(
        modules: ["bridge"], configuration: "CONFIG_BRIDGE",
        cost: "cases with a LAN, ipvs-dr and ipvs-tun run in a guest")
    case .ipip:
      Remedy(
        modules: ["ipip", "ip6_tunnel"], configuration: "CONFIG_NET_IPIP, CONFIG_IPV6_TUNNEL",
        cost: "ipvs-tun runs in a guest")
    case .netem:
      Remedy(
        modules: ["sch_netem"], configuration: "CONFIG_NET_SCH_NETEM",
        cost: "cases with links that are late, lossy or slow run in a guest")
    case .synproxy:
      Remedy(
        modules: ["xt_SYNPROXY"], configuration: "CONFIG_NETFILTER_XT_TARGET_SYNPROXY",
        tool: .init(program: "iptables-nft-restore", package: "iptables"),
        cost: "cases with a SYNPROXY run in a guest")
    case .nftSynproxy:
      Remedy(
        modules: ["nft_synproxy"], configuration: "CONFIG_NFT_SYNPROXY",
        tool: .init(program: "nft", package: "nftables"), cost: "iptables makes the SYNPROXY's rules")
    case .nftQueue:
      Remedy(
        modules: ["nft_queue", "nfnetlink_queue"], configuration: "CONFIG_NFT_QUEUE",
        tool: .init(program: "nft", package: "nftables"),
        cost: "cases with SYNs that a node holds run in a guest")
    case .dropReasons:
      Remedy(
        besides: "a kernel from 5.17 on with CONFIG_DEBUG_INFO_BTF=y that lets root trace", needsRoot: true,
        cost: "why the kernel drops a packet is not told, or is a hint (perf) and no witness")
    case .curl, .wrk, .haproxy, .keepalived, .nginx:
      Remedy(
        tool: .init(program: rawValue, package: self == .nginx ? "nginx-light" : rawValue),
        cost: "cases that run \(rawValue) are skipped")
    case .usecTimestamps:
      Remedy(besides: "Linux 6.7 or later", cost: "cases with timestamps in microseconds run in a guest")
    case .socketClocks, .backlogZero, .timestampsByPort, .natEvictsClosing, .dropHints, .recycleEmulation,
      .recycleUnstamped, .reopeningInvalid, .neighboursInvalid, .ipvsFlush, .loopbackReuse,
      .ipvsReschedulesTracked, .ipvsLeavesQuiesced, .ipvsKeepsFirstPacket, .conntrackByNeed, .promptSYN,
      .dropsAtFullQueue, .repairClosing, .natDrawsPorts, .natFreesExpired, .keepsSYNRetries:
      nil
    }
  }
}
