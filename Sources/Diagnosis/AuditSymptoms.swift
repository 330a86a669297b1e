/// What counters of one machine tell between two readings, and what its rules have thrown away.
///
/// Since a machine was started each of these counters has moved for many reasons. Between two readings around an outage
/// they are few, and together they say what was met; what else it may be is said with each.
extension AuditExposure {
  private static let clash = "time-wait-clash/rfc1337=0,clock=behind,isn=ahead,timestamps=1,"
  private static let flushed = "conntrack=flushed,family=ipv4,topology=snat"

  /// - Parameter match: what was counted, where it is so.
  private static func between(
    _ id: String, _ title: String, _ role: AuditRole, _ whom: String, _ shown: [Shown], change: String,
    source: String, unless: String, match: @escaping @Sendable (AuditFacts) -> String?
  ) -> AuditExposure {
    AuditExposure(
      id: id, title: title, level: .note, role: role, whom: whom, shown: shown, change: change, cost: "",
      source: source, isCount: true
    ) { facts in
      guard facts.read.isDifference, let what = match(facts) else { return [] }
      return [Match(what: "\(what) between the two readings", places: [], unless: unless)]
    }
  }

  static let symptoms: [AuditExposure] = [
    between(
      "counted-old-ack", "SYNs of this machine were answered for another connection, reset and sent again",
      .client,
      "connections from here that were late by a second, or timed out",
      [
        Shown("tw-paws", clash + flushed),
        Shown(
          "tw-seq", "time-wait-clash/rfc1337=0,clock=off,isn=behind,timestamps=1," + flushed),
        Shown("challenge-ack", "syn-for-established/rfc1337=0,clock=back,isn=ahead,family=ipv4"),
        Shown(
          "fin-wait-2", "fin-wait-2/syn=of a new connection,isn=behind,clock=back,rfc1337=0,family=ipv4"),
        Shown("witnesses", "hairpin/who=inside,director=plain,family=ipv4"),
      ],
      change: "pawslab diagnose, with a capture: which of them it is, and what ends it",
      source: "tcp_rcv_synsent_state_process: an ACK of what was not sent is answered by a RST",
      unless: "the RSTs were of other connections, and nobody answered the SYNs"
    ) { facts in
      guard let again = facts.moved("TCPSynRetrans"), let resets = facts.moved("Tcp.OutRsts"),
        facts.moved("Tcp.ActiveOpens") != nil, facts.moved("PAWSActive") == nil
      else { return nil }
      return "TcpExt.TCPSynRetrans is \(again), Tcp.OutRsts \(resets)"
    },
    between(
      "counted-timeouts", "timers ran out: nobody acknowledged data, or a SYN-ACK, in time", .client,
      "connections that stand still, or do not come about",
      [
        Shown("witnesses", "retries2/retries2=8,age=95,family=ipv4"),
        Shown(
          "conntrack-invalid",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=client,drop_invalid=true,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        ),
        Shown("established-paws", "clock-step/step=back,sender=client,timestamps=1,family=ipv4"),
        Shown("lost-answer", "rp-filter/rp_filter=0,back=past a firewall,family=ipv4"),
      ],
      change: "pawslab diagnose, with a capture of such a connection: where on the way its segments end",
      source: "tcp_retransmit_timer, reqsk_timer_handler (TCPTimeouts)",
      unless: "packets are lost now and then, as on a bad link"
    ) { facts in
      // A SYN that was sent again, and what was given up, is counted by itself.
      let again = max(0, facts.moved("TCPSynRetrans") ?? 0)
      guard facts.moved("TCPAbortOnTimeout") == nil, let timeouts = facts.moved("TCPTimeouts"),
        timeouts > again
      else { return nil }
      return "TcpExt.TCPTimeouts is \(timeouts)" + (again > 0 ? ", \(again) of them of SYNs," : "")
    },
    between(
      "counted-given-up", "open connections were given up: the other end has acknowledged nothing", .client,
      "connections that were open, and ended with ETIMEDOUT",
      [
        Shown("witnesses", "retries2/retries2=8,age=110,family=ipv4"),
        Shown(
          "conntrack-invalid",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=client,drop_invalid=true,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        ),
        Shown("established-paws", "clock-step/step=back,sender=client,timestamps=1,family=ipv4"),
      ],
      change: "pawslab diagnose, with a capture of such a connection: where on the way its segments end",
      source: "tcp_write_err (TCPAbortOnTimeout), retransmits_timed_out, tcp_keepalive_timer",
      unless: "the other end was switched off"
    ) { facts in
      // An attempt to connect that is given up has failed too (tcp_done).
      guard let ended = facts.moved("TCPAbortOnTimeout"), let failed = facts.read.counter("Tcp.AttemptFails"),
        ended > failed
      else { return nil }
      return "TcpExt.TCPAbortOnTimeout is \(ended), Tcp.AttemptFails \(failed)"
    },
    between(
      "counted-no-answer", "connections from here timed out: no SYN of theirs was answered", .client,
      "this machine's own programs: ETIMEDOUT",
      [
        Shown("witnesses", "syn-timeout/syn_retries=1,family=ipv4"),
        Shown("hop", "nat-ports-used-up/open=4,random=none,nat=snat,family=ipv4"),
        Shown("conntrack-full", "conntrack-full/nf_conntrack_max=1,first=open,family=ipv4"),
        Shown(
          "ipvs",
          "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=0,conntrack=0,scheduler=rr"),
        Shown("listen-overflow", "accept-overflow/somaxconn=2,syncookies=1,clock=0,family=ipv4"),
        Shown("syn-queue", "syn-queue/syncookies=0,family=ipv4"),
        Shown("rp-filter", "rp-filter/rp_filter=1,back=another way,family=ipv4"),
        Shown("lost-answer", "syn-queue/syncookies=1,family=ipv4"),
        Shown(
          "recycle",
          "lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=1,timestamps=1,clock=behind,closer=server,family=ipv4"
        ),
      ],
      change: "pawslab diagnose, with a capture at the other end: whether SYNs come there, and what answers",
      source: "tcp_retransmit_timer, tcp_write_err (TCPAbortOnTimeout)",
      unless: "there is no such host, or a firewall is to drop them"
    ) { facts in
      guard let ended = facts.moved("TCPAbortOnTimeout"), let failed = facts.moved("Tcp.AttemptFails"),
        failed >= ended, facts.moved("Tcp.OutRsts") == nil, facts.moved("PAWSActive") == nil
      else { return nil }
      return "TcpExt.TCPAbortOnTimeout is \(ended), Tcp.AttemptFails \(failed), and no RST was sent,"
    },
    between(
      "counted-unknown", "segments came for connections or ports that this machine does not have", .server,
      "whoever sent them: they were reset",
      [
        Shown("no-socket", "nat-idle/age=3601,asks=nobody,sender=server,nf_conntrack_tcp_loose=1"),
        Shown(
          "conntrack-invalid",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=client,drop_invalid=false,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        ),
        Shown("lost-answer", "two-nats-one-address/clock=equal,back=by the other NAT,family=ipv4"),
        // Of a connection that was closed without TIME_WAIT.
        Shown("tw-buckets", "tw-buckets/max_tw_buckets=0,rfc1337=0,clock=behind,family=ipv4"),
        // A port on which nobody listens, or no longer.
        Shown("witnesses", "server-reboots/what=stops listening,timestamps=1,family=ipv4"),
      ],
      change: "what stands in between has to remember idle connections for as long as the ends do",
      source: "tcp_v4_send_reset", unless: "somebody scans ports"
    ) { facts in
      // What was aborted here is counted as a RST too; a SYN that was sent again is another story.
      let aborted = facts.read.counters.filter { $0.key.hasPrefix("TcpExt.TCPAbortOn") }
        .reduce(0) { $0 &+ max(0, $1.value) }
      guard let resets = facts.moved("Tcp.OutRsts"), resets > aborted, facts.moved("TCPSynRetrans") == nil
      else { return nil }
      return "Tcp.OutRsts is \(resets)" + (aborted > 0 ? ", \(aborted) of them by programs here," : "")
    },
    between(
      "counted-unanswered", "SYN-ACKs were sent again, for nobody acknowledged them", .server,
      "clients whose answer is lost on the way back, or goes another way",
      [Shown("lost-answer", "syn-queue/syncookies=1,family=ipv4")],
      change: "what drops SYN-ACKs on the way back: tcpdump at both ends shows where",
      source: "tcp_rtx_synack", unless: "SYNs came whose senders do not exist (a flood)"
    ) { facts in
      guard let again = facts.moved("TCPSynRetrans"), facts.moved("Tcp.ActiveOpens") == nil,
        facts.read.counter("Tcp.ActiveOpens") != nil
      else { return nil }
      return "TcpExt.TCPSynRetrans is \(again), and this machine has connected to nobody"
    },
    between(
      "counted-embryonic",
      "half-open connections were reset: a SYN-ACK was refused, or came to somebody else",
      .server, "clients that were answered and could not use it",
      [
        Shown("lost-answer", "two-nats-one-address/clock=equal,back=by the other NAT,family=ipv4"),
        Shown("ts-echo", "tsecr/rewritten=TSval of SYNs,family=ipv4"),
      ],
      change: "one NAT for an address; no rule that rewrites timestamps one way",
      source: "tcp_check_req", unless: "somebody scans ports"
    ) { facts in facts.moved("EmbryonicRsts").map { "TcpExt.EmbryonicRsts is \($0)" } },
    AuditExposure(
      id: "counted-time-wait-skipped",
      title: "TIME_WAIT met segments more often than it answers: a SYN was refused, and its RST too",
      level: .note, role: .server, whom: "whom it counted",
      shown: [
        Shown("tw-seq", "time-wait-clash/rfc1337=1,clock=off,isn=behind,timestamps=1," + flushed),
        Shown("tw-paws", "time-wait-clash/rfc1337=1,clock=behind,isn=ahead,timestamps=1," + flushed),
      ],
      change: "net.ipv4.tcp_rfc1337 = 0, which is the default", cost: "",
      source: "tcp_timewait_check_oow_rate_limit", isCount: true, counters: ["TCPACKSkippedTimeWait"]
    ) { facts in
      guard let skipped = facts.moved("TCPACKSkippedTimeWait") else { return [] }
      // Older by timestamp is counted beside it: by PAWSTimewait since 6.16, by PAWSEstab before.
      let isByClock = facts.moved("PAWSTimewait") ?? facts.moved("PAWSEstab") != nil
      return [
        Match(
          what: "TCPACKSkippedTimeWait is \(skipped)", places: [],
          mechanisms: isByClock ? ["tw-paws", "tw-seq"] : ["tw-seq"])
      ]
    },
    dropped(
      "dropped-syn-ack", "a rule has dropped SYN-ACKs", "whose SYN they answered",
      [Shown("lost-answer", "syn-queue/syncookies=1,family=ipv4")], source: "tcp_rtx_synack"
    ) { $0.drops && $0.isAbout(flags: "SYN,ACK") },
    dropped(
      "dropped-rst", "a rule has dropped RSTs",
      "who meets what the RST would have ended: TIME_WAIT, a connection that is open, an entry of a NAT",
      [
        Shown("witnesses", "rst-eaten/clock=behind,rfc1337=0,family=ipv4"),
        Shown("challenge-ack", "linger-rst/age=12,clock=behind,rfc1337=0,family=ipv4"),
        Shown("hop", "linger-rst/age=7,clock=ahead,rfc1337=0,family=ipv4"),
      ], source: "tcp_timewait_state_process, tcp_reset"
    ) { $0.drops && $0.isAbout(flags: "RST") },
    dropped(
      "dropped-invalid", "a rule has dropped what conntrack calls INVALID",
      "connections of which this machine has not seen, or no longer knows, one direction",
      [
        Shown(
          "conntrack-invalid",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=client,drop_invalid=true,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        ),
        Shown("lost-answer", "rp-filter/rp_filter=0,back=past a firewall,family=ipv4"),
      ], source: "nf_conntrack_in"
    ) { $0.drops && $0.text.lowercased().contains("invalid") },
    dropped(
      "refused-syn", "a rule has refused SYNs by ICMP", "who sent them",
      [Shown("icmp", "firewall-says-no/firewall=icmp,connection=new,family=ipv4")],
      source: "tcp_v4_err"
    ) { $0.refusesByICMP && $0.isAbout(flags: "SYN") },
    dropped(
      "refused-by-rst", "a rule has answered by RSTs in the place of who was asked", "who sent what it met",
      [Shown("witnesses", "firewall-says-no/firewall=rst,connection=new,family=ipv4")],
      source: "nf_send_reset"
    ) { $0.refusesByRST },
  ]

