/// A sysctl that the lab knows: a name in a lab file that is not here is a mistake there.
public struct Setting: Sendable, Equatable {
  /// Short name in lab files, e.g. `tcp_rfc1337`.
  public var name: String
  /// Path below `/proc/sys`, e.g. `net/ipv4/tcp_rfc1337`.
  public var path: String
  /// What every node has unless the lab file says otherwise; nil leaves the kernel's.
  public var baseline: String?
  /// Which nodes have it.
  public var scope: Scope
  /// Some kernels lack it; a case that sets it is skipped there. Without this, absence is an error.
  public var optional: Bool

  /// Which nodes a setting is written on.
  public enum Scope: Sendable, Equatable {
    case everywhere
    /// Nodes that route: the hop and the router.
    case routers
    /// The hop.
    case hop
    /// The hop where it is an IPVS director.
    case director
  }

  /// Whether a node has it.
  public func applies(to host: Network.Node) -> Bool {
    switch scope {
    case .everywhere: true
    case .routers: host.forwards
    case .hop: host.tracks
    case .director: !host.services.isEmpty
    }
  }

  /// The setting of that name.
  public static func named(_ name: String) -> Setting? { byName[name] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  private static func ipv4(_ name: String, _ baseline: String?, optional: Bool = false) -> Setting {
    Setting(
      name: name, path: "net/ipv4/\(name)", baseline: baseline, scope: .everywhere, optional: optional)
  }

  private static func ipvs(_ name: String, _ baseline: String?, optional: Bool = false) -> Setting {
    Setting(
      name: "vs.\(name)", path: "net/ipv4/vs/\(name)", baseline: baseline, scope: .director,
      optional: optional)
  }

  private static func conntrack(_ name: String, _ baseline: String?, optional: Bool = false) -> Setting {
    Setting(
      name: name, path: "net/netfilter/\(name)", baseline: baseline, scope: .hop, optional: optional)
  }

  /// All known settings with the pinned baseline, in the order in which they are written.
  ///
  /// Values are the kernel's defaults, except where a default would make a run slow, random or unlike
  /// another host: `tcp_syn_retries` and `tcp_syn_linear_timeouts` (a drop takes 3 s, not 67),
  /// congestion control (a child namespace inherits the host's, or is refused it), `tcp_no_metrics_save`.
  public static let all: [Setting] = [
    ipv4("tcp_timestamps", "1"),
    ipv4("tcp_rfc1337", "0"),
    ipv4("tcp_tw_recycle", "0", optional: true),
    ipv4("tcp_tw_reuse", "0"),
    ipv4("tcp_tw_reuse_delay", "1000", optional: true),
    ipv4("tcp_max_tw_buckets", "65536"),
    ipv4("tcp_syn_retries", "1"),
    ipv4("tcp_syn_linear_timeouts", "0", optional: true),
    ipv4("tcp_synack_retries", "5"),
    ipv4("tcp_syncookies", "1"),
    ipv4("tcp_max_syn_backlog", "4096"),
    ipv4("tcp_abort_on_overflow", "0"),
    ipv4("tcp_fin_timeout", "60"),
    ipv4("tcp_invalid_ratelimit", "500", optional: true),
    ipv4("tcp_congestion_control", "reno"),
    ipv4("tcp_no_metrics_save", "1"),
    ipv4("tcp_sack", "1"),
    ipv4("tcp_window_scaling", "1"),
    ipv4("tcp_ecn", "0"),
    ipv4("tcp_fastopen", "0"),
    ipv4("tcp_retries2", "15"),
    ipv4("ip_local_port_range", "32768 60999"),
    // Clients behind a narrow source NAT have its ports here (Parameters.settingsByNode).
    ipv4("ip_local_reserved_ports", nil),
    Setting(
      name: "somaxconn", path: "net/core/somaxconn", baseline: "4096", scope: .everywhere,
      optional: false),
    Setting(
      name: "rp_filter", path: "net/ipv4/conf/all/rp_filter", baseline: "0", scope: .everywhere,
      optional: false),
    Setting(
      name: "arp_ignore", path: "net/ipv4/conf/all/arp_ignore", baseline: "0", scope: .everywhere,
      optional: false),
    Setting(
      name: "arp_announce", path: "net/ipv4/conf/all/arp_announce", baseline: "0", scope: .everywhere,
      optional: false),
    Setting(
      name: "ip_forward", path: "net/ipv4/ip_forward", baseline: "1", scope: .routers, optional: false),
    Setting(
      name: "ipv6_forwarding", path: "net/ipv6/conf/all/forwarding", baseline: "1", scope: .routers,
      optional: true),
    // No link-local addresses but the testbed's own, and no asking for routers: seconds of packets that are
    // nobody's business here.
    Setting(
      name: "ipv6_addr_gen_mode", path: "net/ipv6/conf/default/addr_gen_mode", baseline: "1",
      scope: .everywhere, optional: true),
    Setting(
      name: "ipv6_accept_ra", path: "net/ipv6/conf/default/accept_ra", baseline: "0", scope: .everywhere,
      optional: true),
    ipvs("conntrack", "0"),
    ipvs("conn_reuse_mode", "1", optional: true),
    ipvs("expire_nodest_conn", "0"),
    ipvs("expire_quiescent_template", "0"),
    ipvs("sloppy_tcp", "0", optional: true),
    ipvs("nat_icmp_send", "0"),
    conntrack("nf_conntrack_tcp_timeout_time_wait", "120"),
    conntrack("nf_conntrack_tcp_timeout_close", "10"),
    conntrack("nf_conntrack_tcp_timeout_close_wait", "60"),
    conntrack("nf_conntrack_tcp_timeout_last_ack", "30"),
    conntrack("nf_conntrack_tcp_timeout_fin_wait", "120"),
    conntrack("nf_conntrack_tcp_timeout_established", "432000"),
    conntrack("nf_conntrack_tcp_timeout_syn_sent", "120"),
    conntrack("nf_conntrack_tcp_timeout_syn_recv", "60"),
    conntrack("nf_conntrack_tcp_be_liberal", "0"),
    conntrack("nf_conntrack_tcp_loose", "1"),
    conntrack("nf_conntrack_tcp_ignore_invalid_rst", "0", optional: true),
    conntrack("nf_conntrack_checksum", "1"),
  ]
}
