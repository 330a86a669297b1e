extension Capability.Feature {
  /// What a kernel or machine can do that has it, in one sentence without a full stop.
  public var summary: String {
    switch self {
    case .ipv6: "IPv6 is there"
    case .conntrack: "Connection tracking and its netlink family are there"
    case .iptablesNft: "iptables over nftables takes the rules of a NAT"
    case .iptablesLegacy: "iptables-legacy takes the rules of a NAT"
    case .nft: "nft takes the rules of a NAT"
    case .tcBPF: "eBPF can be attached to a link (tc): clocks with any offset"
    case .socketClocks: "A socket's timestamp offset survives connect(2) (3.9 to 4.9): clocks with any offset"
    case .nftTimestamps: "nft rewrites TCP options: clocks with an offset of 2^30 ticks"
    case .tcpRepair: "TCP_REPAIR: initial sequence numbers can be pinned"
    case .backlogZero:
      "A listener with a backlog of 0 takes a connection without SYN cookies (3479c7549fb1, 6.14 and stable kernels)"
    case .randomTimestamps: "tcp_timestamps=1 adds a random offset (since 4.10)"
    case .timestampsByPort: "That offset depends on the ports too (7.0, and stable kernels with the fix)"
    case .natEvictsClosing: "A clash of NAT ports evicts an entry that is closing (458972550287, 6.5)"
    case .reopeningInvalid:
      "A SYN that reopens a closed entry of conntrack's is counted as INVALID, and passes (until 830af2eba403, 5.17)"
    case .neighboursInvalid:
      "conntrack counts neighbour discovery of IPv6 as INVALID, and lets it pass (RHEL 7's 3.10)"
    case .ipvsFlush:
      "A director's connections end at once where their server has gone (35dfb013149f, 5.9): flush"
    case .ipvsReschedulesTracked:
      "A director passes on at once what it schedules anew, with vs.conntrack=1 (f0a5e4d7a594, 5.9 and stable kernels)"
    case .ipvsLeavesQuiesced:
      "expire_nodest_conn=1 gives up entries of weight 0 by any conn_reuse_mode (c95c07836fa4, 5.16 and stable kernels)"
    case .ipvsKeepsFirstPacket:
      "The first packet to a server is not lost in IPv6 by direct routing (2c6b55f45d53, 5.2)"
    case .conntrackByNeed:
      "conntrack looks at the packets of namespaces whose rules want it, not of all (0c66dc1ea3f0, 4.10)"
    case .promptSYN:
      "A SYN that an older connection's ACK has answered is sent again at once, not a second later (9603d47bad46, 5.6)"
    case .dropsAtFullQueue:
      "A SYN is dropped where the queue to accept is full, not the ACK of its answer (5ea8ea2cb7f1, 4.10)"
    case .repairClosing: "TCP_REPAIR takes a socket that is closing (tcp_can_repair_sock; 4.9 does not)"
    case .natDrawsPorts:
      "--random draws a port for each connection (5.4), where it was a hash of the addresses (up to 4.19)"
    case .keepsSYNRetries:
      "A SYN is sent as often as tcp_syn_retries says (not on 4.19.77 to 207: a41e8a88b06e without 3256a2d6ab1f)"
    case .natFreesExpired:
      "A NAT gives its only port again as soon as the entry's time is over (a504b703bb1d, 5.0 and stable kernels)"
    case .loopbackReuse: "tcp_tw_reuse knows 2, loopback alone (79e9fed46038, 4.19)"
    case .stripTimestamps:
      "iptables takes timestamps out of segments: tcp_timestamps=0 for one node of several"
    case .ipvs: "IPVS and its netlink family are there"
    case .netem: "Links can be late, lossy and slow (netem)"
    case .bridge: "Bridges can be made: a LAN"
    case .ipip: "IPIP tunnels of both families can be made"
    case .synproxy: "iptables answers SYNs in a server's place (SYNPROXY)"
    case .nftSynproxy: "nft answers SYNs in a server's place (synproxy)"
    case .nftQueue: "nft holds packets within a hook until a program lets them go (queue)"
    case .dropReasons:
      "The kernel names why it throws a packet away, and eBPF may listen (5.17; guests always)"
    case .dropHints:
      "It names them to perf events only, which tell no packet from another: hints, no witnesses"
    case .recycleEmulation: "eBPF brings the rule of tcp_tw_recycle back, which 4.12 has removed"
    case .recycleUnstamped:
      "That rule refuses a SYN without timestamps too (a26552afe894, 3.17 and RHEL 7); told in guests"
    case .usecTimestamps: "A route can have timestamps in microseconds (tcp_usec_ts, 6.7)"
    case .curl, .nginx, .wrk, .haproxy, .keepalived: "The program \(rawValue) is there, for exec"
    }
  }
}
