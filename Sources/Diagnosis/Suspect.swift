import Judging
import Model

/// How sure it is.
public enum Certainty: String, Sendable, Codable, Comparable {
  /// It fits, and so does something else.
  case possible
  /// It fits better than all else.
  case likely
  /// The packets or the counters are of this and of nothing else.
  case shown

  private var rank: Int { self == .possible ? 0 : self == .likely ? 1 : 2 }
  public static func < (a: Certainty, b: Certainty) -> Bool { a.rank < b.rank }
}

/// Why something is as it is: one of the lab's mechanisms, or none of them.
struct Cause: Hashable, Sendable {
  var name: String
  var isMechanism: Bool

  static func mechanism(_ name: Mechanism) -> Cause { Cause(name: name.rawValue, isMechanism: true) }

  // What is none of the lab's mechanisms.
  static let nobodyListens = Cause(name: "nobody-listens", isMechanism: false)
  static let nothingAnswers = Cause(name: "nothing-answers", isMechanism: false)
  static let filtered = Cause(name: "filtered", isMechanism: false)
  static let hostGone = Cause(name: "host-gone", isMechanism: false)
  static let loss = Cause(name: "loss", isMechanism: false)
  static let clientGone = Cause(name: "client-gone", isMechanism: false)
  static let clientDrops = Cause(name: "client-drops", isMechanism: false)
  static let programResets = Cause(name: "program-resets", isMechanism: false)
  static let tooLarge = Cause(name: "too-large", isMechanism: false)
  static let looped = Cause(name: "routing-loop", isMechanism: false)
  static let peerGone = Cause(name: "peer-gone", isMechanism: false)
}

/// What is known of a cause beside its name.
struct Knowledge {
  /// One line.
  var summary: String
  /// The lab file that shows it, and which of its cases.
  var lab: String?
  /// What ends it, and what that costs or does not do.
  var change: String?
  /// Counters that move by it, of which none may stand still where it is so. One is enough; the first that a kernel has
  /// counts.
  var counters: [String] = []
  /// Whether those move by nothing else.
  var countersAreItsOwn = false
  /// On which machine.
  var place = "server"

  static func of(_ cause: Cause) -> Knowledge {
    if cause.isMechanism {
      var known = mechanisms[cause.name] ?? Knowledge(summary: "")
      known.summary = Mechanism.all.first { $0.name.rawValue == cause.name }?.summary ?? cause.name
      return known
    }
    return foreign[cause.name] ?? Knowledge(summary: cause.name)
  }

