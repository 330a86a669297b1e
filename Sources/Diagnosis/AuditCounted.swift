/// What has happened on this machine, by counters and tables.
extension AuditExposure {
  /// A counter, what its movement means, and how bad that is.
  private static func counter(
    _ id: String, _ names: [String], _ title: String, _ level: AuditLevel, _ role: AuditRole,
    _ shown: [Shown],
    _ source: String, when condition: @escaping @Sendable (AuditFacts) -> [String]? = { _ in nil }
  ) -> AuditExposure {
    let known = shown.first.map { Knowledge.of(Cause(name: $0.mechanism, isMechanism: true)) }
    return AuditExposure(
      id: id, title: title, level: level, role: role, whom: "whom it counted", shown: shown,
      change: known?.change ?? "", cost: "", source: source, isCount: true, counters: names
    ) { facts in
      names.compactMap { name in
        guard let value = facts.counted(name), value > 0 else { return nil }
        if let mechanisms = condition(facts), mechanisms.isEmpty { return nil }
        let isBetween = facts.read.isDifference && facts.read.counter(name) != nil
        let what = "\(name) is \(value)" + (isBetween ? " between the two readings" : "")
        return Match(what: what, places: [], mechanisms: condition(facts))
      }
    }
  }

  private static let clash = Shown(
    "tw-paws",
    "time-wait-clash/rfc1337=0,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
  )
  private static let challenged = Shown(
    "challenge-ack", "syn-for-established/rfc1337=0,clock=back,isn=ahead,family=ipv4")
  private static let step = Shown(
    "established-paws", "clock-step/step=back,sender=client,timestamps=1,family=ipv4")

  static let counted: [AuditExposure] = [
    counter(
      "counted-recycle", ["PAWSPassive"], "SYNs were refused for a timestamp that another has left", .error,
      .server,
      [
        Shown(
          "recycle",
          "lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=1,timestamps=1,clock=behind,closer=server,family=ipv4"
        )
      ],
      "tcp_conn_request (until 4.11)"),
    counter(
      "counted-time-wait", ["PAWSTimewait"], "SYNs were refused by TIME_WAIT, older by timestamp", .note,
      .server, [clash],
      "tcp_timewait_state_process (since 6.16)"),
    counter(
      "counted-paws", ["PAWSEstab"], "segments were dropped, older by timestamp than the one before", .note,
      .server,
      [step, clash, challenged],
      "tcp_validate_incoming, until some release of 6.2 to 6.11 for SYNs too; until 6.15 tcp_timewait_state_process"
    ) { facts in facts.read.counter("PAWSTimewait") == nil ? nil : ["established-paws"] },
    counter(
      "counted-overflow", ["ListenOverflows"], "SYNs or last ACKs were dropped: a program did not accept",
      .warning, .server,
      [Shown("listen-overflow", "accept-overflow/somaxconn=2,syncookies=1,clock=0,family=ipv4")],
      "tcp_conn_request, tcp_v4_syn_recv_sock"),
    counter(
      "counted-syn-queue", ["TCPReqQFullDrop"], "SYNs were dropped: the queue was full, without cookies",
      .warning, .server,
      [Shown("syn-queue", "syn-queue/syncookies=0,family=ipv4")], "tcp_syn_flood_action"),
    counter(
      "counted-cookies", ["SyncookiesSent"],
      "cookies were sent: a listener's queue was full, or every SYN gets one", .note,
      .server, [Shown("syn-cookie", "syn-cookies/syncookies=2,timestamps=1,clock=0,family=ipv4")],
      "cookie_v4_init_sequence"),
    counter(
      "counted-challenge", ["TCPSYNChallenge"], "SYNs came for connections that were open", .note, .server,
      [challenged],
      "tcp_validate_incoming (RFC 5961)"),
    counter(
      "counted-fin-wait-2", ["TCPACKSkippedFinWait2"],
      "segments came for connections that nobody owns any more", .note,
      .server,
      [Shown("fin-wait-2", "fin-wait-2/syn=of a new connection,isn=behind,clock=back,rfc1337=0,family=ipv4")],
      "tcp_timewait_state_process, tcp_oow_rate_limited"),
    counter(
      "counted-echo", ["PAWSActive"], "SYN-ACKs were refused: they echo what was not sent", .warning, .client,
      [Shown("ts-echo", "tsecr/rewritten=TSval of SYNs,family=ipv4")], "tcp_rcv_synsent_state_process"),
    counter(
      "counted-rp-filter", ["IPReversePathFilter"],
      "packets were dropped whose way back is another interface", .note,
      .server, [Shown("rp-filter", "rp-filter/rp_filter=1,back=another way,family=ipv4")],
      "ip_rcv_finish_core"),
    counter(
      "counted-tw-buckets", ["TCPTimeWaitOverflow"], "TIME_WAIT was left out: there were as many as may be",
      .note, .server,
      [Shown("tw-buckets", "tw-buckets/max_tw_buckets=0,rfc1337=0,clock=behind,family=ipv4")], "tcp_time_wait"
    ),
    counter(
      "counted-clash", ["conntrack.insert_failed"], "conntrack dropped packets whose translation another had",
      .warning,
      .hop,
      [
        Shown("hop", "nat-ports-used-up/open=4,random=none,nat=snat,family=ipv4"),
        Shown("nat-race", "snat-clash/topology=snat,random=fully,backend=iptables,family=ipv4,meeting=held"),
      ], "__nf_conntrack_confirm"),
    AuditExposure(
      id: "counted-conntrack-full", title: "conntrack dropped packets it had no place for", level: .warning,
      role: .hop,
      whom: "whom it counted",
      shown: [Shown("conntrack-full", "conntrack-full/nf_conntrack_max=1,first=open,family=ipv4")],
      change: "a larger net.netfilter.nf_conntrack_max",
      cost: "some 300 bytes for each entry that there then is",
      source: "__nf_conntrack_alloc", isCount: true, counters: ["conntrack.drop"]
    ) { facts in
      guard let dropped = facts.counted("conntrack.drop") else { return [] }
      let failed = facts.counted("conntrack.insert_failed") ?? 0
      guard dropped > failed else { return [] }
      return [Match(what: "conntrack.drop is \(dropped), insert_failed \(failed)", places: [])]
    },
    counter(
      "counted-invalid", ["conntrack.invalid"], "segments were INVALID, where that means a drop or a reset",
      .warning, .hop,
      [
        Shown(
          "conntrack-invalid",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=client,drop_invalid=true,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        ),
        // The answer to what passed without translation is INVALID too.
        Shown(
          "no-socket",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=server,drop_invalid=false,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        ),
      ], "nf_conntrack_in"
    ) { facts in facts.number("nf_conntrack_tcp_loose") == 0 ? nil : [] },
    AuditExposure(
      id: "full-queue", title: "a listener's queue is full now", level: .warning, role: .server,
      whom: "whoever connects to it",
      shown: [Shown("listen-overflow", "accept-overflow/somaxconn=2,syncookies=1,clock=0,family=ipv4")],
      change: "the program has to accept faster; a larger backlog buys time",
      cost: "memory for connections that wait",
      source: "sk_acceptq_is_full", isCount: true
    ) { facts in facts.read.fullQueues.prefix(4).map { Match(what: $0, places: []) } },
  ]
}

extension AuditFacts {
  /// A counter by its name, `PAWSPassive` or `conntrack.drop`; nil where nothing told it.
  func counted(_ name: String) -> Int? {
    guard name.hasPrefix("conntrack.") else { return read.counter(name) }
    let own = String(name.dropFirst("conntrack.".count))
    return read.conntrack[own] ?? read.counters[name]
  }
}
