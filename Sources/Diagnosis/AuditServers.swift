/// What harms those who connect to this machine, or whom it connects to.
extension AuditExposure {
  private static let clash = "time-wait-clash/"
  private static let flushed = "conntrack=flushed,family=ipv4,topology=snat"

  static let servers: [AuditExposure] = [
    AuditExposure(
      id: "tw-recycle",
      title: "a server that remembers one timestamp for each address, and refuses what is older",
      level: .error, role: .server,
      whom:
        "every client behind a NAT, an office's or a carrier's or the director's own, whose clock is behind "
        + "another's there",
      shown: [
        Shown(
          "recycle",
          "lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=1,timestamps=1,clock=behind,closer=server,family=ipv4",
          without:
            "lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=0,timestamps=1,clock=behind,closer=server,family=ipv4"
        ),
        Shown("recycle", "nat-before-lvs/tw_recycle=1,newcomer=at the office,clock=behind,family=ipv4"),
        Shown("recycle", "tw-recycle-alone/tw_recycle=1,clock=natural,family=ipv4"),
      ],
      change: "net.ipv4.tcp_tw_recycle = 0",
      cost: "TIME_WAIT lasts its 60 s again, which costs memory and no port",
      source: "tcp_conn_request, tcp_peer_is_proven; removed by 4396e46187ca (4.12)",
      settings: ["tcp_tw_recycle", "tcp_timestamps"]
    ) { facts in
      guard let value = facts.value("tcp_tw_recycle"), value.number ?? 0 != 0, facts.hasTimestamps else {
        return []
      }
      if facts.isRunning { return facts.match(["tcp_tw_recycle"]) }
      switch facts.read.isBefore(4, 12) {
      case false?: return []
      case true?: return facts.match(["tcp_tw_recycle"])
      case nil:
        return facts.match(
          ["tcp_tw_recycle"], level: .warning,
          unless: "the kernel is 4.12 or later, which has no such setting")
      }
    },
    AuditExposure(
      id: "tw-recycle-without-timestamps",
      title: "tcp_tw_recycle beside tcp_timestamps=0, which does nothing but lie in wait",
      level: .note, role: .server,
      whom:
        "every client of the last minute when timestamps were turned off, and all of them again when they are turned on",
      shown: [
        Shown(
          "recycle", "tw-recycle-flip/topology=ipvs-fullnat,tw_recycle=1,remedy=none",
          without: "tw-recycle-flip/topology=ipvs-fullnat,tw_recycle=0,remedy=none")
      ],
      change: "net.ipv4.tcp_tw_recycle = 0", cost: "nothing: without timestamps nothing is recycled either",
      source: "tcp_time_wait (recycle_ok); a26552afe894 (3.17)",
      settings: ["tcp_tw_recycle", "tcp_timestamps"]
    ) { facts in
      guard let value = facts.value("tcp_tw_recycle"), value.number ?? 0 != 0, !facts.hasTimestamps,
        facts.isRunning || facts.read.isBefore(4, 12) != false
      else { return [] }
      return facts.match(["tcp_tw_recycle", "tcp_timestamps"])
    },
    AuditExposure(
      id: "rfc1337", title: "a server whose TIME_WAIT outlives the RST that would end it", level: .warning,
      role: .server,
      whom:
        "a client that gets a NAT's port again within a minute: it times out where it would be 10 ms late",
      shown: [
        Shown(
          "tw-paws", clash + "rfc1337=1,clock=behind,isn=ahead,timestamps=1," + flushed),
        Shown(
          "tw-seq", clash + "rfc1337=1,clock=off,isn=behind,timestamps=1," + flushed),
        Shown("tw-seq", "hardening/profile=rfc1337 without timestamps,clock=ahead,isn=behind,family=ipv4"),
      ],
      change: "net.ipv4.tcp_rfc1337 = 0, which is the default",
      cost: "a RST may end TIME_WAIT early, as it does everywhere (RFC 1337 has what that risks)",
      source: "tcp_timewait_state_process, net/ipv4/tcp_minisocks.c",
      settings: ["tcp_rfc1337", "tcp_timestamps"]
    ) { facts in
      guard facts.number("tcp_rfc1337") ?? 0 != 0 else { return [] }
      return facts.hasTimestamps
        ? facts.match(["tcp_rfc1337"])
        : facts.match(["tcp_rfc1337", "tcp_timestamps"], mechanisms: ["tw-seq"])
    },
    AuditExposure(
      id: "timestamps-off", title: "no timestamps: TIME_WAIT decides by the sequence number alone",
      level: .note,
      role: .server,
      whom:
        "clients behind a NAT whose port comes again: a coin decides who is late, and no PAWS counter shows it",
      shown: [
        Shown("tw-seq", clash + "rfc1337=0,clock=behind,isn=behind,timestamps=0," + flushed),
        Shown("tw-seq", "one-client-sequence/without=server,nat=snat,family=ipv4"),
      ],
      change: "net.ipv4.tcp_timestamps = 1, which is the default",
      cost:
        "TIME_WAIT and PAWS compare clocks again: behind one NAT port a clock that is behind is late instead",
      source:
        "tcp_timewait_state_process; cookie_timestamp_decode: SYN cookies keep window scale and SACK there",
      settings: ["tcp_timestamps"]
    ) { facts in
      facts.number("tcp_timestamps", default: 1) == 0 ? facts.match(["tcp_timestamps"]) : []
    },
    AuditExposure(
      id: "syncookies-off", title: "a listener whose queue is full drops SYNs", level: .warning,
      role: .server,
      whom:
        "everybody, while as many handshakes are unfinished as the backlog has places: a flood, a lossy way back",
      shown: [
        Shown(
          "syn-queue", "syn-queue/syncookies=0,family=ipv4", without: "syn-queue/syncookies=1,family=ipv4")
      ],
      change: "net.ipv4.tcp_syncookies = 1, which is the default",
      cost: "nothing until the queue is full; then connections without timestamps lose window scale and SACK",
      source: "tcp_conn_request, tcp_syn_flood_action", settings: ["tcp_syncookies"]
    ) { facts in
      facts.number("tcp_syncookies", default: 1) == 0 ? facts.match(["tcp_syncookies"]) : []
    },
    AuditExposure(
      id: "syncookies-always", title: "every SYN is answered by a cookie", level: .note, role: .server,
      whom: "connections without timestamps, which lose window scale and SACK",
      shown: [
        Shown(
          "syn-cookie", "syn-cookies/syncookies=2,timestamps=0,clock=0,family=ipv4",
          without: "syn-cookies/syncookies=1,timestamps=1,clock=0,family=ipv4")
      ],
      change: "net.ipv4.tcp_syncookies = 1, which is the default",
      cost: "nothing: 2 is for tests (ip-sysctl.rst)",
      source: "cookie_v4_init_sequence, tcp_clear_options", settings: ["tcp_syncookies"]
    ) { facts in
      facts.number("tcp_syncookies", default: 1) == 2 ? facts.match(["tcp_syncookies"]) : []
    },
    AuditExposure(
      id: "somaxconn", title: "a bound on accept queues below 128", level: .warning, role: .server,
      whom: "whoever connects while the program does not accept",
      shown: [
        Shown(
          "listen-overflow", "accept-overflow/somaxconn=2,syncookies=1,clock=0,family=ipv4",
          without: "accept-overflow/somaxconn=4096,syncookies=1,clock=0,family=ipv4")
      ],
      change: "net.core.somaxconn = 4096, which is the default since 5.4",
      cost: "a program that does not keep up keeps its clients waiting instead of refusing them",
      source: "tcp_conn_request (sk_acceptq_is_full), __sys_listen", settings: ["somaxconn"]
    ) { facts in
      facts.number("somaxconn", default: 4096).map { $0 < 128 } ?? false ? facts.match(["somaxconn"]) : []
    },
    AuditExposure(
      id: "tw-buckets", title: "room for few TIME_WAIT sockets, or none left", level: .note, role: .server,
      whom:
        "nobody by a refusal: TIME_WAIT is left out, who closes late gets a RST, and old duplicates are not kept out",
      shown: [
        Shown(
          "tw-buckets", "tw-buckets/max_tw_buckets=0,rfc1337=0,clock=behind,family=ipv4",
          without: "tw-buckets/max_tw_buckets=65536,rfc1337=0,clock=ahead,family=ipv4")
      ],
      change: "a larger net.ipv4.tcp_max_tw_buckets",
      cost: "some 300 bytes for each (RFC 9293, 3.4.3, has what it is for)",
      source: "inet_twsk_alloc", settings: ["tcp_max_tw_buckets"]
    ) { facts in
      guard let most = facts.number("tcp_max_tw_buckets", default: 65536) else { return [] }
      // The kernel's own number is half of its table of connections, which follows the machine's memory: 2,048 with half a
      // gigabyte, 256 in a guest of some 100 MB; so is that of orphans (tcp_init, tcp_sk_init).
      let isOwn = facts.settings["net.ipv4.tcp_max_orphans"]?.number == most
      let isFew = most < 1024 && !isOwn
      guard isFew || facts.timeWait.map({ $0 * 10 >= most * 9 }) ?? false else { return [] }
      var match = facts.match(["tcp_max_tw_buckets"])
      match[0].isNow = facts.timeWait.map { $0 > 0 && $0 >= most }
      return match
    },
    AuditExposure(
      id: "rp-filter", title: "packets are dropped whose way back is another interface", level: .warning,
      role: .server,
      whom:
        "clients whose packets come by another interface than the route to them has (two uplinks, direct routing)",
      shown: [
        Shown(
          "rp-filter", "rp-filter/rp_filter=1,back=another way,family=ipv4",
          without: "rp-filter/rp_filter=2,back=another way,family=ipv4")
      ],
      change: "net.ipv4.conf.*.rp_filter = 2, or 0",
      cost: "a forged source that some route leads back to is let in (RFC 3704)",
      source: "__fib_validate_source", settings: ["rp_filter"]
    ) { facts in
      // The larger of `all` and the interface's own counts (IN_DEV_RPFILTER).
      let names = facts.settings.keys.filter {
        $0.hasPrefix("net.ipv4.conf.") && $0.hasSuffix(".rp_filter") && !$0.contains(".lo.")
      }
      let all = facts.settings["net.ipv4.conf.all.rp_filter"]?.number ?? 0
      let single = names.filter { !$0.contains(".all.") && !$0.contains(".default.") }
      let strict = (single.isEmpty ? names : single).sorted().filter {
        max(all, facts.settings[$0]?.number ?? 0) == 1
      }
      guard !strict.isEmpty, !(facts.interfaces.map { $0 < 2 } ?? false) else { return [] }
      return [
        Match(
          what: strict.prefix(3).map { "\($0) = \(facts.settings[$0]?.text ?? "")" }.joined(separator: ", ")
            + (all == 1 && !single.isEmpty ? ", net.ipv4.conf.all.rp_filter = 1" : ""),
          places: (strict.prefix(3) + (all == 1 ? ["net.ipv4.conf.all.rp_filter"] : [])).compactMap {
            facts.settings[$0]?.place
          },
          level: facts.interfaces == nil ? .note : nil,
          unless: facts.interfaces == nil ? "the machine has one interface" : nil)
      ]
    },
  ]

