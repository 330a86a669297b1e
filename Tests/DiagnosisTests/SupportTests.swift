import Foundation
import Testing

@testable import Diagnosis

/// What is taken of a sosreport and of a supportconfig.
@Suite struct SupportTests {
  @Test func membersAreFoundByTheirNames() {
    let top = "sosreport-web1-2026/"
    for path in [
      "sos_commands/kernel/sysctl_-a", "sos_commands/networking/netstat_-s",
      "sos_commands/networking/nstat_-zas",
      "sos_commands/networking/ss_-peaonmi", "sos_commands/firewall_tables/nft_list_ruleset",
      "sos_commands/ipvs/ipvsadm_-Ln", "sos_commands/kernel/uname_-a", "proc/net/netstat", "proc/net/snmp",
      "proc/sys/net/ipv4/tcp_rfc1337",
    ] {
      #expect(SupportFiles.wants(top + path) && SupportFiles.wants(path), "\(path)")
    }
    #expect(SupportFiles.wants("scc_web1/network.txt") && SupportFiles.wants("env.txt"))
    for path in [
      "", "etc/shadow", top + "etc/sysctl.conf", top + "proc/net/tcp",
      top + "sos_commands/networking/ip_addr",
      top + "sos_commands/ipvs/ipvsadm_-Ln_--stats", top + "var/log/env.txt",
      top + "proc/sys/kernel/core_pattern",
      top + "sos_commands/networking/._netstat_-s", "a/b/network.txt",
    ] {
      #expect(!SupportFiles.wants(path), "\(path)")
    }
  }

  /// `/proc/net` is a link to `self/net`: in an archive of sos's its files lie below the number that sos ran by. An audit
  /// has a use for tables besides, as the kernel prints them.
  @Test func filesOfProcLieBelowANumber() throws {
    let top = "sosreport-web1-2026/"
    for path in ["proc/30051/net/netstat", "proc/30051/net/snmp", "proc/30051/net/stat/nf_conntrack"] {
      #expect(SupportFiles.wants(top + path) && SupportFiles.wants(top + path, withTables: true), "\(path)")
    }
    for path in [
      "proc/30051/net/tcp", "proc/30051/net/tcp6", "proc/net/ip_vs", "proc/30051/net/ip_vs_conn",
      "proc/30051/net/sockstat", "sos_commands/ipvs/ipvsadm_-Ln_--connection",
    ] {
      #expect(!SupportFiles.wants(top + path) && SupportFiles.wants(top + path, withTables: true), "\(path)")
    }
    for path in ["proc/30051/netstat", "proc/30051/task/30051/net/netstat", "proc/net/dev_snmp6/tcp"] {
      #expect(!SupportFiles.wants(top + path, withTables: true), "\(path)")
    }
    let texts = SupportFiles.texts([
      (top + "proc/30051/net/netstat", "TcpExt: ListenOverflows PAWSEstab\nTcpExt: 3 0\n"),
      (
        top + "proc/30051/net/stat/nf_conntrack",
        "entries  found invalid insert insert_failed drop\n0000001f  00000000 00000000 00000000 00000010 00000010\n"
      ),
    ])
    #expect(texts.map(\.name) == ["proc/30051/net/netstat", "proc/30051/net/stat/nf_conntrack"])
    var input = AuditInput()
    for (name, text) in texts { try input.add(text: text, file: name) }
    #expect(Audit(input).findings.map(\.rule) == ["counted-overflow", "counted-clash"])
  }

