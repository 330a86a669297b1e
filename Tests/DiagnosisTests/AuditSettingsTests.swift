@testable import Diagnosis
import Testing

/// A setting is found at its line, however it is written.
@Suite struct AuditSettingsTests {
  struct Sample: CustomTestStringConvertible, Sendable {
    var kind: String
    var text: String
    /// `tcp_rfc1337=1@2`
    var said: [String]
    var testDescription: String { kind }
    init(_ kind: String, _ said: [String], _ text: String) {
      (self.kind, self.text, self.said) = (kind, text, said)
    }
  }

  static let samples: [Sample] = [
    Sample(
      "sysctl.d",
      [
        "net.ipv4.tcp_rfc1337=1@2", "net.ipv4.tcp_tw_recycle=1@3", "net.ipv4.ip_local_port_range=1024 2048@5",
      ],
      """
      # net.ipv4.tcp_rfc1337 = 0
      net.ipv4.tcp_rfc1337 = 1
      -net/ipv4/tcp_tw_recycle=1
      ; net.ipv4.tcp_timestamps = 0
      net.ipv4.ip_local_port_range = 1024\t2048
      net.ipv4.conf.eth0/100.arp_ignore = 1
      """),
    Sample(
      "shell",
      [
        "net.ipv4.tcp_tw_recycle=1@1", "net.ipv4.tcp_rfc1337=1@2", "net.ipv4.tcp_timestamps=0@3",
        "net.core.somaxconn=64@4",
      ],
      """
      echo 1 > /proc/sys/net/ipv4/tcp_tw_recycle
      echo "1" | sudo tee /proc/sys/net/ipv4/tcp_rfc1337 >/dev/null
      sysctl -w net.ipv4.tcp_timestamps=0   # net.ipv4.tcp_rfc1337=1
      sysctl -qw "net.core.somaxconn = 64" && cat /proc/sys/net/ipv4/tcp_syncookies
      """),
    Sample(
      "Dockerfile", ["net.ipv4.tcp_rfc1337=1@2", "net.ipv4.tcp_tw_recycle=1@3"],
      """
      FROM debian:12
      RUN sysctl -w net.ipv4.tcp_rfc1337=1 \\
       && echo net.ipv4.tcp_tw_recycle=1 >> /etc/sysctl.conf
      """),
    Sample(
      "docker run", ["net.core.somaxconn=100@1", "net.ipv4.tcp_syncookies=0@1"],
      "docker run --sysctl net.core.somaxconn=100 --sysctl=net.ipv4.tcp_syncookies=0 nginx"),
    Sample(
      "compose", ["net.ipv4.tcp_syncookies=0@4", "net.core.somaxconn=64@9"],
      """
      services:
        web:
          sysctls:
            - net.ipv4.tcp_syncookies=0
            - net.ipv4.tcp_keepalive_time=600
        db:
          image: postgres
          sysctls:
            net.core.somaxconn: 64
      """),
    Sample(
      "Kubernetes", ["net.core.somaxconn=64@4", "net.ipv4.tcp_syncookies=0@6"],
      """
      spec:
        securityContext:
          sysctls:
            - name: net.core.somaxconn
              value: "64"
            - name: net.ipv4.tcp_syncookies
              value: "0"
      """),
    Sample(
      "Ansible",
      [
        "net.ipv4.tcp_rfc1337=1@2", "net.ipv4.tcp_timestamps=0@3", "net.ipv4.tcp_tw_recycle=1@6",
        "net.ipv4.tcp_tw_reuse=1@8",
      ],
      """
      sysctl_config:
        net.ipv4.tcp_rfc1337: 1
        "net.ipv4.tcp_timestamps": '0'
      - ansible.posix.sysctl: {name: net.ipv4.tcp_max_tw_buckets, value: "{{ buckets }}"}
      - with_items:
          - { name: net.ipv4.tcp_tw_recycle, value: 1 }
      - sysctl:
          name: net.ipv4.tcp_tw_reuse
          value: 1
          state: present
      - sysctl:
          name: net.ipv4.tcp_syncookies
          state: absent
      """),
    Sample(
      "Chef", ["net.ipv4.tcp_rfc1337=1@1", "net.ipv4.tcp_tw_recycle=1@2", "net.core.somaxconn=64@5"],
      """
      default['sysctl']['params']['net']['ipv4']['tcp_rfc1337'] = 1
      sysctl_param 'net.ipv4.tcp_tw_recycle' do
        value 1
      end
      sysctl 'net.core.somaxconn' do
        value '64'
      end
      """),
    Sample(
      "Puppet", ["net.ipv4.tcp_rfc1337=1@1", "net.ipv4.tcp_tw_recycle=1@2"],
      """
      sysctl { 'net.ipv4.tcp_rfc1337': value => '1' }
      sysctl::value { "net.ipv4.tcp_tw_recycle":
        value => 1,
      }
      """),
    Sample(
      "Salt", ["net.ipv4.tcp_rfc1337=1@1"],
      """
      net.ipv4.tcp_rfc1337:
        sysctl.present:
          - value: 1
      """),
    Sample("tuned", ["net.core.somaxconn=64@3"], "[main]\n[sysctl]\nnet.core.somaxconn=64\n"),
    Sample("NixOS", ["net.ipv4.tcp_rfc1337=1@1"], #"boot.kernel.sysctl."net.ipv4.tcp_rfc1337" = 1;"#),
    Sample(
      "cloud-init", ["net.ipv4.tcp_tw_recycle=1@5", "net.ipv4.tcp_rfc1337=1@7"],
      """
      #cloud-config
      write_files:
        - path: /etc/sysctl.d/99-fast.conf
          content: |
            net.ipv4.tcp_tw_recycle = 1
      runcmd:
        - [sysctl, -w, net.ipv4.tcp_rfc1337=1]
      """),
    Sample(
      "prose and programs", [],
      """
      Older guides set net.ipv4.tcp_tw_recycle, which 4.12 took away: see net.ipv4.tcp_rfc1337.
      if (path == "/proc/sys/net/ipv4/tcp_timestamps") return;
      cat /proc/sys/net/ipv4/tcp_syncookies > /tmp/x
      internet.ipv4.tcp_rfc1337 = 1
      // net.ipv4.tcp_rfc1337 = 1
      net.ipv4.tcp_rfc1337x = 1
      """),
  ]

  @Test(arguments: samples) func isFoundAtItsLine(sample: Sample) {
    let said = AuditSettings.read(Line.all(of: sample.text)).map { "\($0.name)=\($0.value)@\($0.line)" }
    #expect(said == sample.said)
  }
}
