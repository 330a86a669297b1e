@testable import Diagnosis
import Foundation
import Judging
import Model
import Testing

/// What an audit finds, and what it does not.
@Suite struct AuditTests {
  private static func audit(_ texts: [(file: String, text: String)], kernel: String? = nil) throws -> Audit {
    var input = AuditInput(kernel: kernel)
    for (file, text) in texts { try input.add(text: text, file: file) }
    return Audit(input)
  }

  private static func found(_ text: String, file: String = "x.conf", kernel: String? = nil) throws -> [String]
  {
    try audit([(file, text)], kernel: kernel).all.map { "\($0.level.rawValue) \($0.rule)" }
  }

  /// What a running machine prints: `sysctl -a` is known by its length.
  static func running(_ lines: String) -> String {
    (0..<80).map { "net.ipv6.conf.x\($0).mtu = 1500\n" }.joined() + lines
  }

  private static func text(_ name: String) throws -> String {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Texts")
    return try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
  }

  // MARK: what is none

  /// A machine that nobody has set up, and what Debian's packages set in sysctl.d (systemd 252 and 257, procps).
  @Test func distributionDefaultsAreNoFinding() throws {
    let machine = try Self.text("sysctl")
    #expect(try Self.audit([("sysctl", machine)]).all.isEmpty)
    let debian = """
      kernel.sysrq = 0x01b6
      kernel.core_uses_pid = 1
      net.ipv4.conf.default.rp_filter = 2
      net.ipv4.conf.*.rp_filter = 2
      -net.ipv4.conf.all.rp_filter
      net.ipv4.conf.default.accept_source_route = 0
      net.ipv4.conf.default.promote_secondaries = 1
      net.ipv4.ping_group_range = 0 2147483647
      net.core.default_qdisc = fq_codel
      fs.protected_hardlinks = 1
      kernel.pid_max = 4194304
      #net.ipv4.tcp_syncookies=1
      #net.ipv4.conf.all.rp_filter=1
      """
    for kernel in ["5.10.223", "6.1.0-50-cloud-amd64", "6.12.117", "7.2.13"] {
      #expect(try Self.audit([("usr/lib/sysctl.d/50-default.conf", debian)], kernel: kernel).all.isEmpty)
      #expect(
        try Self.audit([("sysctl", machine), ("usr/lib/sysctl.d/50-default.conf", debian)], kernel: kernel)
          .all.isEmpty)
    }
  }

  /// `sysctl -a` of a Debian's kernel that has just booted in a guest of some 100 MB, where nobody has set anything: of TCP,
  /// of the core and of conntrack.
  @Test(arguments: ["debian-11", "debian-12", "debian-13"]) func aDebianThatHasJustBootedHasNone(name: String)
    throws
  {
    let machine = try Self.text("sysctl-\(name)")
    let audit = try Self.audit([("sysctl", machine)], kernel: "6.1.0")
    #expect(audit.all.isEmpty && audit.lookedAt.contains { $0.hasSuffix(" settings") }, "\(audit.all)")
    // Its room for TIME_WAIT is small because the machine is; one that is small by somebody's choice is not.
    #expect(machine.contains("net.ipv4.tcp_max_tw_buckets = 256"))
    let chosen = machine.replacing(
      "net.ipv4.tcp_max_tw_buckets = 256", with: "net.ipv4.tcp_max_tw_buckets = 100")
    #expect(try Self.audit([("sysctl", chosen)], kernel: "6.1.0").all.map(\.rule) == ["tw-buckets"])
  }

  /// Advice that the lab shows to harm nobody.
  @Test(arguments: [
    "net.ipv4.tcp_tw_reuse = 1", "net.ipv4.tcp_rfc1337 = 0", "net.ipv4.tcp_timestamps = 2",
    "net.ipv4.tcp_syncookies = 1",
    "net.ipv4.tcp_fin_timeout = 15", "net.core.somaxconn = 65535", "net.ipv4.tcp_abort_on_overflow = 1",
    "net.ipv4.ip_local_port_range = 1024 65535", "net.netfilter.nf_conntrack_tcp_timeout_time_wait = 60",
    "net.netfilter.nf_conntrack_tcp_be_liberal = 1",
    "net.netfilter.nf_conntrack_tcp_timeout_established = 86400",
    "net.ipv4.vs.conn_reuse_mode = 0\nnet.ipv4.vs.expire_nodest_conn = 1", "net.ipv4.vs.conn_reuse_mode = 1",
    "net.ipv4.conf.all.rp_filter = 2",
    "net.ipv4.ip_local_port_range = 40000 40007\nnet.ipv4.tcp_tw_reuse = 1",
  ])
  func whatHarmsNobodyIsNone(text: String) throws { #expect(try Self.found(text, kernel: "6.1.0").isEmpty) }

  @Test(arguments: [
    ("net.ipv4.tcp_rfc1337 = 1", "warning rfc1337"), ("net.ipv4.tcp_timestamps = 0", "note timestamps-off"),
    ("net.ipv4.tcp_syncookies = 0", "warning syncookies-off"),
    ("net.ipv4.tcp_syncookies = 2", "note syncookies-always"),
    ("net.core.somaxconn = 100", "warning somaxconn"), ("net.ipv4.tcp_max_tw_buckets = 5", "note tw-buckets"),
    ("net.ipv4.ip_local_port_range = 40000 40007", "warning port-range"),
    (
      "net.ipv4.ip_local_port_range = 40000 40007\nnet.ipv4.tcp_tw_reuse = 1\nnet.ipv4.tcp_timestamps = 0",
      "note timestamps-off, warning port-range"
    ),
    ("net.netfilter.nf_conntrack_tcp_timeout_time_wait = 30", "warning conntrack-time-wait"),
    ("net.netfilter.nf_conntrack_tcp_timeout_established = 600", "warning conntrack-established"),
    ("net.netfilter.nf_conntrack_tcp_loose = 0", "warning conntrack-loose"),
    ("net.netfilter.nf_conntrack_max = 512", "warning conntrack-max"),
    ("net.ipv4.conf.all.rp_filter = 1", "note rp-filter"),
    ("net.ipv4.vs.conn_reuse_mode = 0", "warning ipvs-reuse"),
  ])
  func whatTheLabShowsIsOne(text: String, rules: String) throws {
    let found = try Self.found(text, kernel: "6.1.0")
    #expect(found.sorted() == rules.components(separatedBy: ", ").sorted())
  }

  // MARK: kernels

  /// A kernel that has no such setting is not exposed to it; one that nobody named may be.
  @Test(
    arguments: [
      ("2.6.32-754.el6", ["error tw-recycle"]), ("3.10.0-1160.el7.x86_64", ["error tw-recycle"]),
      ("4.11.12", ["error tw-recycle"]), ("4.12.0", []), ("4.18.0-553.el8", []), ("6.1.0-50-cloud-amd64", []),
      (nil, ["warning tw-recycle"]),
    ] as [(String?, [String])])
  func onlyKernelsThatHaveASettingAreExposed(kernel: String?, rules: [String]) throws {
    #expect(try Self.found("net.ipv4.tcp_tw_recycle = 1", kernel: kernel) == rules)
    // The running kernel says itself what it has.
    #expect(
      try Self.audit([("sysctl", Self.running("net.ipv4.tcp_tw_recycle = 1\n"))], kernel: kernel).worst
        == .error)
    let without = Self.running("net.ipv4.tcp_rfc1337 = 0\n")
    #expect(
      try Self.audit([("sysctl", without), ("a.conf", "net.ipv4.tcp_tw_recycle = 1")], kernel: kernel)
        .all.isEmpty)
  }

  // MARK: files

  @Test func filesOfOneFolderAreOneMachines() throws {
    let late = ("etc/sysctl.d/90-late.conf", "net.ipv4.vs.expire_nodest_conn = 1\nnet.ipv4.tcp_rfc1337 = 0\n")
    let early = ("etc/sysctl.d/10-early.conf", "net.ipv4.vs.conn_reuse_mode = 0\nnet.ipv4.tcp_rfc1337 = 1\n")
    #expect(try Self.audit([early, late]).all.isEmpty)
    #expect(try Self.audit([late, early]).all.map(\.rule) == ["rfc1337"])
    // Of two branches of a role each may be taken.
    let role = "a:\n  net.ipv4.tcp_rfc1337: 1\nb:\n  net.ipv4.tcp_rfc1337: 0\n"
    let both = try Self.audit([("roles/x/main.yml", role)])
    #expect(both.all.flatMap(\.places).map(\.description) == ["roles/x/main.yml:2"])
  }

  @Test func whatDependsOnRulesIsHeldAgainstThem() throws {
    let settings = ("sysctl", Self.running("net.netfilter.nf_conntrack_tcp_timeout_time_wait = 30\n"))
    func rules(_ rules: String) -> (String, String) {
      ("rules", "*nat\n:POSTROUTING ACCEPT [0:0]\n\(rules)COMMIT\n")
    }
    #expect(try Self.audit([settings]).all.first?.unless != nil)
    #expect(try Self.audit([settings, rules("")]).all.isEmpty)
    let nat = try Self.audit([settings, rules("-A POSTROUTING -o wan -j MASQUERADE\n")])
    #expect(nat.all.map(\.rule) == ["conntrack-time-wait"] && nat.all[0].unless == nil)
    let narrow = try Self.audit([
      rules("[3:180] -A POSTROUTING -p tcp -j SNAT --to-source [2001:db8::1]:40000-40009\n")
    ])
    #expect(narrow.all.map(\.rule) == ["nat-ports"])
    #expect(narrow.all[0].places == [AuditPlace(file: "rules", line: 3)])
  }

  @Test(arguments: [
    ("-A POSTROUTING -o wan -p tcp -j SNAT --to-source 198.19.0.1:40000-49999", []),
    ("-A POSTROUTING -o wan -p tcp -j SNAT --to-source 198.19.0.1-198.19.0.9", []),
    ("-A POSTROUTING -o wan -p tcp -j MASQUERADE --to-ports 40000-40001 --random-fully", ["nat-ports"]),
    ("-A FORWARD -m conntrack --ctstate INVALID -j DROP", ["drop-invalid"]),
    ("-A FORWARD -m state --state INVALID -j DROP", ["drop-invalid"]),
    ("-A FORWARD -p tcp -m tcp --tcp-flags RST RST -j DROP", ["drop-rst"]),
    ("-A FORWARD -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", ["drop-syn-ack"]),
    ("-A INPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -m state --state NEW -j DROP", []),
    ("-A FORWARD -p tcp -m tcp --dport 22 -j DROP", []),
    (#"-A INPUT -p tcp -m comment --comment "-j DROP \" --ctstate INVALID" -j ACCEPT"#, []),
    ("-A INPUT -p tcp -m comment --comment INVALID -j DROP", []),
    (#"-A INPUT -m comment --comment "x" -m conntrack --ctstate INVALID -j DROP"#, ["drop-invalid"]),
    ("-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options timestamp", []),
  ])
  func rulesOfIptables(rule: String, rules: [String]) throws {
    #expect(try Self.audit([("rules", "*filter\n\(rule)\nCOMMIT\n")]).all.map(\.rule) == rules)
  }

  @Test(arguments: [
    ("ip protocol tcp snat to 198.19.0.1:40000-40003", ["nat-ports"]),
    ("masquerade to :50000-50099 fully-random", ["nat-ports"]),
    ("masquerade", []), ("ct state invalid counter packets 0 bytes 0 drop", ["drop-invalid"]),
    ("tcp flags rst / rst drop", ["drop-rst"]), (#"accept comment "ct state invalid drop""#, []),
    ("tcp flags & (syn | ack) == syn | ack drop", ["drop-syn-ack"]),
    ("tcp flags syn,ack / syn,ack counter drop", ["drop-syn-ack"]), ("tcp flags syn / syn,ack drop", []),
    ("tcp option timestamp tsval set tcp option timestamp tsval ^ 0x40000000", ["tsval-rewritten"]),
    ("tcp option timestamp tsecr set tcp option timestamp tsecr ^ 0x40000000", []),
  ])
  func rulesOfNft(rule: String, rules: [String]) throws {
    let text =
      "table ip t {\n  chain c {\n    type filter hook forward priority filter; policy accept;\n    \(rule)\n  }\n}\n"
    #expect(try Self.audit([("ruleset", text)]).all.map(\.rule) == rules)
  }

  // MARK: what has happened

  @Test func whatWasCountedIsSaid() throws {
    let counters = "#kernel\nTcpExtPAWSPassive 7 0.0\nTcpExtListenOverflows 0 0.0\nTcpExtPAWSEstab 3 0.0\n"
    let audit = try Self.audit([("nstat", counters)])
    #expect(
      audit.all.map { "\($0.level.rawValue) \($0.rule)" } == [
        "error counted-recycle", "note counted-paws",
      ])
    #expect(audit.all[1].mechanisms == ["established-paws", "tw-paws", "challenge-ack"])
    // Since 6.16 TIME_WAIT has a counter of its own.
    let later = try Self.audit([("nstat", counters + "TcpExtPAWSTimewait 0 0.0\n")])
    #expect(later.all[1].mechanisms == ["established-paws"])
  }

  /// A condition that has already hurt somebody is worse than one that has not.
  @Test func whatHasHappenedMakesAConditionWorse() throws {
    let settings = ("sysctl", Self.running("net.ipv4.tcp_syncookies = 0\n"))
    #expect(try Self.audit([settings]).all.map(\.level) == [.warning])
    let counters = ("nstat", "#kernel\nTcpExtTCPReqQFullDrop 7 0.0\nTcpExtListenDrops 7 0.0\n")
    let both = try Self.audit([settings, counters])
    #expect(
      both.all.map { "\($0.level.rawValue) \($0.rule)" } == [
        "error syncookies-off", "warning counted-syn-queue",
      ])
  }

  @Test func tablesOfProcAreRead() throws {
    let conntrack = """
      entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error expect_new expect_create expect_delete search_restart
      0000001f  00000000 00000000 00000000 00000003 00000000 00000000 00000000 00000000 00000010 00000010 00000000 00000000  00000000 00000000 00000000 00000000
      0000001f  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000004 00000000 00000000  00000000 00000000 00000000 00000000
      """
    let counted = try Self.audit([("stat", conntrack)]).all.map { "\($0.rule): \($0.what)" }
    #expect(
      counted == [
        "counted-clash: conntrack.insert_failed is 16",
        "counted-conntrack-full: conntrack.drop is 20, insert_failed 16",
      ])
    let ipvs = """
      IP Virtual Server version 1.2.1 (size=4096)
      Prot LocalAddress:Port Scheduler Flags
        -> RemoteAddress:Port Forward Weight ActiveConn InActConn
      TCP  C613FF01:1F40 rr
        -> C6130002:1F40      Masq    0      0          1
        -> C6130102:1F40      Masq    0      0          0
      """
    let director = try Self.audit([("ip_vs", ipvs)]).all
    #expect(director.map(\.rule).contains("ipvs-weight"))
    let full = Self.running(
      "net.netfilter.nf_conntrack_max = 65536\nnet.netfilter.nf_conntrack_count = 60000\n")
    #expect(try Self.audit([("sysctl", full)]).all.map(\.rule) == ["conntrack-max"])
    let sockets = "sockets: used 300\nTCP: inuse 5 orphan 0 tw 4000 alloc 7 mem 1\n"
    let buckets = Self.running("net.ipv4.tcp_max_tw_buckets = 4096\n")
    #expect(
      try Self.audit([("sockstat", sockets), ("sysctl", buckets)]).all.map(\.rule) == ["tw-buckets"])
  }

  // MARK: findings and exposures

  /// What is set is an exposure until something shows that it has happened, or happens now.
  @Test func whatIsSetIsNoFinding() throws {
    let settings = ("sysctl", Self.running("net.ipv4.tcp_rfc1337 = 1\nnet.ipv4.tcp_timestamps = 1\n"))
    let quiet = try Self.audit([settings, ("nstat", "#kernel\nTcpExtPAWSTimewait 0 0.0\n")])
    #expect(quiet.findings.isEmpty && quiet.exposures.map(\.rule) == ["rfc1337"])
    let loud = try Self.audit([settings, ("nstat", "#kernel\nTcpExtPAWSTimewait 3 0.0\n")])
    #expect(loud.findings.map(\.rule) == ["counted-time-wait"] && loud.exposures.map(\.rule) == ["rfc1337"])
    let whole = AuditText(loud).lines.joined(separator: "\n")
    let found = try #require(whole.range(of: "\nWhat has happened here"))
    let set = try #require(whole.range(of: "\nWhat is set so that it would happen"))
    #expect(found.lowerBound < set.lowerBound)
    let again = try JSONDecoder().decode(Audit.self, from: JSONEncoder().encode(loud))
    #expect(again.findings.map(\.what) == loud.findings.map(\.what) && again.exposures.count == 1)
  }

  private static func counters(_ values: [String: Int]) -> String {
    "#kernel\n" + values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value) 0.0\n" }.joined()
  }

  /// Two readings of a machine say what was met between them; one says what it has met since it was started, which is
  /// everything.
  @Test(
    arguments: [
      (["TcpExtTCPSynRetrans": 1, "TcpOutRsts": 1, "TcpActiveOpens": 1], ["counted-old-ack"]),
      // A SYN-ACK that echoes what was not sent is counted by itself.
      (
        ["TcpExtTCPSynRetrans": 1, "TcpOutRsts": 1, "TcpActiveOpens": 1, "TcpExtPAWSActive": 1],
        ["counted-echo"]
      ),
      (["TcpExtTCPSynRetrans": 1, "TcpActiveOpens": 1], []), (["TcpOutRsts": 2], ["counted-unknown"]),
      (["TcpOutRsts": 2, "TcpExtTCPAbortOnClose": 2], []),
      (["TcpExtTCPSynRetrans": 3], ["counted-unanswered"]),
      (["TcpExtEmbryonicRsts": 1], ["counted-embryonic"]),
      // What is given up while it connects has failed, and what was open has not.
      (["TcpExtTCPAbortOnTimeout": 1], ["counted-given-up"]),
      (["TcpExtTCPAbortOnTimeout": 2, "TcpAttemptFails": 1], ["counted-given-up"]),
      (["TcpExtTCPAbortOnTimeout": 1, "TcpAttemptFails": 1], ["counted-no-answer"]),
      (["TcpExtTCPAbortOnTimeout": 1, "TcpAttemptFails": 1, "TcpOutRsts": 1], []),
      (["TcpAttemptFails": 1], []), (["TcpExtTCPTimeouts": 2], ["counted-timeouts"]),
      (["TcpExtTCPTimeouts": 2, "TcpExtTCPSynRetrans": 2, "TcpActiveOpens": 1], []),
      (["TcpExtTCPTimeouts": 9, "TcpExtTCPAbortOnTimeout": 1], ["counted-given-up"]),
    ] as [([String: Int], [String])])
  func twoReadingsSayWhatWasMet(moved: [String: Int], rules: [String]) throws {
    let names = [
      "TcpActiveOpens", "TcpOutRsts", "TcpExtTCPSynRetrans", "TcpExtEmbryonicRsts", "TcpExtPAWSActive",
      "TcpExtTCPAbortOnClose", "TcpExtTCPAbortOnTimeout", "TcpAttemptFails",
      "TcpExtTCPTimeouts",
    ]
    // PAWSActive means one thing whenever it was counted, so it begins at 0.
    let before = Dictionary(uniqueKeysWithValues: names.map { ($0, $0 == "TcpExtPAWSActive" ? 0 : 40) })
    let after = before.merging(moved) { $0 + $1 }
    let both = try Self.audit([("before", Self.counters(before)), ("after", Self.counters(after))])
    #expect(both.findings.map(\.rule) == rules, "\(both.findings)")
    #expect(both.findings.allSatisfy { $0.what.hasSuffix("between the two readings") })
    #expect(both.exposures.isEmpty)
    let once = try Self.audit([("after", Self.counters(after))])
    #expect(once.findings.map(\.rule) == rules.filter { $0 == "counted-echo" })
    // The same by a reading that was kept.
    var input = AuditInput()
    try input.add(text: Self.counters(after), file: "now")
    try input.since(text: Self.counters(before), file: "before")
    #expect(Audit(input).findings.map(\.rule) == rules)
    // Where a counter has gone down, the machine was started anew, and nothing is known.
    var later = AuditInput()
    try later.add(text: Self.counters(before.mapValues { $0 / 2 }), file: "now")
    try later.since(text: Self.counters(before), file: "before")
    #expect(Audit(later).all.isEmpty && later.notTold.count == 1)
    #expect(throws: (any Error).self) { try later.since(text: "dear all\n", file: "letter") }
  }

  /// Files of /proc are of one kind, and two of them are one reading.
  @Test func netstatAndSnmpAreOneReading() throws {
    func netstat(_ again: Int) -> String { "TcpExt: TCPSynRetrans EmbryonicRsts\nTcpExt: \(again) 5\n" }
    func snmp(_ resets: Int) -> String { "Tcp: ActiveOpens OutRsts\nTcp: \(70 + again(resets)) \(resets)\n" }
    func again(_ resets: Int) -> Int { resets > 3 ? 1 : 0 }
    let audit = try Self.audit([
      ("1", netstat(8)), ("2", snmp(3)), ("3", netstat(9)), ("4", snmp(4)),
    ])
    #expect(audit.findings.map(\.rule) == ["counted-old-ack"], "\(audit.findings)")
  }

  /// Rules count what they have met; where that is nothing they are conditions.
  @Test(
    arguments: [
      ("-m conntrack --ctstate INVALID -j DROP", "dropped-invalid"),
      ("-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", "dropped-syn-ack"),
      ("-p tcp -m tcp --tcp-flags RST RST -j DROP", "dropped-rst"),
      (
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT --reject-with icmp-port-unreachable",
        "refused-syn"
      ),
      ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT --reject-with tcp-reset", "refused-by-rst"),
      ("-p tcp -m tcp --dport 22 -j DROP", nil),
    ] as [(String, String?)])
  func whatARuleHasMetIsAFinding(rule: String, finding: String?) throws {
    func found(_ packets: Int) throws -> [String] {
      let save = "*filter\n:FORWARD ACCEPT [0:0]\n[\(packets):60] -A FORWARD \(rule)\nCOMMIT\n"
      return try Self.audit([("rules", save)]).findings.map(\.rule)
    }
    #expect(try found(0) == [])
    #expect(try found(3) == [finding].compactMap { $0 })
  }

  @Test func tablesSayWhatIsSoNow() throws {
    let range = Self.running("net.ipv4.ip_local_port_range = 40000 40001\nnet.ipv4.tcp_tw_reuse = 0\n")
    func sockets(_ ports: [Int], _ state: String) -> String {
      "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
        + ports.map { "\(state) 0 0 198.18.0.2:\($0) 198.19.0.2:8000\n" }.joined()
    }
    func found(_ texts: [(String, String)]) throws -> [String] {
      try Self.audit(texts.map { (file: $0.0, text: $0.1) }).findings.map(\.rule)
    }
    #expect(try found([("a", range), ("b", sockets([40000, 40001], "TIME-WAIT"))]) == ["ports-taken"])
    #expect(try found([("a", range), ("b", sockets([40000, 41000], "TIME-WAIT"))]) == [])
    // The same as /proc has it.
    let table =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      + "   0: 0200120A:9C40 020013C6:1F40 06 00000000:00000000 03:00000F00 00000000     0        0 0 3\n"
      + "   1: 0200120A:9C41 020013C6:1F40 01 00000000:00000000 03:00000F00 00000000     0        0 0 3\n"
    #expect(try found([("a", range), ("/proc/net/tcp", table)]) == ["ports-taken"])
    // TIME_WAIT is no hindrance to who may reuse it; what is open is.
    let reuse = range.replacing("tcp_tw_reuse = 0", with: "tcp_tw_reuse = 1")
    #expect(try found([("a", reuse), ("b", sockets([40000, 40001], "TIME-WAIT"))]) == [])
    #expect(try found([("a", reuse), ("b", sockets([40000, 40001], "ESTAB"))]) == ["ports-taken"])

    let services =
      "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n"
      + "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  C613FF01:1F40 rr\n"
      + "  -> C6130102:1F40      Masq    1      0          0\n"
    func entries(_ state: String) -> String {
      "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
        + "TCP C6120002 9C40 C613FF01 1F40 C6130002 1F40 \(state)         119\n"
    }
    let mode = Self.running("net.ipv4.vs.conn_reuse_mode = 0\nnet.ipv4.vs.expire_nodest_conn = 0\n")
    let gone = [("a", mode), ("b", services), ("c", entries("TIME_WAIT"))]
    #expect(try found(gone) == ["ipvs-gone"])
    #expect(try Self.audit(gone.map { (file: $0.0, text: $0.1) }).findings[0].mechanisms == ["ipvs"])
    let listed =
      "IPVS connection entries\npro expire state       source             virtual            destination\n"
      + "TCP 01:59  TIME_WAIT   198.18.0.2:40000   198.19.255.1:8000  198.19.0.2:8000\n"
    let saved = "-A -t 198.19.255.1:8000 -s rr\n-a -t 198.19.255.1:8000 -r 198.19.1.2:8000 -m -w 1\n"
    #expect(try found([("a", mode), ("b", saved), ("c", listed)]) == ["ipvs-gone"])
    // A new connection is led elsewhere, and an entry to a server that is there to nobody's harm.
    let other = mode.replacing("conn_reuse_mode = 0", with: "conn_reuse_mode = 1")
    #expect(try found([("a", other), ("b", services), ("c", entries("TIME_WAIT"))]) == [])
    #expect(try found([("a", other), ("b", services), ("c", entries("ESTABLISHED"))]) == ["ipvs-gone"])
    let expires = mode.replacing("expire_nodest_conn = 0", with: "expire_nodest_conn = 1")
    #expect(try found([("a", expires), ("b", services), ("c", entries("TIME_WAIT"))]) == [])
    // Other numbers stand where the weights do.
    let rate = services.replacing(
      "Forward Weight ActiveConn InActConn", with: "CPS InPPS OutPPS InBPS OutBPS")
    #expect(try Self.audit([("rate", rate)]).all.isEmpty)
  }

  // MARK: what is said

  @Test func theTextFitsAndEndsInWhatToDo() throws {
    var audit = try Self.audit(
      [("etc/sysctl.d/99.conf", "net.ipv4.tcp_rfc1337 = 1\nnet.ipv4.tcp_tw_recycle = 1\n")],
      kernel: "3.10.0-1160.el7")
    let test = audit.all[0].cases[0].id
    audit.look(in: [test: ["4.9.115", "2.6.32"]], kernels: ["6.1": "debian-12"])
    let lines = AuditText(audit).lines
    // A case's name is one word, which is to be copied.
    #expect(lines.allSatisfy { $0.count <= 80 || $0.contains("family=ipv4") }, "\(lines)")
    #expect(
      lines.prefix(2).joined().split(separator: " ").joined(separator: " ")
        == "2 exposures (1 error, 1 warning); looked at 2 settings, 1 file, Linux 3.10.0-1160.el7")
    #expect(lines.contains("What is set so that it would happen, where the rest is as in the case"))
    #expect(lines.contains("  at        etc/sysctl.d/99.conf:2"))
    let whole = lines.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
    #expect(whole.contains("on Linux 4.9.115, the nearest that was run"))
    #expect(
      whole.hasSuffix("What to do net.ipv4.tcp_tw_recycle = 0 net.ipv4.tcp_rfc1337 = 0, which is the default")
    )
    let clean = try Self.audit([("etc/sysctl.d/99.conf", "net.ipv4.tcp_rfc1337 = 0\n")], kernel: "6.1.0")
    #expect(AuditText(clean).lines == ["nothing found; looked at 1 setting, 1 file, Linux 6.1.0"])
  }

  // MARK: alerts

  /// Every mechanism that a counter tells has an alert, and the collector lets each counter through.
  @Test func alertsAreOfWhatIsCounted() throws {
    let fields = try Regex(AuditRules.fields)
    let text = AuditRules.prometheus
    #expect(AuditRules.alerts.count > 12)
    #expect(Set(AuditRules.alerts.map(\.name)).count == AuditRules.alerts.count)
    for counter in AuditRules.counters {
      #expect("TcpExt_\(counter)".wholeMatch(of: fields) != nil, "\(counter)")
      #expect(text.contains("node_netstat_TcpExt_\(counter)["))
      #expect(KnownCounters.all.contains("TcpExt.\(counter)"), "\(counter)")
    }
    #expect("TcpExt_TCPPureAcks".wholeMatch(of: fields) == nil)
    #expect("Tcp_RetransSegs".wholeMatch(of: fields) != nil)
    for mechanism in Mechanism.all.map(\.name.rawValue) {
      let counters = Knowledge.of(Cause(name: mechanism, isMechanism: true)).counters
      guard counters.contains(where: { AuditRules.counters.contains($0) || $0.hasPrefix("conntrack.") })
      else { continue }
      #expect(text.contains(mechanism), "\(mechanism) is counted by \(counters), and no alert names it")
    }
    // A rule's shape: what Prometheus asks for, each once, and scalars that are closed.
    var keys: [Substring: Int] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let parts = line.trimmingPrefix(while: { " -".contains($0) }).split(separator: ":", maxSplits: 1)
      keys[parts[0], default: 0] += 1
      guard parts.count == 2, parts[1].hasPrefix(" '") else { continue }
      let inner = parts[1].dropFirst(2)
      #expect(inner.hasSuffix("'") && !inner.dropLast().replacing("''", with: "").contains("'"), "\(line)")
    }
    for key in [
      "alert", "expr", "for", "labels", "annotations", "severity", "mechanism", "summary", "description",
    ] {
      #expect(keys[Substring(key)] == AuditRules.alerts.count, "\(key)")
    }
  }
}