  private static let mechanisms: [String: Knowledge] = [
    "recycle": Knowledge(
      summary: "", lab: "lab/lvs-tw-recycle.yaml",
      change: "sysctl -w net.ipv4.tcp_tw_recycle=0 on the server, at once and without side effects; "
        + "not tcp_timestamps=0, which refuses every client of the last minute",
      counters: ["PAWSPassive"], countersAreItsOwn: true),
    "tw-paws": Knowledge(
      summary: "", lab: "lab/time-wait-clash.yaml",
      change: "where it times out: net.ipv4.tcp_rfc1337=0 on the server, and let the clients' RSTs through; "
        + "where it is late: more ports at the NAT, or clients that close first",
      counters: ["PAWSTimewait", "PAWSEstab"]),
    "tw-seq": Knowledge(
      summary: "", lab: "lab/time-wait-clash.yaml",
      change: "timestamps on at both ends, net.ipv4.tcp_rfc1337=0 on the server, more ports at the NAT"),
    "fin-wait-2": Knowledge(
      summary: "", lab: "lab/fin-wait-2.yaml",
      change: "the client's program has to close too; net.ipv4.tcp_fin_timeout bounds it on the server"),
    "challenge-ack": Knowledge(
      summary: "", lab: "lab/syn-for-established.yaml",
      change:
        "let the RST through that answers it; the server's program has to close what its peer has left, "
        + "and the NAT has to keep its entries longer than the server its connections",
      counters: ["TCPSYNChallenge", "TCPChallengeACK"]),
    "established-paws": Knowledge(
      summary: "", lab: "lab/clock-step.yaml",
      change: "the client's clock has to go on where it was (migrations, failovers), or the connection anew",
      counters: ["PAWSEstab", "PAWSOldAck"]),
    "hop": Knowledge(
      summary: "", lab: "lab/nat-ports-used-up.yaml",
      change: "more ports or more addresses in the NAT's rule (--to-ports, --to-source A-B)",
      counters: ["conntrack.insert_failed"], place: "NAT"),
    "nat-race": Knowledge(
      summary: "", lab: "lab/snat-clash.yaml",
      change: "--random-fully in the NAT's rule makes it seldom; it does not end it",
      counters: ["conntrack.insert_failed"], place: "NAT"),
    "conntrack-full": Knowledge(
      summary: "", lab: "lab/conntrack-full.yaml",
      change: "net.netfilter.nf_conntrack_max higher, or shorter timeouts, on the box that tracks",
      counters: ["conntrack.drop"], place: "NAT"),
    "conntrack-invalid": Knowledge(
      summary: "", lab: "lab/nat-forgets.yaml",
      change: "longer nf_conntrack_tcp_timeout_established than the clients are idle, or keepalives; "
        + "a rule that drops INVALID makes a loss of it, its absence a RST",
      counters: ["conntrack.invalid"], place: "NAT"),
    "ipvs": Knowledge(
      summary: "", lab: "lab/ipvs-conn-reuse.yaml",
      change: "net.ipv4.vs.expire_nodest_conn=1 and net.ipv4.vs.conn_reuse_mode=1 on the director",
      place: "director"),
    "ipvs-first-packet": Knowledge(
      summary: "", lab: "lab/ipvs-source.yaml",
      change: "ip -6 neigh replace ... nud permanent for each server on the director, or Linux 5.2",
      place: "director"),
    "ipvs-quiesced": Knowledge(
      summary: "", lab: "lab/ipvs-drained.yaml", change: "a server of a weight above 0 (ipvsadm -e ... -w 1)",
      place: "director"),
    "listen-overflow": Knowledge(
      summary: "", lab: "lab/accept-overflow.yaml",
      change: "the program has to accept faster; a larger backlog (listen(2), net.core.somaxconn) buys time",
      counters: ["ListenOverflows"], countersAreItsOwn: true),
    "syn-queue": Knowledge(
      summary: "", lab: "lab/syn-queue.yaml", change: "net.ipv4.tcp_syncookies=1 on the server",
      counters: ["TCPReqQFullDrop"], countersAreItsOwn: true),
    "syn-cookie": Knowledge(
      summary: "", lab: "lab/syn-cookies.yaml",
      change: "timestamps on at both ends keep window scale and SACK; a larger backlog",
      counters: ["SyncookiesSent"], countersAreItsOwn: true),
    "rp-filter": Knowledge(
      summary: "", lab: "lab/rp-filter.yaml",
      change: "net.ipv4.conf.*.rp_filter=2 or 0 on that box, or routes that go back the same way",
      counters: ["IPReversePathFilter"], countersAreItsOwn: true, place: "box that drops"),
    "lost-answer": Knowledge(
      summary: "", lab: "lab/rp-filter.yaml",
      change: "a route for the answer (ip route get CLIENT on the server), or the rule that eats it"),
    "no-socket": Knowledge(
      summary: "", lab: "lab/nat-idle.yaml",
      change: "keepalives more often than the box in between forgets; who restarts has to drain first"),
    "icmp": Knowledge(
      summary: "", lab: "lab/firewall-says-no.yaml",
      change: "the rule or route of the box that says it", place: "box that says so"),
    "local-ports": Knowledge(
      summary: "", lab: "lab/tw-reuse.yaml",
      change:
        "net.ipv4.tcp_tw_reuse=1 on the client, a wider ip_local_port_range, or connections that are kept",
      place: "client"),
    "tw-buckets": Knowledge(
      summary: "", lab: "lab/tw-buckets.yaml", change: "a larger net.ipv4.tcp_max_tw_buckets",
      counters: ["TCPTimeWaitOverflow"], countersAreItsOwn: true),
    "tw-reuse": Knowledge(summary: "", lab: "lab/tw-reuse.yaml", place: "client"),
    "ts-echo": Knowledge(
      summary: "", lab: "lab/tsecr.yaml",
      change: "the box on the way that rewrites timestamps: both ways or not at all; "
        + "net.ipv4.tcp_timestamps=0 on the client gets through meanwhile",
      counters: ["PAWSActive"], place: "client"),
  ]

  private static let foreign: [String: Knowledge] = [
    "nobody-listens": Knowledge(
      summary: "a RST answers the SYN: nothing listens on that port, or a rule says so in its place"),
    "nothing-answers": Knowledge(
      summary:
        "nothing answers: a filter throws the SYNs away, the host is down, or no way leads there or back"),
    "filtered": Knowledge(summary: "a filter throws these SYNs away, and lets others through"),
    "host-gone": Knowledge(
      summary: "nobody has that address: it is asked for on the link, and no one answers"),
    "loss": Knowledge(summary: "packets get lost on the way, and the next one comes through"),
    "client-gone": Knowledge(
      summary: "the client says nothing to a SYN-ACK: it has gone, or never asked (a flood)"),
    "client-drops": Knowledge(
      summary: "the SYN-ACK comes to the client's machine, which throws it away (a filter there)"),
    "program-resets": Knowledge(
      summary: "the program ends the connection by a RST itself (close(2) with unread data, SO_LINGER 0)"),
    "too-large": Knowledge(
      summary:
        "large packets get lost and small ones do not: a link with a smaller MTU, and no ICMP that says so"),
    "routing-loop": Knowledge(summary: "the packet goes in a circle, or further than its TTL lets it"),
    "peer-gone": Knowledge(
      summary: "the other end says nothing any more: it, the way, or a box in between has gone"),
  ]
}
