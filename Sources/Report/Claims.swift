import Judging
import Model

/// What is said about the incident, and what is true of it: each with the cases that show it.
///
/// The words are Markdown, of which only code spans are used, and are those of the table in lab/README.md: a test holds the
/// two against each other.
public struct Claim: Sendable {
  /// As it is usually put.
  public let text: String
  public let verdict: Verdict
  /// What is so in fact, in a sentence.
  public let why: String
  /// Patterns of the cases that show it.
  public let cases: [String]

  /// How much of it holds.
  public enum Verdict: Sendable, Equatable, CustomStringConvertible {
    case partly, wrong, worse
    /// It was so, last in this release of Linux.
    case until(release: String)

    /// `partly`, `no`, `worse`, `until 6.15`
    public var description: String {
      switch self {
      case .partly: "partly"
      case .wrong: "no"
      case .worse: "worse"
      case .until(let release): "until \(release)"
      }
    }
  }

  /// Whether a case shows it.
  public func isShown(by id: String) -> Bool { cases.contains { Glob($0).matches(id) } }

  /// For a terminal: what is said, what is so, what shows it.
  public var lines: [String] {
    func plain(_ text: String) -> String { text.replacing("`", with: "") }
    return [
      "\(pad(verdict.description, 10)) \(plain(text))", "           \(plain(why))",
      "           shown by \(cases.joined(separator: ", "))",
    ]
  }

  /// All of them, the incident first.
  public static let all: [Claim] = [
    Claim(
      text: "`tcp_tw_recycle=1` behind LVS silently drops the SYNs of clients whose timestamps are behind",
      verdict: .partly,
      why:
        "below 4.12, where the director hides the clients' addresses, the server closes first and the stamp "
        + "is younger than 60 s; stock LVS drops nobody",
      cases: ["lvs-tw-recycle/*", "tw-recycle-expiry/*"]),
    Claim(
      text: "LVS forwards with its own address as the source",
      verdict: .partly,
      why:
        "only with source NAT on top (`vs.conntrack=1` and a POSTROUTING rule); NAT, DR and TUN keep the "
        + "client's",
      cases: ["ipvs-source/*"]),
    Claim(
      text: "\"packets rejects in established connections because of timestamp\" shows these drops",
      verdict: .wrong,
      why: "that is `PAWSEstab`; here `PAWSPassive` and `ListenDrops` move, one each per SYN",
      cases: ["lvs-tw-recycle/*fullnat,tw_recycle=1,*behind*"]),
    Claim(
      text: "`tcp_timestamps=0` on the server ends the loss",
      verdict: .partly,
      why:
        "if it is off from the start; on a live server every client of the last minute is refused, until its "
        + "stamp is 60 s old or `ip tcp_metrics flush`",
      cases: ["tw-recycle-flip/*"]),
    Claim(
      text: "... and with `tcp_tw_recycle=1` TIME_WAIT stays short",
      verdict: .wrong,
      why: "nothing is recycled without a stamp: 60 s again, not 3.5 RTO",
      cases: ["tw-recycle-length/*"]),
    Claim(
      text: "a client helps itself by turning its timestamps off",
      verdict: .wrong,
      why: "since 3.17 a SYN without timestamps is refused while the stamp is young",
      cases: ["tw-mitigations/*"]),
    Claim(
      text: "`tcp_tw_recycle` off, `tcp_tw_reuse` on",
      verdict: .partly,
      why:
        "safe; but reuse is for connections that this host opens, after a second, with timestamps; value 2, "
        + "the default, is loopback only",
      cases: ["tw-mitigations/*", "tw-reuse/*"]),
    Claim(
      text: "kernels without `tcp_tw_recycle` are immune",
      verdict: .wrong,
      why:
        "with `tcp_rfc1337=1` a SYN that meets TIME_WAIT on a reused port times out; without, it costs one "
        + "retransmission, 10 to 15 ms",
      cases: ["time-wait-clash/*"]),
    Claim(
      text: "the counter to look at there is `PAWSEstab`",
      verdict: .until(release: "6.15"),
      why: "`PAWSTimewait` since 6.16",
      cases: ["time-wait-clash/*"]),
    Claim(
      text: "a firewall that drops INVALID breaks the recovery",
      verdict: .wrong,
      why: "neither the old ACK nor the RST is INVALID",
      cases: ["nat-hop/*"]),
    Claim(
      text: "one client alone cannot suffer from its own timestamps",
      verdict: .wrong,
      why:
        "it can where the random offset depends on the ports: about half of the connections on a reused port "
        + "are refused at first",
      cases: ["port-range/*"]),
    Claim(
      text: "the NAT's conntrack protects from the clash",
      verdict: .wrong,
      why:
        "if it keeps the entry it drops the SYN itself (`insert_failed`); from 6.5 it evicts the entry when "
        + "the sequence number is ahead",
      cases: ["time-wait-clash/*conntrack=kept*"]),
    Claim(
      text: "`--random-fully` ends the SYNs that a NAT loses when many connect at once",
      verdict: .partly,
      why:
        "without it clients with one source port lose always when they meet, with it (and with `--random`) as "
        + "often as a port is drawn twice; whoever loses sends again after a second",
      cases: ["snat-clash/*"]),
    Claim(
      text: "turning off the server's timestamps makes that go away",
      verdict: .wrong,
      why: "then the sequence number alone decides, with no PAWS counter to show it",
      cases: ["time-wait-clash/*isn=behind,timestamps=0*"]),
    Claim(
      text: "a real server that is taken out of LVS harms no client",
      verdict: .partly,
      why:
        "with `conn_reuse_mode=0` and `expire_nodest_conn=0` a client whose port comes again is dropped "
        + "without a word",
      cases: ["ipvs-conn-reuse/*"]),
    Claim(
      text: "a client whose clock steps back while connected loses a segment",
      verdict: .worse,
      why:
        "all that it sends from then on is dropped (`PAWSEstab`), and its acknowledgements are not believed",
      cases: ["clock-step/*"]),
  ]
}
