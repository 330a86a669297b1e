import Model
import Testing

@testable import Worker

@Suite struct NATRulesTests {
  private func rules(
    _ backend: NATRules.Backend, _ nat: Hop.NAT, ipv6: Bool = false, random: Hop.Randomness = .none,
    dropInvalid: Bool = false
  ) -> String {
    let hop = Hop(nat: nat, backend: .auto, ports: 40000...40003, random: random, dropInvalid: dropInvalid)
    let network = Network(topology: .snat, family: ipv6 ? .ipv6 : .ipv4, clients: [], hop: hop)
    return NATRules(network.host(Network.hop) ?? Network.Node(""), family: network.family, backend: backend)
      .text
  }

  @Test func iptablesGetsOneTransaction() {
    #expect(
      rules(.iptablesNft, .snat, random: .fully, dropInvalid: true) == """
        *nat
        -A PREROUTING
        -A POSTROUTING -o srv+ -p tcp -j SNAT --to-source 198.19.0.1:40000-40003 --random-fully
        COMMIT
        *filter
        -A FORWARD -m conntrack --ctstate INVALID -j DROP
        COMMIT

        """)
    #expect(rules(.iptablesLegacy, .masquerade).contains("-j MASQUERADE --to-ports 40000-40003\n"))
    #expect(rules(.iptablesNft, .snat, ipv6: true).contains("--to-source [2001:2:0:ffff::1]:40000-40003"))
  }

  @Test func nftSaysTheSame() {
    #expect(rules(.nft, .snat).contains("snat ip to 198.19.0.1:40000-40003\n"))
    #expect(rules(.nft, .masquerade, random: .fully).contains("masquerade to :40000-40003 fully-random"))
    #expect(rules(.nft, .snat, dropInvalid: true).contains("ct state invalid counter drop"))
  }

  /// Below 4.18 NAT looks at answers only where a base chain of type nat hooks it into PREROUTING.
  @Test(arguments: NATRules.Backend.allCases, [false, true])
  func answersAreTranslatedBackToo(backend: NATRules.Backend, ipv6: Bool) {
    let text = rules(backend, .snat, ipv6: ipv6)
    #expect(
      text.contains(
        backend == .nft ? "type nat hook prerouting priority dstnat\n" : "*nat\n-A PREROUTING\n"))
    // A hop without NAT has no such chain.
    let hop = Hop(nat: .snat, backend: .auto, ports: 1...2, random: .none, dropInvalid: true)
    let network = Network(topology: .ipvsNAT, family: .ipv4, clients: [], hop: hop)
    let plain = NATRules(network.host(Network.hop) ?? Network.Node(""), family: .ipv4, backend: backend)
      .text.lowercased()
    #expect(!plain.contains("prerouting"))
  }

  @Test func countersAreReadOfBothTools() {
    let iptables = """
      *nat
      :POSTROUTING ACCEPT [0:0]
      [3:180] -A POSTROUTING -o srv -p tcp -j SNAT --to-source 198.19.0.1:40000
      COMMIT
      *filter
      [1:40] -A FORWARD -m conntrack --ctstate INVALID -j DROP
      """
    let nft = """
      table inet lab {
      \tchain postrouting {
      \t\ttype nat hook postrouting priority srcnat; policy accept;
      \t\toifname "srv" meta l4proto tcp counter packets 3 bytes 180 snat ip to 198.19.0.1:40000
      \t}
      \tchain forward {
      \t\tct state invalid counter packets 1 bytes 40 drop
      \t}
      }
      """
    for saved in [iptables, nft] {
      #expect(NATRules.counters(in: saved) == ["rule.POSTROUTING": 3, "rule.FORWARD": 1])
    }
  }

  /// Of a node that passes packets on and ends connections itself: each way has its chain, and counts by itself.
  @Test func aRuleStandsWhereItsPacketsPass() {
    func text(_ rules: [PacketRule], _ backend: NATRules.Backend, forwards: Bool = true, serves: Bool = true)
      -> [String]
    {
      var host = Network.Node("node")
      host.forwards = forwards
      if serves { host.server = .init(ports: 8000...8000) }
      host.rules = rules
      let lines = NATRules(host, family: .ipv4, backend: backend).text.split(separator: "\n")
      return lines.map { $0.trimmingPrefix { $0 == " " } }.map(String.init).filter {
        $0.hasPrefix("-A") || $0.contains("counter") || $0.hasPrefix("type")
      }
    }
    #expect(
      text([PacketRule(.drop, .data, nth: 2)], .iptablesNft)
        == ["FORWARD", "INPUT", "OUTPUT"].map {
          "-A \($0) -p tcp --tcp-flags PSH PSH -m statistic --mode nth --every 1000000 --packet 1 -j DROP"
        })
    #expect(
      text([PacketRule(.reset, .syn, in: "eth0")], .iptablesNft, forwards: false)
        == ["-A INPUT -i eth0 -p tcp --tcp-flags SYN,ACK SYN -j REJECT --reject-with tcp-reset"])
    #expect(
      text([PacketRule(.drop, .any, out: "eth0")], .nft, forwards: false)
        == [
          "type filter hook output priority filter", "oifname \"eth0\" meta l4proto tcp counter drop",
        ])
    #expect(
      text([PacketRule(.strip, .any)], .nft, serves: false)
        == [
          "type filter hook forward priority mangle", "meta l4proto tcp counter reset tcp option timestamp",
        ])
  }

  /// By the example of iptables-extensions(8).
  @Test func synproxyIsThreeRules() {
    var host = Network.Node("wall")
    host.forwards = true
    var rule = PacketRule(.synproxy, .syn, in: "eth0")
    rule.proxy = SynProxy(mss: 1440, timestamp: false)
    host.rules = [rule]
    #expect(
      NATRules(host, family: .ipv4, backend: .iptablesNft).text == """
        *raw
        -A PREROUTING -i eth0 -p tcp --tcp-flags SYN,ACK SYN -j CT --notrack
        COMMIT
        *filter
        -A FORWARD -i eth0 -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1440 --wscale 7 --sack-perm
        -A FORWARD -i eth0 -m conntrack --ctstate INVALID -j DROP
        COMMIT

        """)
    let nft = NATRules(host, family: .ipv4, backend: .nft).text
    #expect(nft.contains("counter synproxy mss 1440 wscale 7 sack-perm\n"))
    let saved = """
      *filter
      :FORWARD ACCEPT [9:400]
      [2:100] -A FORWARD -i eth0 -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --sack-perm --mss 1440
      [1:40] -A FORWARD -i eth0 -m conntrack --ctstate INVALID -j DROP
      """
    #expect(NATRules.counters(in: saved) == ["rule.synproxy": 2, "rule.FORWARD": 1])
  }

  @Test func aBackendIsOneThatTheKernelTakes() {
    func chosen(_ features: Capability.Feature...) -> NATRules.Backend {
      let kernel = Kernel(
        release: "", machine: "", capabilities: Set(features.map(Capability.feature)), perKernelSettings: [],
        timestampTicksPerSecond: 1000, privilege: .root, missing: [:])
      return NATRules(Network.Node("hop"), family: .ipv4, kernel: kernel).backend
    }
    #expect(chosen(.iptablesNft, .iptablesLegacy, .nft) == .iptablesNft)
    #expect(chosen(.iptablesLegacy, .nft) == .iptablesLegacy)
    #expect(chosen(.nft) == .nft)
  }
}

@Suite struct GreetingTests {
  @Test(arguments: Step.Closer.allCases, [0, 1, 255, 256, 9_999])
  func theServerReadsWhatTheClientSays(closes: Step.Closer, attempt: Int) {
    let greeting = Greeting(Greeting(closes: closes, attempt: attempt).bytes)
    #expect(greeting?.closes == closes)
    #expect(greeting?.attempt == attempt)
  }

  @Test func anythingElseIsNoGreeting() {
    #expect(Greeting([67, 0, 0, 0]) == nil)
    #expect(Greeting([1, 0, 0, 0, 0]) == nil)
  }
}