  @Test func otherFormsOfTheSameAreBroughtIntoOne() throws {
    let texts = SupportFiles.texts([
      ("r/proc/sys/net/ipv4/tcp_rfc1337", "1\n"), ("r/proc/sys/net/ipv4/tcp_tw_recycle", "1\n"),
      (
        "r/sos_commands/ipvs/ipvsadm_-Ln",
        """
        IP Virtual Server version 1.2.1 (size=4096)
        Prot LocalAddress:Port Scheduler Flags
          -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
        TCP  203.0.113.1:80 wlc
          -> 10.0.0.2:80                  Masq    1      0          0
          -> 10.0.0.3:80                  Masq    0      0          0
        """
      ),
      (
        "r/sos_commands/networking/ss_-peaonmi",
        """
        Netid  State   Recv-Q  Send-Q  Local Address:Port  Peer Address:Port
        nl     UNCONN  0       0       rtnl:1234           *
        udp    UNCONN  0       0       0.0.0.0:68          0.0.0.0:*
        tcp    LISTEN  129     128     0.0.0.0:80          0.0.0.0:*  users:(("nginx",pid=1,fd=6))
        \t skmem:(r0,rb131072)
        """
      ),
    ])
    #expect(
      texts.map(\.name) == [
        "sos_commands/ipvs/ipvsadm_-Ln", "sos_commands/networking/ss_-peaonmi", "proc/sys/net",
      ])
    var incident = Incident()
    for (name, text) in texts { try incident.add(text: text, file: name) }
    #expect(incident.answer().files.map(\.kind) == ["ipvsadm -Sn", "ss -tan", "sysctl -a"])
    #expect(incident.facts.setting("tcp_rfc1337") == "1")
    #expect(incident.facts.services["203.0.113.1:80"]?.map(\.weight) == [1, 0])
    #expect(incident.facts.fullQueues == ["0.0.0.0:80 (129 of 128)"])
  }

  @Test func sectionsOfASupportconfigAreTakenByTheirCommands() throws {
    let texts = SupportFiles.texts([
      (
        "scc_web1/network.txt",
        """
        #==[ Command ]======================================#
        # /bin/netstat -s
        Tcp:
            5 resets sent
        TcpExt:
            42 passive connections rejected because of time stamp

        #==[ Command ]======================================#
        # /sbin/ip addr
        1: lo: <LOOPBACK>
        #==[ Configuration File ]===========================#
        # /etc/hosts
        127.0.0.1 localhost
        """
      ),
      (
        "scc_web1/env.txt",
        "#==[ Command ]===#\n# /sbin/sysctl -a 2>/dev/null\nnet.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_timestamps = 1\n"
      ),
    ])
    #expect(texts.map(\.name) == ["env.txt: /sbin/sysctl -a 2>/dev/null", "network.txt: /bin/netstat -s"])
    var incident = Incident()
    for (name, text) in texts { try incident.add(text: text, file: name) }
    #expect(incident.answer().named == ["recycle"])
  }

  /// The layout that sos's plugins networking, firewall_tables, ipvs, conntrack and kernel make (`add_cmd_output`, and
  /// _mangle_command for the names); what the programs print is of iptables 1.8.9 and nft 1.0.6.
  @Test func aSosreportsRulesAreRead() throws {
    let top = "sosreport-web1-2026-11-29-abcdefg/"
    let members = [
      "sos_commands/firewall_tables/nft_-a_list_ruleset": """
      table ip filter { # handle 1
      \tchain FORWARD { # handle 1
      \t\ttype filter hook forward priority filter; policy accept;
      \t\ttcp flags & rst == rst counter packets 4 bytes 160 drop # handle 2
      \t\tct state invalid counter packets 0 bytes 0 drop # handle 3
      \t}
      }
      """,
      "sos_commands/firewall_tables/iptables_-t_nat_-nvL": """
      Chain POSTROUTING (policy ACCEPT 0 packets, 0 bytes)
       pkts bytes target     prot opt in     out     source               destination
         12   720 SNAT       6    --  *      *       0.0.0.0/0            0.0.0.0/0            to:198.19.0.1:40000-40003
      """,
      "sos_commands/firewall_tables/ip6tables_-vnxL": """
      Chain FORWARD (policy DROP 0 packets, 0 bytes)
          pkts      bytes target     prot opt in     out     source               destination
            42     3360 DROP       all      *      *       ::/0                 ::/0                 ctstate INVALID
      """,
      "sos_commands/ipvs/ipvsadm_-Ln": """
      IP Virtual Server version 1.2.1 (size=4096)
      Prot LocalAddress:Port Scheduler Flags
        -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
      TCP  203.0.113.1:80 wlc
        -> 10.0.0.2:80                  Masq    1      0          0
      """,
      "sos_commands/kernel/uname_-a": "Linux web1 4.9.115 #1 SMP x86_64 GNU/Linux\n",
      "proc/net/stat/nf_conntrack":
        "entries  found invalid insert insert_failed drop\n0000001f  00000000 00000003 00000000 00000010 00000012\n",
    ]
    let not = [
      "sos_commands/ipvs/ipvsadm_-Ln_--rate", "sos_commands/ipvs/ipvsadm_-Ln_--connection",
      "sos_commands/networking/namespaces/a/ip_netns_exec_a_sysctl_-a", "sos_commands/networking/ip_-o_addr",
      "sos_commands/networking/namespaces/a/ss_-peaonmi", "proc/net/stat/rt_cache",
      "sos_commands/firewall_tables/iptables_-S",
    ]
    for path in members.keys { #expect(SupportFiles.wants(top + path), "\(path)") }
    for path in not { #expect(!SupportFiles.wants(top + path), "\(path)") }
    var incident = Incident()
    for (name, text) in SupportFiles.texts(members.map { (path: top + $0.key, text: $0.value) }) {
      try incident.add(text: text, file: name)
    }
    let facts = incident.facts
    #expect(facts.kernel == "4.9.115" && facts.portRange == 40000...40003)
    #expect(facts.translations == ["-A POSTROUTING -p tcp -j SNAT --to-source 198.19.0.1:40000-40003"])
    #expect(facts.dropsInvalid.contains("-A FORWARD -m conntrack --ctstate INVALID -j DROP"))
    #expect(facts.drops.contains("policy FORWARD DROP"))
    #expect(facts.drops.contains("tcp flags & rst == rst counter packets 4 bytes 160 drop"))
    #expect(facts.conntrack["insert_failed"] == 16 && facts.conntrack["drop"] == 18)
    #expect(facts.services["203.0.113.1:80"]?.map(\.weight) == [1])
    // An audit of the same, unpacked, holds what the rules have met.
    var input = AuditInput()
    for (path, text) in members.sorted(by: { $0.key < $1.key }) { try input.add(text: text, file: path) }
    let audit = Audit(input)
    #expect(
      Set(audit.findings.map(\.rule)) == [
        "dropped-rst", "dropped-invalid", "counted-clash", "counted-conntrack-full",
      ], "\(audit.findings.map(\.what))")
    #expect(
      audit.findings.contains { $0.what == "42 packets by -A FORWARD -m conntrack --ctstate INVALID -j DROP" }
    )
    #expect(Set(audit.exposures.map(\.rule)).isSuperset(of: ["nat-ports", "drop-rst", "drop-invalid"]))
  }

  /// network.txt of supportutils (log_cmd): commands with their paths; what is another namespace's is left out.
  @Test func aSupportconfigsRulesAreRead() throws {
    let mark = "#==[ Command ]======================================#\n"
    let texts = SupportFiles.texts([
      (
        "scc_web1/network.txt",
        mark + "# /usr/sbin/iptables -t filter -nvL\n"
          + "Chain FORWARD (policy ACCEPT 0 packets, 0 bytes)\n"
          + " pkts bytes target     prot opt in     out     source               destination         \n"
          + "  12K  720K DROP       tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            tcp flags:0x12/0x12\n\n"
          + mark + "# /usr/sbin/nft list tables\ntable ip nat\n\n" + mark
          + "# /usr/sbin/nft list table ip nat\ntable ip nat {\n\tchain c {\n\t\tmasquerade\n\t}\n}\n\n"
          + mark
          + "# /usr/sbin/ip netns exec a iptables -t filter -nvL\nChain X (policy DROP 0 packets, 0 bytes)\n"
      )
    ])
    #expect(
      texts.map(\.name) == [
        "network.txt: /usr/sbin/iptables -t filter -nvL", "network.txt: /usr/sbin/nft list table ip nat",
      ])
    var input = AuditInput()
    for (name, text) in texts { try input.add(text: text, file: name) }
    #expect(
      Audit(input).findings.map(\.what) == [
        "12000 packets by -A FORWARD -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP"
      ])
  }

  /// Lines of a listing, and what iptables-save says of the same.
  @Test(arguments: [
    (
      "DROP       6    --  !lo    *       10.0.0.0/8           0.0.0.0/0            multiport dports 80,443 state NEW",
      "-s 10.0.0.0/8 ! -i lo -p tcp -m multiport --dports 80,443 -m state --state NEW -j DROP"
    ),
    ("           1    --  *      *       0.0.0.0/0            0.0.0.0/0           ", "-p icmp"),
    (
      "REJECT     tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            tcp flags:0x17/0x02 reject-with tcp-reset",
      "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT --reject-with tcp-reset"
    ),
    ("mine       0    --  *      *       0.0.0.0/0            0.0.0.0/0           [goto] ", "-g mine"),
    (
      "MASQUERADE  all  --  *      eth1    0.0.0.0/0            0.0.0.0/0            masq ports: 40000-40007 random",
      "-o eth1 -j MASQUERADE --to-ports 40000-40007 --random"
    ),
    (
      "DNAT       tcp  --  *      *       0.0.0.0/0            1.2.3.4              tcp dpt:!80 /* to: x */ to:10.0.0.1:8080",
      "-d 1.2.3.4 -p tcp -m tcp ! --dport 80 -j DNAT --to-destination 10.0.0.1:8080"
    ),
    ("ACCEPT     all      *      *       ::/0                 fe80::/64", "-d fe80::/64 -j ACCEPT"),
  ])
  func whatIsListedIsWhatWasSaved(listed: String, saved: String) throws {
    let lines = Line.all(of: "Chain C (1 references)\n 1234  56K \(listed)\n")
    #expect(TextKind.recognise(lines) == .listed)
    #expect(try ListedRules(lines).rules == [.init(line: 2, packets: 1234, text: "-A C \(saved)")])
  }

  @Test(arguments: [
    "Chain C (policy ACCEPT)\ntarget     prot opt source               destination\n",
    "Chain C (policy ACCEPT 0 packets, 0 bytes)\n 1 2\n",
    "Chain C (policy ACCEPT 0 packets, 0 bytes)\n 1 2 DROP tcp -- eth0 eth1 nowhere else\n",
    "Chain C (policy ACCEPT 0 packets, 0 bytes)\n -1 2 DROP tcp -- * * 0.0.0.0/0 0.0.0.0/0\n",
  ])
  func whatIsNoListingIsSaid(text: String) {
    var incident = Incident()
    #expect(throws: (any Error).self) {
      try incident.add(text: text, file: "rules")
      // Without -v nothing is recognised: that is said in the answer.
      if incident.answer().files.contains(where: { $0.kind == "unknown" }) { throw CancellationError() }
    }
  }

  /// Any text may come: nothing stops, and nothing is made up.
  @Test func anyTextMayCome() {
    for text in [
      "", "#==[ ", "#==[ Command ]#\n", "#==[ Command ]#\n# ", "TCP\n  -> x", "tcp LISTEN 1", "\0\r\n\t",
    ] {
      for path in ["network.txt", "sos_commands/a/ipvsadm_-Ln", "sos_commands/a/ss_-tan", "proc/sys/net/x"] {
        let texts = SupportFiles.texts([(path, text)])
        #expect(
          texts.allSatisfy { $0.name == "proc/sys/net" } || path.contains("sysctl"), "\(path): \(texts)")
      }
    }
  }
}