  static let clients: [AuditExposure] = [
    AuditExposure(
      id: "port-range", title: "fewer than 4,096 ports to connect from", level: .warning, role: .client,
      whom: "this machine itself: EADDRNOTAVAIL at so many connections to one address and port in a minute",
      shown: [
        Shown(
          "local-ports", "tw-reuse/tw_reuse=0,clock=0,family=ipv4",
          without: "tw-reuse/tw_reuse=1,clock=0,family=ipv4")
      ],
      change: "a wider net.ipv4.ip_local_port_range, or net.ipv4.tcp_tw_reuse = 1 with timestamps",
      cost:
        "ports that programs listen on have to be in ip_local_reserved_ports; tcp_tw_reuse costs nothing, "
        + "behind NAT either (tw-reuse-behind-nat)",
      source: "__inet_hash_connect, tcp_twsk_unique", settings: ["ip_local_port_range", "tcp_tw_reuse"]
    ) { facts in
      guard let value = facts.value("ip_local_port_range") else { return [] }
      let ends = Substring(value.text).words.compactMap { Int($0) }
      guard ends.count == 2, ends[1] >= ends[0], ends[1] - ends[0] < 4_095 else { return [] }
      if facts.number("tcp_tw_reuse") == 1, facts.hasTimestamps { return [] }
      return facts.match(["ip_local_port_range"])
    }
  ]
}
