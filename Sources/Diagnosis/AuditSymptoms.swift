/// What counters of one machine tell between two readings, what its rules have thrown away, and what its tables hold now.
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
      "counted-unknown", "segments came for connections or ports that this machine does not have", .server,
      "whoever sent them: they were reset",
      [
        Shown("no-socket", "nat-idle/age=3601,asks=nobody,sender=server,nf_conntrack_tcp_loose=1"),
        Shown(
          "conntrack-invalid",
          "nat-forgets/nf_conntrack_tcp_loose=0,sender=client,drop_invalid=false,nf_conntrack_tcp_be_liberal=0,family=ipv4"
        ),
        Shown("lost-answer", "two-nats-one-address/clock=equal,back=by the other NAT,family=ipv4"),
      ],
      change: "what stands in between has to remember idle connections for as long as the ends do",
      source: "tcp_v4_send_reset", unless: "somebody asked for a port on which nobody listens"
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
    AuditExposure(
      id: "ports-taken", title: "every port to a server is taken now", level: .warning, role: .client,
      whom: "this machine's own programs: EADDRNOTAVAIL at the next connection there",
      shown: [
        Shown(
          "local-ports", "tw-reuse/tw_reuse=0,clock=0,family=ipv4",
          without: "tw-reuse/tw_reuse=1,clock=0,family=ipv4")
      ],
      change: "a wider net.ipv4.ip_local_port_range, or net.ipv4.tcp_tw_reuse = 1 with timestamps",
      cost: "ports that programs listen on have to be in ip_local_reserved_ports",
      source: "__inet_hash_connect, tcp_twsk_unique",
      settings: ["ip_local_port_range", "tcp_tw_reuse"], isCount: true
    ) { facts in
      guard let value = facts.value("ip_local_port_range") else { return [] }
      let ends = Substring(value.text).words.compactMap { Int($0) }
      // A range of one port is a port that somebody has chosen.
      guard ends.count == 2, ends[0] > 0, ends[1] > ends[0] else { return [] }
      return facts.portsTaken(of: ends[0]...ends[1]).prefix(4).map { way in
        Match(
          what: "all \(ends[1] - ends[0] + 1) ports of net.ipv4.ip_local_port_range from \(way) are taken",
          places: [value.place])
      }
    },
    AuditExposure(
      id: "ipvs-gone", title: "connections lead to a real server that was taken out", level: .warning,
      role: .director, whom: "whoever sends on one of them, or comes by its port again: silence",
      shown: [
        Shown(
          "ipvs",
          "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=0,conntrack=0,scheduler=rr",
          without:
            "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=1,conntrack=0,scheduler=rr"),
        Shown(
          "witnesses", "ipvs-endpoint-removed/expire_nodest_conn=0,conn_reuse_mode=1,conntrack=0,family=ipv4"),
      ],
      change: "net.ipv4.vs.expire_nodest_conn = 1",
      cost: "connections that a removed server still has are reset",
      source: "ip_vs_in_hook", settings: ["vs.expire_nodest_conn", "vs.conn_reuse_mode"], isCount: true
    ) { facts in
      guard facts.number("vs.expire_nodest_conn", default: 0) == 0 else { return [] }
      let gone = facts.directed.filter { facts.isGone($0) }
      // A new connection is led elsewhere by conn_reuse_mode (is_new_conn_expected), an open one by nothing.
      let reopens = facts.number("vs.conn_reuse_mode") == 0 ? gone.filter { $0.state != "ESTABLISHED" } : []
      let open = gone.filter { $0.state == "ESTABLISHED" }
      return [(reopens, ["ipvs"], "of ended connections"), (open, ["witnesses"], "of open connections")]
        .compactMap { entries, mechanisms, words in
          guard let first = entries.first else { return nil }
          return Match(
            what: "\(Words.count(entries.count, "entry", "entries")) \(words) to \(first.server)",
            places: [],
            mechanisms: mechanisms)
        }
    },
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

  /// The ways, an own address and a peer's address and port, to which sockets hold every port of a range.
  func portsTaken(of range: ClosedRange<Int>) -> [String] {
    let reuse = hasTimestamps ? number("tcp_tw_reuse") ?? 0 : 0
    var taken: [String: Set<Int>] = [:]
    for socket in sockets where socket.state != "LISTEN" {
      guard let colon = socket.local.lastIndex(of: ":"),
        let port = Int(socket.local[socket.local.index(after: colon)...]), range.contains(port),
        let end = socket.peer.lastIndex(of: ":")
      else { continue }
      let (own, other) = (socket.local[..<colon], socket.peer[..<end])
      // 2 is for a machine's connections to itself (tcp_twsk_unique).
      if socket.state == "TIME-WAIT", reuse == 1 || (reuse == 2 && own == other) { continue }
      taken["\(own) to \(socket.peer)", default: []].insert(port)
    }
    return taken.filter { $0.value.count == range.count }.map(\.key).sorted()
  }

  /// Whether the server of a director's entry is none of its service's any more.
  func isGone(_ entry: Directed) -> Bool {
    // ipvsadm -Sn says the protocol by an option.
    let bare = Substring(entry.service).words.last.map(String.init) ?? entry.service
    guard let servers = read.services[entry.service] ?? read.services[bare] else { return false }
    return !servers.contains { $0.server == entry.server }
  }
}

extension AuditFacts.Rule {
  /// Whether it answers by ICMP what it does not let through.
  var refusesByICMP: Bool {
    let words = words
    guard words.contains("REJECT") || words.contains("reject") else { return false }
    return !text.contains("tcp-reset") && !text.contains("tcp reset")
  }
}
