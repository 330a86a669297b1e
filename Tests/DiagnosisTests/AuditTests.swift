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
    try audit([(file, text)], kernel: kernel).findings.map { "\($0.level.rawValue) \($0.rule)" }
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
    #expect(try Self.audit([("sysctl", machine)]).findings.isEmpty)
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
      #expect(try Self.audit([("usr/lib/sysctl.d/50-default.conf", debian)], kernel: kernel).findings.isEmpty)
      #expect(
        try Self.audit([("sysctl", machine), ("usr/lib/sysctl.d/50-default.conf", debian)], kernel: kernel)
          .findings.isEmpty)
    }
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
        .findings.isEmpty)
  }

  // MARK: files

  @Test func filesOfOneFolderAreOneMachines() throws {
    let late = ("etc/sysctl.d/90-late.conf", "net.ipv4.vs.expire_nodest_conn = 1\nnet.ipv4.tcp_rfc1337 = 0\n")
    let early = ("etc/sysctl.d/10-early.conf", "net.ipv4.vs.conn_reuse_mode = 0\nnet.ipv4.tcp_rfc1337 = 1\n")
    #expect(try Self.audit([early, late]).findings.isEmpty)
    #expect(try Self.audit([late, early]).findings.map(\.rule) == ["rfc1337"])
    // Of two branches of a role each may be taken.
    let role = "a:\n  net.ipv4.tcp_rfc1337: 1\nb:\n  net.ipv4.tcp_rfc1337: 0\n"
    let both = try Self.audit([("roles/x/main.yml", role)])
    #expect(both.findings.flatMap(\.places).map(\.description) == ["roles/x/main.yml:2"])
  }

  @Test func whatDependsOnRulesIsHeldAgainstThem() throws {
    let settings = ("sysctl", Self.running("net.netfilter.nf_conntrack_tcp_timeout_time_wait = 30\n"))
    func rules(_ rules: String) -> (String, String) {
      ("rules", "*nat\n:POSTROUTING ACCEPT [0:0]\n\(rules)COMMIT\n")
    }
    #expect(try Self.audit([settings]).findings.first?.unless != nil)
    #expect(try Self.audit([settings, rules("")]).findings.isEmpty)
    let nat = try Self.audit([settings, rules("-A POSTROUTING -o wan -j MASQUERADE\n")])
    #expect(nat.findings.map(\.rule) == ["conntrack-time-wait"] && nat.findings[0].unless == nil)
    let narrow = try Self.audit([
      rules("[3:180] -A POSTROUTING -p tcp -j SNAT --to-source [2001:db8::1]:40000-40009\n")
    ])
    #expect(narrow.findings.map(\.rule) == ["nat-ports"])
    #expect(narrow.findings[0].places == [AuditPlace(file: "rules", line: 3)])
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
    ("-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options timestamp", []),
  ])
  func rulesOfIptables(rule: String, rules: [String]) throws {
    #expect(try Self.audit([("rules", "*filter\n\(rule)\nCOMMIT\n")]).findings.map(\.rule) == rules)
  }

  @Test(arguments: [
    ("ip protocol tcp snat to 198.19.0.1:40000-40003", ["nat-ports"]),
    ("masquerade to :50000-50099 fully-random", ["nat-ports"]),
    ("masquerade", []), ("ct state invalid counter packets 0 bytes 0 drop", ["drop-invalid"]),
    ("tcp flags rst / rst drop", ["drop-rst"]),
    ("tcp flags & (syn | ack) == syn | ack drop", ["drop-syn-ack"]),
    ("tcp flags syn,ack / syn,ack counter drop", ["drop-syn-ack"]), ("tcp flags syn / syn,ack drop", []),
    ("tcp option timestamp tsval set tcp option timestamp tsval ^ 0x40000000", ["tsval-rewritten"]),
    ("tcp option timestamp tsecr set tcp option timestamp tsecr ^ 0x40000000", []),
  ])
  func rulesOfNft(rule: String, rules: [String]) throws {
    let text =
      "table ip t {\n  chain c {\n    type filter hook forward priority filter; policy accept;\n    \(rule)\n  }\n}\n"
    #expect(try Self.audit([("ruleset", text)]).findings.map(\.rule) == rules)
  }

  // MARK: what has happened

  @Test func whatWasCountedIsSaid() throws {
    let counters = "#kernel\nTcpExtPAWSPassive 7 0.0\nTcpExtListenOverflows 0 0.0\nTcpExtPAWSEstab 3 0.0\n"
    let audit = try Self.audit([("nstat", counters)])
    #expect(
      audit.findings.map { "\($0.level.rawValue) \($0.rule)" } == [
        "error counted-recycle", "note counted-paws",
      ])
    #expect(audit.findings[1].mechanisms == ["established-paws", "tw-paws", "challenge-ack"])
    // Since 6.16 TIME_WAIT has a counter of its own.
    let later = try Self.audit([("nstat", counters + "TcpExtPAWSTimewait 0 0.0\n")])
    #expect(later.findings[1].mechanisms == ["established-paws"])
  }

  /// A condition that has already hurt somebody is worse than one that has not.
  @Test func whatHasHappenedMakesAConditionWorse() throws {
    let settings = ("sysctl", Self.running("net.ipv4.tcp_syncookies = 0\n"))
    #expect(try Self.audit([settings]).findings.map(\.level) == [.warning])
    let counters = ("nstat", "#kernel\nTcpExtTCPReqQFullDrop 7 0.0\nTcpExtListenDrops 7 0.0\n")
    let both = try Self.audit([settings, counters])
    #expect(
      both.findings.map { "\($0.level.rawValue) \($0.rule)" } == [
        "error syncookies-off", "warning counted-syn-queue",
      ])
  }

  @Test func tablesOfProcAreRead() throws {
    let conntrack = """
      entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error expect_new expect_create expect_delete search_restart
      0000001f  00000000 00000000 00000000 00000003 00000000 00000000 00000000 00000000 00000010 00000010 00000000 00000000  00000000 00000000 00000000 00000000
      0000001f  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000004 00000000 00000000  00000000 00000000 00000000 00000000
      """
    let counted = try Self.audit([("stat", conntrack)]).findings.map { "\($0.rule): \($0.what)" }
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
    let director = try Self.audit([("ip_vs", ipvs)]).findings
    #expect(director.map(\.rule).contains("ipvs-weight"))
    let full = Self.running(
      "net.netfilter.nf_conntrack_max = 65536\nnet.netfilter.nf_conntrack_count = 60000\n")
    #expect(try Self.audit([("sysctl", full)]).findings.map(\.rule) == ["conntrack-max"])
    let sockets = "sockets: used 300\nTCP: inuse 5 orphan 0 tw 4000 alloc 7 mem 1\n"
    let buckets = Self.running("net.ipv4.tcp_max_tw_buckets = 4096\n")
    #expect(
      try Self.audit([("sockstat", sockets), ("sysctl", buckets)]).findings.map(\.rule) == ["tw-buckets"])
  }

  // MARK: what is said

  @Test func theTextFitsAndEndsInWhatToDo() throws {
    var audit = try Self.audit(
      [("etc/sysctl.d/99.conf", "net.ipv4.tcp_rfc1337 = 1\nnet.ipv4.tcp_tw_recycle = 1\n")],
      kernel: "3.10.0-1160.el7")
    let test = audit.findings[0].cases[0].id
    audit.look(in: [test: ["4.9.115", "2.6.32"]], kernels: ["6.1": "debian-12"])
    let lines = AuditText(audit).lines
    // A case's name is one word, which is to be copied.
    #expect(lines.allSatisfy { $0.count <= 80 || $0.contains("family=ipv4") }, "\(lines)")
    #expect(lines[0] == "1 error, 1 warning; looked at 2 settings, 1 file, Linux 3.10.0-1160.el7")
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
