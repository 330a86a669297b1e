extension Setting {
  /// All known settings with the pinned baseline, in the order in which they are written.
  ///
  /// Values are the kernel's defaults, except where a default would make a run slow, random or unlike
  /// another host: `tcp_syn_retries` and `tcp_syn_linear_timeouts` (a drop takes 3 s, not 67),
  /// congestion control (a child namespace inherits the host's, or is refused it), `tcp_no_metrics_save`.
  ///
  /// What each takes is by Documentation/networking/ip-sysctl.rst, nf_conntrack-sysctl.rst and ipvs-sysctl.rst, and by
  /// the tables that they come from (net/ipv4/sysctl_net_ipv4.c, net/netfilter/nf_conntrack_standalone.c,
  /// net/netfilter/ipvs/ip_vs_ctl.c): many of those take any byte, and mean 1 by all but 0.
  public static let all: [Setting] = tcp + ip + ipvs + conntrack

  private static let second = "s"

  private static let tcp: [Setting] = [
    ipv4(
      "tcp_timestamps", "1", .number(0...2),
      "Timestamps of RFC 7323: 0 none, 1 with a random offset per connection (since 4.10), 2 without one"),
    ipv4("tcp_rfc1337", "0", .flag, "TIME_WAIT ignores a RST, instead of ending at it (tcp(7))"),
    ipv4(
      "tcp_tw_recycle", "0", .flag, optional: true,
      "Short TIME_WAIT, and SYNs of a known address refused that are older by timestamp (until 4.11)"),
    ipv4(
      "tcp_tw_reuse", "0", .number(0...2),
      "A new connection may take the port of one in TIME_WAIT: 1 always, 2 over loopback only (since 4.19)"),
    ipv4(
      "tcp_tw_reuse_delay", "1000", .number(1...60_000, unit: "ms"), optional: true,
      "How old a TIME_WAIT must be before tcp_tw_reuse takes its port"),
    ipv4(
      "tcp_max_tw_buckets", "65536", .number(0...Int(Int32.max)),
      "TIME_WAIT sockets at the most; what comes beyond is closed at once"),
    ipv4(
      "tcp_syn_retries", "1", .number(1...Deadlines.maximumRetries),
      "How often connect() sends a SYN again before ETIMEDOUT: 1 gives up after 3 s, 6 after 127"),
    ipv4(
      "tcp_syn_linear_timeouts", "0", .number(0...Deadlines.maximumRetries), optional: true,
      "SYNs that are sent again after 1 s each, before the timer doubles (since 6.5)"),
    ipv4(
      "tcp_migrate_req", "0", .flag, optional: true,
      "What waits at a listener that is closed goes to another one of its port (SO_REUSEPORT, 5.14)"),
    ipv4("tcp_synack_retries", "5", .number(0...255), "How often a SYN-ACK is sent again"),
    ipv4(
      "tcp_syncookies", "1", .number(0...2),
      "SYN cookies: 0 never, 1 when the queue of a listener is full, 2 for every SYN"),
    ipv4(
      "tcp_max_syn_backlog", "4096", .number(0...Int(Int32.max)),
      "Connections that are not yet acknowledged which a listener remembers"),
    ipv4(
      "tcp_abort_on_overflow", "0", .flag,
      "A listener whose queue is full answers with a RST, instead of dropping the ACK"),
    ipv4(
      "tcp_fin_timeout", "60", .number(0...2_147_483, unit: second),
      "How long a connection that nobody owns stays in FIN_WAIT2; not how long TIME_WAIT lasts"),
    ipv4(
      "tcp_invalid_ratelimit", "500", .number(0...Int(Int32.max), unit: "ms"), optional: true,
      "At most one ACK in that time for segments that are refused; 0 is no limit"),
    ipv4("tcp_congestion_control", "reno", .text, "Which algorithm new connections have"),
    ipv4(
      "tcp_no_metrics_save", "1", .flag, "What a connection has learned of the route is forgotten with it"),
    ipv4("tcp_sack", "1", .flag, "Selective acknowledgements (RFC 2018)"),
    ipv4("tcp_window_scaling", "1", .flag, "Window scaling (RFC 7323)"),
    ipv4(
      "tcp_ecn", "0", .number(0...5),
      "ECN: 0 none, 1 asked for and taken, 2 taken only; 3 to 5 AccECN, where the kernel has it"),
    ipv4("tcp_fastopen", "0", .number(0...Int(Int32.max)), "TCP Fast Open, bits: 1 client, 2 server"),
    ipv4(
      "tcp_retries2", "15", .number(0...255), "How often data is sent again before the connection is given up"
    ),
    ipv4(
      "tcp_orphan_retries", "0", .number(0...255),
      "The same for a connection that nobody owns; 0 is 8 (tcp_orphan_retries, net/ipv4/tcp_timer.c)"),
    ipv4(
      "tcp_keepalive_time", "7200", .number(1...32_767, unit: second),
      "With SO_KEEPALIVE: how long nothing passes before the peer is asked for a sign of life"),
    ipv4(
      "tcp_keepalive_intvl", "75", .number(1...32_767, unit: second),
      "How long an answer to that is waited for before it is asked again"),
    ipv4(
      "tcp_keepalive_probes", "9", .number(1...127),
      "How often it is asked before the connection is given up"),
  ]

  private static let ip: [Setting] = [
    ipv4(
      "ip_local_port_range", "32768 60999", .text,
      "FIRST LAST: the ports that connect() chooses from"),
    // Clients behind a narrow source NAT have its ports here (Parameters.settingsByNode).
    ipv4(
      "ip_local_reserved_ports", nil, .text,
      "Ports and ranges (FIRST-LAST), by commas, that connect() does not choose by itself"),
    Setting(
      name: "somaxconn", path: "net/core/somaxconn", baseline: "4096", scope: .everywhere,
      optional: false, values: .number(0...Int(Int32.max)),
      summary: "Connections at the most that wait for accept(), whatever listen() asked for"),
    Setting(
      name: "rp_filter", path: "net/ipv4/conf/all/rp_filter", baseline: "0", scope: .everywhere,
      optional: false, values: .number(0...2),
      summary: "Packets whose source has no route back are dropped: 1 by that interface, 2 by any (RFC 3704)"),
    Setting(
      name: "arp_ignore", path: "net/ipv4/conf/all/arp_ignore", baseline: "0", scope: .everywhere,
      optional: false, values: .number(0...8),
      summary: "For which addresses ARP is answered: 0 any of the host's, 1 those of the interface"),
    Setting(
      name: "arp_announce", path: "net/ipv4/conf/all/arp_announce", baseline: "0", scope: .everywhere,
      optional: false, values: .number(0...2),
      summary: "Which address ARP asks with: 0 any of the host's, 2 the best for the target"),
    Setting(
      name: "ip_forward", path: "net/ipv4/ip_forward", baseline: "1", scope: .routers, optional: false,
      values: .flag, summary: "IPv4 packets for others are passed on"),
    Setting(
      name: "ipv6_forwarding", path: "net/ipv6/conf/all/forwarding", baseline: "1", scope: .routers,
      optional: true, values: .flag, summary: "IPv6 packets for others are passed on"),
    // No link-local addresses but the testbed's own, and no asking for routers: seconds of packets that are
    // nobody's business here.
    Setting(
      name: "ipv6_addr_gen_mode", path: "net/ipv6/conf/default/addr_gen_mode", baseline: "1",
      scope: .everywhere, optional: true, values: .number(0...3),
      summary: "How link-local addresses are made: 0 by EUI-64, 1 not at all, 2 by a secret, 3 at random"),
    Setting(
      name: "ipv6_accept_ra", path: "net/ipv6/conf/default/accept_ra", baseline: "0", scope: .everywhere,
      optional: true, values: .number(0...2),
      summary: "Router advertisements are followed: 1 unless the node forwards, 2 always"),
  ]

  private static let ipvs: [Setting] = [
    ipvs(
      "conntrack", "0", .flag, "Connections of IPVS are in conntrack too, so that rules of netfilter apply"),
    ipvs(
      "conn_reuse_mode", "1", .number(0...3), optional: true,
      "A SYN for a closed connection's entry: 0 follows it, 1 is scheduled anew from TIME_WAIT, 2 from FIN_WAIT too"
    ),
    ipvs(
      "expire_nodest_conn", "0", .flag,
      "An entry whose server is gone ends at once, instead of dropping what comes for it"),
    ipvs(
      "expire_quiescent_template", "0", .flag,
      "Persistence ends where the weight of the server is 0"),
    ipvs("sloppy_tcp", "0", .flag, optional: true, "Any segment makes an entry, not SYNs only"),
    ipvs(
      "nat_icmp_send", "0", .flag, "A server that sends for a connection without an entry is told by ICMP"),
  ]

  private static let conntrack: [Setting] = [
    timeout("time_wait", "120", "TIME_WAIT"),
    timeout("close", "10", "CLOSE: a RST has passed"),
    timeout("close_wait", "60", "CLOSE_WAIT"),
    timeout("last_ack", "30", "LAST_ACK"),
    timeout("fin_wait", "120", "FIN_WAIT"),
    timeout("established", "432000", "ESTABLISHED"),
    timeout("syn_sent", "120", "SYN_SENT"),
    timeout("syn_recv", "60", "SYN_RECV"),
    conntrack(
      "nf_conntrack_tcp_be_liberal", "0", .flag,
      "Of segments beyond the window only RSTs are INVALID, and not the others"),
    conntrack(
      "nf_conntrack_tcp_loose", "1", .flag,
      "A connection whose beginning was not seen is taken up; 0 calls it INVALID"),
    conntrack(
      "nf_conntrack_tcp_ignore_invalid_rst", "0", .flag, optional: true,
      "A RST beyond the window is passed on and changes nothing, instead of being INVALID"),
    conntrack("nf_conntrack_checksum", "1", .flag, "Packets with a wrong checksum are INVALID"),
    // The kernel's own default follows the machine's memory. Optional: a host that has another number runs its cases.
    Setting(
      name: "nf_conntrack_max", path: "net/netfilter/nf_conntrack_max", baseline: "65536", scope: .hop,
      // 0, which was no limit, is EINVAL on 7.2.
      optional: true, values: .number(1...Int(Int32.max)),
      summary:
        "Entries at the most that each node's conntrack holds, and then drops what is new; in guests only",
      isOnePerKernel: true),
  ]

  private static func ipv4(
    _ name: String, _ baseline: String?, _ values: Values, optional: Bool = false, _ summary: String
  ) -> Setting {
    Setting(
      name: name, path: "net/ipv4/\(name)", baseline: baseline, scope: .everywhere, optional: optional,
      values: values, summary: summary)
  }

  private static func ipvs(
    _ name: String, _ baseline: String?, _ values: Values, optional: Bool = false, _ summary: String
  ) -> Setting {
    Setting(
      name: "vs.\(name)", path: "net/ipv4/vs/\(name)", baseline: baseline, scope: .director,
      optional: optional, values: values, summary: summary)
  }

  private static func conntrack(
    _ name: String, _ baseline: String?, _ values: Values, optional: Bool = false, _ summary: String
  ) -> Setting {
    Setting(
      name: name, path: "net/netfilter/\(name)", baseline: baseline, scope: .hop, optional: optional,
      values: values, summary: summary)
  }

  private static func timeout(_ state: String, _ baseline: String, _ words: String) -> Setting {
    conntrack(
      "nf_conntrack_tcp_timeout_\(state)", baseline, .number(0...2_147_483, unit: second),
      "How long conntrack keeps an idle connection in \(words)")
  }
}
