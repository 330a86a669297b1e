import Scenario

/// What is said about the incident, and what is true of it: each with the cases that show it.
public struct Claim: Sendable {
  /// As it is usually put.
  public let text: String
  public let verdict: Verdict
  /// Why, in a sentence.
  public let why: String
  /// Patterns of the cases that show it.
  public let cases: [String]

  /// How much of it holds.
  public enum Verdict: String, Sendable {
    case holds = "true"
    case partly = "partly"
    case wrong = "false"
  }

  /// Whether a case shows it.
  public func isShown(by id: String) -> Bool { cases.contains { Glob($0).matches(id) } }

  /// All of them, the incident first.
  public static let all: [Claim] = [
    Claim(
      text: "tcp_tw_recycle=1 behind LVS silently drops the SYNs of clients whose timestamps are behind",
      verdict: .partly,
      why:
        "below 4.12, where the director hides the clients' addresses, the server closes first and the stamp is "
        + "younger than 60 s; stock LVS (NAT, DR, TUN) hides nobody and drops nobody",
      cases: ["lvs-tw-recycle/*tw_recycle=1,timestamps=1,clock=behind,*", "tw-recycle-expiry/*"]),
    Claim(
      text: "LVS forwards with its own address as the source", verdict: .partly,
      why:
        "only with source NAT on top of IPVS masquerading (or out-of-tree FULLNAT); otherwise servers see every "
        + "client's own address",
      cases: ["ipvs-source/*"]),
    Claim(
      text: "netstat's \"packets rejects in established connections because of timestamp\" shows these drops",
      verdict: .wrong,
      why: "that is PAWSEstab; a SYN that tcp_tw_recycle drops moves PAWSPassive and ListenDrops, one each",
      cases: ["lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=1,timestamps=1,clock=behind,closer=server,*"]),
    Claim(
      text: "tcp_timestamps=0 on the server ends the loss", verdict: .partly,
      why:
        "if it is off from the start; on a live server it begins one: every client of the last minute is refused "
        + "until its stamp is 60 s old or the cache is flushed (ip tcp_metrics flush)",
      cases: ["tw-recycle-flip/*", "tw-mitigations/advice=server-timestamps-off"]),
    Claim(
      text: "tcp_timestamps=0 with tcp_tw_recycle=1 still keeps TIME_WAIT short", verdict: .wrong,
      why: "nothing is recycled without a remembered stamp: TIME_WAIT lasts 60 s again",
      cases: ["tw-recycle-length/tw_recycle=1,timestamps=0,*", "tw-mitigations/advice=server-timestamps-off"]),
    Claim(
      text: "a client can help itself by turning its timestamps off", verdict: .wrong,
      why: "since 3.17 a SYN without timestamps is refused while the stamp of its address is young",
      cases: [
        "tw-mitigations/advice=client-timestamps-off",
        "lvs-tw-recycle/*tw_recycle=1,timestamps=1,clock=off,closer=server,*",
      ]),
    Claim(
      text: "tcp_tw_recycle off, tcp_tw_reuse on is the safe way", verdict: .partly,
      why:
        "safe, yes; but reuse is for connections that this host opens, so a server's TIME_WAIT sockets stay as many",
      cases: ["tw-mitigations/advice=reuse-instead", "tw-mitigations/advice=recycle-off", "tw-reuse/*"]),
    Claim(
      text: "kernels without tcp_tw_recycle are immune", verdict: .wrong,
      why:
        "with tcp_rfc1337=1 a SYN that meets TIME_WAIT on a reused port and is older by timestamp times out on "
        + "current kernels too",
      cases: ["time-wait-clash/rfc1337=1,clock=behind,isn=*,timestamps=1,conntrack=flushed,*"]),
    Claim(
      text: "one client alone cannot suffer from its own timestamps", verdict: .wrong,
      why:
        "where the random offset depends on the ports too (7.0 and backports), a reused port shows older timestamps",
      cases: ["port-range/clients=one,*"]),
    Claim(
      text: "a real server that is taken out of LVS harms no client", verdict: .partly,
      why:
        "with conn_reuse_mode=0 and expire_nodest_conn=0 a client whose port comes again is dropped without a word",
      cases: ["ipvs-conn-reuse/conn_reuse_mode=0,server=removed,*"]),
  ]
}
