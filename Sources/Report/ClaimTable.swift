extension Claim {
  /// All of them, the incident first, then what the article says of it, then what is said of kernels of today.
  public static let all: [Claim] = incident + article + advice + today

  private static let old = Measured(stored: ["4.9.115"])
  private static let guests = ["5.10.223", "6.1.176", "6.12.117", "7.2.13"]
  private static let everywhere = Measured(seen: guests + ["6.18.44"])

  private static let incident: [Claim] = [
    Claim(
      text: "`tcp_tw_recycle=1` behind LVS silently drops the SYNs of clients whose timestamps are behind",
      verdict: .partly,
      why:
        "it keeps one stamp for each source address as the server sees it, whoever made many clients "
        + "one: full NAT at the director, or an office's or a carrier's NAT before a stock one",
      conditions:
        "below 4.12; timestamps on at both ends; the server closes first; the stamp is younger than 60 s "
        + "and newer by more than a tick, or (since 3.17) the SYN has none",
      cases: ["lvs-tw-recycle/*", "tw-recycle-expiry/*", "nat-before-lvs/*"], measured: old),
    Claim(
      text: "without NAT and LVS `tcp_tw_recycle` harms nobody",
      verdict: .wrong,
      why:
        "a client whose random offset depends on its ports is older than itself on about half of its "
        + "connections",
      conditions:
        "clients of 4.10, of 7.0 and of stable kernels with 165573e41f2f; `tcp_timestamps=1` there (2 "
        + "has no offset)",
      cases: ["tw-recycle-alone/*"],
      measured: Measured(seen: ["6.12.117", "7.2.13, both with the rule emulated"])),
    Claim(
      text: "LVS forwards with its own address as the source",
      verdict: .partly,
      why: "NAT, DR and TUN keep the client's",
      conditions:
        "only with source NAT on top (`vs.conntrack=1` and a POSTROUTING rule), or out-of-tree FULLNAT",
      cases: ["ipvs-source/*"], measured: Measured(seen: guests)),
    Claim(
      text: "LVS does not modify the timestamp",
      verdict: .right,
      why:
        "neither IPVS nor NAT rewrites TSval or TSecr, so the server sees the clocks of many behind one "
        + "address",
      conditions: "SYNPROXY, which does, is not in the way",
      cases: ["lvs-tw-recycle/*", "nat-before-director/*"], measured: old),
  ]

  private static let article: [Claim] = [
    Claim(
      text: "TCP caches the latest timestamp for each connection, and drops what is older",
      verdict: .partly,
      why:
        "two things in one: PAWS keeps it for each connection (RFC 7323); `tcp_tw_recycle` for each "
        + "host, the extension that RFC 1323 B.2 describes and leaves out",
      conditions: "the first on every kernel; the second below 4.12",
      cases: ["clock-step/*", "lvs-tw-recycle/*"], measured: old),
    Claim(
      text: "the port will be reused, so it may be considered the same connection",
      verdict: .wrong,
      why:
        "the stamp belongs to an address and has no port; a SYN that meets a live TIME_WAIT on its port "
        + "is refused by that, on every kernel",
      conditions:
        "below 4.12; the RST that ends TIME_WAIT sends the next SYN to the cache, so that one `PAWSEstab` and "
        + "then `PAWSPassive` are counted (seen with the rule emulated on 6.1.176 and 6.12.117, by no case)",
      cases: ["lvs-tw-recycle/*", "time-wait-clash/*"], measured: old),
    Claim(
      text: "\"packets rejects in established connections because of timestamp\" shows these drops",
      verdict: .partly,
      why:
        "that is `PAWSEstab`, which TIME_WAIT moves where the port comes again; the cache moves "
        + "`PAWSPassive` and `ListenDrops`, one each per SYN",
      conditions:
        "`PAWSPassive` until 4.11; `ListenDrops` not on 2.6.32; `PAWSEstab` for TIME_WAIT until 6.15",
      cases: ["lvs-tw-recycle/*fullnat,tw_recycle=1,*behind*", "time-wait-clash/*clock=behind*"],
      measured: old),
    Claim(
      text: "`tcp_timestamps` is on by default, so `tcp_tw_recycle` alone is enough",
      verdict: .right,
      why: "its default has been 1 since there are timestamps; `tcp_tw_recycle` needs both ends to have them",
      conditions: "always; the second half below 4.12",
      cases: ["lvs-tw-recycle/*"], measured: old),
    Claim(
      text: "`tcp_tw_reuse` and `tcp_tw_recycle` reduce TIME_WAIT at once",
      verdict: .partly,
      why:
        "`tcp_tw_recycle` does, to 3.5 RTO; `tcp_tw_reuse` never on a server: it lets connections that "
        + "this host opens take a port again",
      conditions: "recycle: below 4.12, with timestamps; reuse: outgoing, with timestamps, after a second",
      cases: ["tw-mitigations/*", "tw-recycle-length/*", "tw-reuse/*"], measured: old),
    Claim(
      text: "`tcp_timestamps=0` on the server ends the loss",
      verdict: .partly,
      why:
        "if it is off from the start; on a live server every client whose connection it closed first in "
        + "the last minute is refused, until its stamp is 60 s old or `ip tcp_metrics flush`",
      conditions:
        "the refusal since 3.17 and in RHEL 7 (a26552afe894); on 2.6.32 to 3.16 the claim is true at once",
      cases: ["tw-recycle-flip/*"], measured: old),
    Claim(
      text: "... and with `tcp_tw_recycle=1` TIME_WAIT stays short",
      verdict: .wrong,
      why: "nothing is recycled without a stamp: 60 s again, not 3.5 RTO",
      conditions: "below 4.12",
      cases: ["tw-recycle-length/*"], measured: Measured(seen: ["4.9.115"])),
    Claim(
      text: "`tcp_tw_recycle` does not work where timestamps are off (the article, against its own advice)",
      verdict: .right,
      why: "`tcp_time_wait` recycles only what has a remembered stamp (`recycle_ok`)",
      conditions: "below 4.12",
      cases: ["tw-recycle-length/*timestamps=0*", "tw-mitigations/*server-timestamps-off*"], measured: old),
    Claim(
      text: "turning timestamps off is to be tested for side effects",
      verdict: .right,
      why:
        "SYN cookies then lose window scaling and SACK, `tcp_tw_reuse` is dead, PAWS is gone, and "
        + "TIME_WAIT decides by the sequence number alone, a coin behind NAT",
      conditions: "always",
      cases: ["syn-cookies/*", "tw-reuse/*clock=off*", "clock-step/*timestamps=0*", "one-client-sequence/*"],
      measured: everywhere),
    Claim(
      text: "what `sysctl -w` sets is lost at the next boot",
      verdict: .right,
      why: "it is written to the running kernel only; /etc/sysctl.d keeps it",
      conditions: "always", cases: [], measured: Measured()),
  ]

  private static let advice: [Claim] = [
    Claim(
      text: "a client helps itself by turning its timestamps off",
      verdict: .wrong,
      why: "a SYN without timestamps is refused while the stamp is young",
      conditions: "since 3.17, below 4.12",
      cases: ["tw-mitigations/*", "nat-before-lvs/*clock=off*"], measured: old),
    Claim(
      text: "`tcp_tw_recycle` off, `tcp_tw_reuse` on",
      verdict: .partly,
      why:
        "safe, behind NAT too; but it is for connections that this host opens, and 2, the default, "
        + "for loopback",
      conditions: "timestamps at both ends; a second later (`tcp_tw_reuse_delay` since 6.14); 2 since 4.19",
      cases: ["tw-mitigations/*", "tw-reuse/*", "tw-reuse-behind-nat/*", "tw-reuse-loopback/*"],
      measured: Measured(stored: ["4.9.115"], seen: guests + ["6.18.44"])),
    Claim(
      text: "kernels without `tcp_tw_recycle` are immune",
      verdict: .wrong,
      why:
        "a SYN that TIME_WAIT refuses on a reused port (an older TSval; or an old sequence number and no "
        + "newer TSval) costs a "
        + "retransmission; with `tcp_rfc1337=1`, or where the client's RST is lost, it times out",
      conditions:
        "2 jiffies at the least since 5.6 (2 to 3 ms at HZ=1000, 10 to 15 at 250, 20 to 30 at 100), one "
        + "second before; `tcp_rfc1337` is no default",
      cases: ["time-wait-clash/*", "rst-eaten/*", "hardening/*"], measured: everywhere),
    Claim(
      text: "the counter to look at there is `PAWSEstab`",
      verdict: .until(release: "6.15"),
      why: "`PAWSTimewait` since 6.16; none where the sequence number decides, nor in FIN_WAIT2",
      conditions: "by kernel",
      cases: ["time-wait-clash/*", "fin-wait-2/*"], measured: everywhere),
    Claim(
      text: "a firewall that drops INVALID breaks the recovery",
      verdict: .partly,
      why: "neither the old ACK nor the RST is INVALID; a firewall that drops RSTs breaks it",
      conditions:
        "by source the RST is INVALID on 5.17 to c410cb974f2b; what 4.9 counts (until 830af2eba403) is the next SYN, which "
        + "passes (seen)",
      cases: ["nat-hop/*", "rst-eaten/*"], measured: everywhere),
  ]

  private static let today: [Claim] = [
    Claim(
      text: "one client alone cannot suffer from its own timestamps",
      verdict: .wrong,
      why: "about half of its connections on a port that comes again are refused at first",
      conditions:
        "behind a NAT that remaps ports, where the offset depends on the 4-tuple (165573e41f2f, 7.0 and "
        + "stable); without NAT a port that comes again has the same offset",
      cases: ["port-range/*"], measured: Measured(seen: ["6.12.117", "6.18.44", "7.2.13"])),
    Claim(
      text: "the NAT's conntrack protects from the clash",
      verdict: .partly,
      why:
        "while another port is free: its entry lives 120 s, TIME_WAIT 60; where none is, it drops the "
        + "SYN itself "
        + "(`insert_failed`), or since 6.5 gives up an entry in TIME_WAIT or CLOSE whose sequence number "
        + "is behind",
      conditions:
        "not where the range is full, the entry is gone first (short timeouts, a flush, a failover), or "
        + "another NAT shares the address",
      cases: [
        "time-wait-clash/*conntrack=kept*", "conntrack-short/*", "nat-time-wait/*", "two-nats-one-address/*",
      ],
      measured: everywhere),
    Claim(
      text: "`--random-fully` ends the SYNs that a NAT loses when many connect at once",
      verdict: .partly,
      why:
        "without it clients with one source port lose always when they meet between the choice of a port "
        + "and conntrack's confirmation; with it, and with `--random`, as often as a port is drawn twice",
      conditions: "several processors or a queue in between; whoever loses sends again after a second",
      cases: ["snat-clash/*"], measured: Measured(seen: guests)),
    Claim(
      text: "turning off the server's timestamps makes that go away",
      verdict: .wrong,
      why: "then the sequence number alone decides, with no PAWS counter to show it",
      conditions: "always; one client alone is enough behind one NAT port",
      cases: ["time-wait-clash/*isn=behind,timestamps=0*", "one-client-sequence/*"], measured: everywhere),
    Claim(
      text: "where a SYN-ACK comes back, timestamps are not the cause",
      verdict: .wrong,
      why:
        "a client refuses a SYN-ACK whose echo it has not sent, by a RST (`PAWSActive`), and goes on waiting "
        + "until ETIMEDOUT",
      conditions:
        "something on the way rewrites timestamps one way only; a server refuses the handshake's last ACK "
        + "for the same since 6.15 (`TSEcrRejected`)",
      cases: ["tsecr/*"], measured: everywhere),
    Claim(
      text: "a real server that is taken out of LVS harms no client",
      verdict: .partly,
      why:
        "a client whose port comes again is dropped without a word, and a connection that is open goes "
        + "silent for a quarter of an hour",
      conditions:
        "`expire_nodest_conn=0`; the first with `conn_reuse_mode=0` only, the second whatever that is",
      cases: ["ipvs-conn-reuse/*", "ipvs-endpoint-removed/*"], measured: Measured(seen: guests)),
    Claim(
      text: "a client whose clock steps back while connected loses a segment",
      verdict: .worse,
      why: "all that it sends is dropped (`PAWSEstab`), and its acknowledgements are not believed",
      conditions:
        "until its clock has made up for the step, or nothing was accepted for 24 days (2147 s since "
        + "6.7, by source); RSTs are taken; a clock that goes forward harms nobody until it is set right",
      cases: ["clock-step/*", "clock-step-ends/*"], measured: everywhere),
    Claim(
      text: "`conn_reuse_mode=1` schedules a port that comes again anew",
      verdict: .partly,
      why:
        "by masquerading; in direct routing and by tunnel the director sees one FIN of two, and "
        + "follows the old entry",
      conditions: "there 2 or 3 do; a persistent service never does",
      cases: ["direct-routing-reuse/*", "ipvs-persistence/*"], measured: Measured(seen: guests)),
    Claim(
      text: "a SYN that meets an open connection is lost",
      verdict: .wrong,
      why:
        "it is challenged, and the RST in answer ends the old connection, whose owner may be somebody "
        + "else: a retransmission",
      conditions: "RFC 5961; ESTABLISHED and CLOSE_WAIT; whatever clocks and `tcp_rfc1337` are",
      cases: ["syn-for-established/*", "close-wait-leak/*", "nat-port-still-open/*", "linger-rst/*"],
      measured: everywhere),
  ]
}
