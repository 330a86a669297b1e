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