  /// Rules by which packets have gone, by their own counters.
  private static func dropped(
    _ id: String, _ title: String, _ whom: String, _ shown: [Shown], source: String,
    which: @escaping @Sendable (AuditFacts.Rule) -> Bool
  ) -> AuditExposure {
    AuditExposure(
      id: id, title: title, level: .note, role: .hop, whom: whom, shown: shown,
      change: "no such rule for what passes, or routes and a NAT that make it unneeded", cost: "",
      source: source, asksRules: true, isCount: true
    ) { facts in
      facts.rules.filter { $0.packets ?? 0 > 0 && which($0) }.map { rule in
        Match(
          what: "\(Words.count(rule.packets ?? 0, "packet")) by \(rule.text)", places: [rule.place])
      }
    }
  }
}

extension AuditFacts {
  /// How far a counter has moved; nil where it has not, or nothing told it.
  func moved(_ counter: String) -> Int? { counted(counter).flatMap { $0 > 0 ? $0 : nil } }
}

extension AuditFacts.Rule {
  /// Whether it answers by ICMP what it does not let through.
  var refusesByICMP: Bool { refuses && !resets }

  /// Whether it answers by a RST what it does not let through.
  var refusesByRST: Bool { refuses && resets }

  private var refuses: Bool { words.contains("REJECT") || words.contains("reject") }
  private var resets: Bool { text.contains("tcp-reset") || text.contains("tcp reset") }
}
