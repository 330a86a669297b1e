/// What harms those whose packets pass this machine.
extension AuditExposure {
  private static let clash = "time-wait-clash/"
  private static let flushed = "conntrack=flushed,family=ipv4,topology=snat"

  /// A server's TIME_WAIT (TCP_TIMEWAIT_LEN), in seconds.
  private static let timeWait = 60
  /// How long a NAT has to remember an idle connection (RFC 5382, REQ-5), in seconds.
  private static let idle = 7440

  static let hops: [AuditExposure] = [
    AuditExposure(
      id: "nat-ports", title: "a NAT that has fewer than 1,024 ports of an address to give", level: .warning,
      role: .hop,
      whom:
        "whoever comes when they are taken, is refused by the NAT; whoever gets one again within a minute meets the "
        + "server's TIME_WAIT",
      shown: [
        Shown(
          "hop", "nat-ports-used-up/open=4,random=none,nat=snat,family=ipv4",
          without: "nat-ports-used-up/open=3,random=none,nat=snat,family=ipv4"),
        Shown(
          "tw-paws", "more-tuples/ports=40000-40000,rfc1337=0,nat=snat,family=ipv4",
          without: "more-tuples/ports=40000-40001,rfc1337=0,nat=snat,family=ipv4"),
        Shown("tw-seq", clash + "rfc1337=0,clock=off,isn=behind,timestamps=1," + flushed),
        Shown("challenge-ack", "nat-port-still-open/rfc1337=0,clock=behind,drop_invalid=false,family=ipv4"),
      ],
      change: "more ports or addresses in the rule: --to-source A-B:1024-65535", cost: "nothing",
      source: "nf_nat_l4proto_unique_tuple, __nf_conntrack_confirm, tcp_timewait_state_process",
      asksRules: true
    ) { facts in
      facts.match(facts.translations.filter { $0.ports.map { $0 < 1024 } ?? false })
    },
    AuditExposure(
      id: "conntrack-time-wait", title: "a NAT that forgets TIME_WAIT before the server does",
      level: .warning, role: .hop,
      whom:
        "a client that is given a port again which the server still has in TIME_WAIT: late, or timed out where the "
        + "server has tcp_rfc1337=1",
      shown: [
        Shown(
          "tw-paws",
          "conntrack-short/nf_conntrack_tcp_timeout_time_wait=30,rfc1337=1,clock=behind,family=ipv4",
          without: "conntrack-short/nf_conntrack_tcp_timeout_time_wait=30,rfc1337=1,clock=ahead,family=ipv4")
      ],
      change:
        "net.netfilter.nf_conntrack_tcp_timeout_time_wait = 120, which is the default; a larger nf_conntrack_max",
      cost: "entries stay a minute longer, of some 300 bytes each",
      source: "nf_conntrack_tcp_packet, TCP_TIMEWAIT_LEN", settings: ["nf_conntrack_tcp_timeout_time_wait"],
      asksRules: true
    ) { facts in
      guard let seconds = facts.number("nf_conntrack_tcp_timeout_time_wait"), seconds < timeWait,
        !facts.translatesNobody
      else { return [] }
      return facts.match(
        ["nf_conntrack_tcp_timeout_time_wait"],
        unless: facts.hasRules ? nil : "no rule here gives a source another address")
    },
    AuditExposure(
      id: "conntrack-established", title: "a NAT that forgets idle connections within two hours",
      level: .warning,
      role: .hop, whom: "connections that are idle for longer, which are reset when somebody sends",
      shown: [
        Shown(
          "no-socket", "nat-idle/age=3601,asks=nobody,sender=server,nf_conntrack_tcp_loose=1",
          without: "nat-idle/age=3601,asks=client,sender=server,nf_conntrack_tcp_loose=0")
      ],
      change:
        "net.netfilter.nf_conntrack_tcp_timeout_established = 7440 or more (432000 is the default), or keepalives "
        + "at the ends",
      cost: "entries of ends that are gone stay longer: a larger nf_conntrack_max",
      source: "RFC 5382, REQ-5; nf_conntrack_tcp_packet, tcp_v4_send_reset",
      settings: ["nf_conntrack_tcp_timeout_established"], asksRules: true
    ) { facts in
      guard let seconds = facts.number("nf_conntrack_tcp_timeout_established"), seconds < idle,
        !facts.translatesNobody || !facts.dropsInvalid.isEmpty
      else { return [] }
      return facts.match(
        ["nf_conntrack_tcp_timeout_established"],
        unless: facts.hasRules ? nil : "no rule here gives a source another address or drops INVALID")
    },
    AuditExposure(
      id: "conntrack-loose", title: "a connection whose beginning conntrack has not seen is INVALID to it",
      level: .warning,
      role: .hop,
      whom:
        "connections that are open when the table is flushed, the machine takes over, or the entry ends: reset, or "
        + "silent where a rule drops INVALID",
      shown: [
        Shown(
          "conntrack-invalid",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=client,drop_invalid=false,nf_conntrack_tcp_be_liberal=0,family=ipv4",
          without:
            "nat-forgets/nf_conntrack_tcp_loose=1,sender=client,drop_invalid=false,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        )
      ],
      change: "net.netfilter.nf_conntrack_tcp_loose = 1, which is the default",
      cost: "a segment without a SYN before it makes an entry",
      source: "tcp_new, net/netfilter/nf_conntrack_proto_tcp.c",
      settings: ["nf_conntrack_tcp_loose"], asksRules: true
    ) { facts in
      guard facts.number("nf_conntrack_tcp_loose", default: 1) == 0,
        !facts.translatesNobody || !facts.dropsInvalid.isEmpty
      else { return [] }
      return facts.match(["nf_conntrack_tcp_loose"])
    },
    AuditExposure(
      id: "conntrack-max", title: "a conntrack table that is full, or soon is", level: .warning, role: .hop,
      whom: "whoever connects through this machine when it is: every SYN is dropped",
      shown: [
        Shown(
          "conntrack-full", "conntrack-full/nf_conntrack_max=1,first=open,family=ipv4",
          without: "conntrack-full/nf_conntrack_max=2,first=open,family=ipv4")
      ],
      change: "a larger net.netfilter.nf_conntrack_max",
      cost: "some 300 bytes for each entry that there then is",
      source: "__nf_conntrack_alloc, early_drop", settings: ["nf_conntrack_max"]
    ) { facts in
      guard let most = facts.number("nf_conntrack_max"), most > 0 else { return [] }
      if let count = facts.conntrackEntries, count * 10 >= most * 9 {
        var match = facts.match(["nf_conntrack_max"])
        match[0].what += ", of which \(count) are taken"
        match[0].isNow = count >= most
        return match
      }
      return most < 1024 ? facts.match(["nf_conntrack_max"]) : []
    },
    AuditExposure(
      id: "drop-invalid", title: "a firewall that drops what conntrack calls INVALID", level: .note,
      role: .hop,
      whom: "connections of which this machine sees one direction only: their SYN-ACK is INVALID here",
      shown: [
        Shown(
          "lost-answer", "rp-filter/rp_filter=0,back=past a firewall,family=ipv4",
          without: "rp-filter/rp_filter=0,back=as it came,family=ipv4")
      ],
      change: "routes that lead both ways through this machine; or no such rule for what passes",
      cost: "segments out of any window pass", source: "nf_conntrack_in, tcp_new", asksRules: true
    ) { facts in
      // What a SYN proxy has not tracked is INVALID by intention.
      let proxies = facts.rules.contains { $0.text.lowercased().contains("synproxy") }
      return proxies ? [] : facts.match(facts.dropsInvalid)
    },
    AuditExposure(
      id: "drop-rst", title: "a rule that drops RSTs", level: .warning, role: .hop,
      whom: "a client that meets a server's TIME_WAIT: its RST would end that, and it times out instead",
      shown: [
        Shown(
          "witnesses", "rst-eaten/clock=behind,rfc1337=0,family=ipv4",
          without: "rst-eaten/clock=ahead,rfc1337=0,family=ipv4")
      ],
      change: "no such rule", cost: "forged RSTs pass, of which RFC 5961 takes the sting",
      source: "tcp_timewait_state_process", asksRules: true
    ) { facts in facts.match(facts.rules.filter { $0.drops(flags: "RST") }) },
    AuditExposure(
      id: "drop-syn-ack", title: "a rule that drops SYN-ACKs whatever they answer", level: .warning,
      role: .hop,
      whom: "whose SYN they answer; and the server keeps half-open connections, until its queue is full",
      shown: [Shown("lost-answer", "syn-queue/syncookies=1,family=ipv4")],
      change: "no such rule, or one for SYN-ACKs of no connection (-m conntrack --ctstate NEW)",
      cost: "nothing",
      source: "tcp_rtx_synack, inet_csk_reqsk_queue_drop", asksRules: true
    ) { facts in facts.match(facts.rules.filter { $0.drops(flags: "SYN,ACK") }) },
    AuditExposure(
      id: "tsval-rewritten", title: "timestamps are rewritten one way only", level: .error, role: .hop,
      whom:
        "everybody whose SYN passes: the SYN-ACK echoes what the client has not sent, and it refuses it by a RST",
      shown: [
        Shown(
          "ts-echo", "tsecr/rewritten=TSval of SYNs,family=ipv4",
          without: "tsecr/rewritten=nothing,family=ipv4")
      ],
      change: "rewrite the echo of the answers too, or nothing", cost: "the clients' uptimes are seen",
      source: "tcp_rcv_synsent_state_process", asksRules: true
    ) { facts in
      guard !facts.rules.contains(where: { $0.rewrites("tsecr") }) else { return [] }
      return facts.match(facts.rules.filter { $0.rewrites("tsval") })
    },
  ]

  static let directors: [AuditExposure] = [
    AuditExposure(
      id: "ipvs-reuse",
      title: "a director that follows the entry of an ended connection to a server that is gone",
      level: .warning, role: .director,
      whom:
        "a client whose port comes again after its real server was taken out: its SYNs vanish; where that has weight 0, "
        + "it goes there all the same",
      shown: [
        Shown(
          "ipvs",
          "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=0,conntrack=0,scheduler=rr",
          without:
            "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=1,conntrack=0,scheduler=rr"),
        Shown(
          "ipvs-quiesced", "ipvs-drained/conn_reuse_mode=0,expire_nodest_conn=0,drained=one,family=ipv4",
          without: "ipvs-drained/conn_reuse_mode=1,expire_nodest_conn=0,drained=one,family=ipv4"),
      ],
      change: "net.ipv4.vs.expire_nodest_conn = 1; net.ipv4.vs.conn_reuse_mode = 1 as well, from 5.9 on",
      cost:
        "connections that a removed server still has are reset; below 5.9 mode 1 costs a reusing client a second "
        + "where vs.conntrack is 1 (f0a5e4d7a594)",
      source: "ip_vs_in_hook, is_new_conn_expected",
      settings: ["vs.conn_reuse_mode", "vs.expire_nodest_conn"]
    ) { facts in
      guard facts.number("vs.conn_reuse_mode") == 0, facts.number("vs.expire_nodest_conn", default: 0) == 0
      else {
        return []
      }
      return facts.match(["vs.conn_reuse_mode", "vs.expire_nodest_conn"])
    },
    AuditExposure(
      id: "ipvs-nodest", title: "a director that keeps silent for connections whose server was taken out",
      level: .note,
      role: .director,
      whom: "connections that are open then: silence for a quarter of an hour, in place of a RST",
      shown: [
        Shown(
          "witnesses", "ipvs-endpoint-removed/expire_nodest_conn=0,conn_reuse_mode=1,conntrack=0,family=ipv4")
      ],
      change: "net.ipv4.vs.expire_nodest_conn = 1",
      cost: "they are reset at once, though the server may come back",
      source: "ip_vs_in_hook", settings: ["vs.expire_nodest_conn"]
    ) { facts in
      guard facts.number("vs.expire_nodest_conn", default: 0) == 0, !facts.read.services.isEmpty else {
        return []
      }
      return facts.match(["vs.expire_nodest_conn"])
    },
    AuditExposure(
      id: "ipvs-weight", title: "a virtual service none of whose servers has a weight", level: .warning,
      role: .director,
      whom: "everybody who connects to it is refused",
      shown: [
        Shown(
          "ipvs-quiesced", "ipvs-drained/conn_reuse_mode=1,expire_nodest_conn=0,drained=all,family=ipv4",
          without: "ipvs-drained/conn_reuse_mode=1,expire_nodest_conn=0,drained=one,family=ipv4")
      ],
      change: "ipvsadm -e ... -w 1 for a server that is there", cost: "nothing", source: "ip_vs_leave"
    ) { facts in
      facts.read.services.filter { !$0.value.isEmpty && $0.value.allSatisfy { $0.weight == 0 } }.keys.sorted()
        .map {
          Match(what: "\($0): every real server has weight 0", places: [], isNow: true)
        }
    },
  ]
}
