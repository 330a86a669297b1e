import Foundation
import Model
import Testing

@Suite struct NetworkTests {
  private func network(
    _ topology: Network.Topology, _ family: Network.Family = .ipv4, clients: Int = 8, servers: Int = 1
  ) -> Network {
    let clients = (0..<clients).map {
      Client(name: "c.\($0)", group: "c", clock: .offset(milliseconds: 0), isn: .ahead)
    }
    return Network(topology: topology, family: family, clients: clients, servers: servers)
  }

  @Test func everyClientHasASubnetOfItsOwn() {
    #expect(Addressing(.ipv6).client(249) == "2001:2:0:f9::2")
    // Else no packet on the first link would be the client's by an author's pattern.
    #expect(Addressing(.ipv6).client(0) == "2001:2::2")
    #expect(Addressing(.ipv6).link(0, host: 1) == "2001:2::1")
    // Those beyond the first 250, whose addresses are as they were.
    #expect(
      [249, 250, 251, 999].map(Addressing(.ipv4).client) == [
        "198.18.249.2", "100.64.0.2", "100.64.1.2", "100.66.237.2",
      ])
    #expect(Addressing(.ipv4).gateway(250) == "100.64.0.1")
    #expect(Addressing(.ipv6).client(250) == "2001:2:0:100::2")
    for family in Network.Family.allCases {
      let plan = Addressing(family)
      let others = (0..<Bounds.servers).map(plan.server) + [plan.virtual, plan.link(251, host: 2)]
      let all = (0..<Bounds.clients).map(plan.client) + (0..<Bounds.clients).map(plan.gateway) + others
      #expect(Set(all).count == all.count)
    }
    let direct = network(.direct)
    #expect(direct.host("c.7")?.client?.target == "198.18.7.1")
    #expect(direct.addresses(of: "c.7") == ["198.18.7.2"])
  }

  /// Of two ends what one gets is what the other sends; on a LAN it is the port's at the other end.
  @Test func whatHappensOnALinkIsSaidOfItsEnds() throws {
    var sketch = NetworkSketch(
      nodes: [.init("router"), .init("server")],
      links: [.init("home", ["c", "d", "router"]), .init("wan", ["router", "server"])])
    sketch.nodes[0].forwards = true
    sketch.nodes[1].listens = 1
    sketch.links[0].to = ["d": Impairment(delay: 9)]
    sketch.links[1].packets = Impairment(delay: 5, loss: 1)
    sketch.links[1].to = ["router": Impairment(loss: 2)]
    let clients = ["c", "d"].map {
      Client(name: $0, group: $0, clock: .offset(milliseconds: 0), isn: .ahead)
    }
    let network = try sketch.network(family: .ipv4, clients: clients)
    #expect(
      network.links[1].ends.map(\.sent) == [Impairment(delay: 5, loss: 1), Impairment(delay: 5, loss: 2)])
    #expect(network.links[0].ends.map(\.sent) == [nil, nil, nil])
    #expect(network.links[0].ends.map(\.received) == [nil, Impairment(delay: 9), nil])
    #expect(try JSONDecoder().decode(Network.self, from: JSONEncoder().encode(network)) == network)
    var late = network
    late.links[1].ends[0].sent = Impairment(delay: .max)
    #expect(late.excess?.contains("delay: ") == true)
  }

  @Test func clientsOfADirectorConnectToItsVirtualAddress() {
    let nat = network(.ipvsNAT, servers: 3)
    #expect(nat.host("c.1")?.client?.target == "198.19.255.1")
    #expect(nat.addresses(of: "server.3") == ["198.19.2.2"])
    // On one LAN, so that ARP for the VIP has somebody to ask.
    #expect(network(.ipvsDR).host("c.1")?.client?.target == "198.19.0.100")
    #expect(network(.ipvsTun, .ipv6, servers: 3).addresses(of: "server.3").first == "2001:2:0:ffff::c")
  }

  @Test(arguments: Network.Topology.allCases)
  func rolesAreWhatTheNameSays(topology: Network.Topology) {
    let network = network(topology, servers: topology.rawValue.hasPrefix("ipvs") ? 2 : 1)
    #expect(network.clients.count == 8)
    #expect(
      network.serverNames == (topology.rawValue.hasPrefix("ipvs") ? ["server.1", "server.2"] : ["server"]))
    #expect(network.directorNodes == (topology.rawValue.hasPrefix("ipvs") ? ["hop"] : []))
    let nats = ["snat": ["hop"], "ipvs-fullnat": ["hop"], "nat-chain": ["router", "hop"]]
    #expect(network.natNodes == nats[topology.rawValue] ?? [])
    #expect(network.forwardingNodes.isEmpty == (topology == .direct))
    // Each client's link is captured, and each server's.
    let captured = Set(network.captured.map(\.host))
    #expect(captured.isSuperset(of: network.clients.map(\.name) + network.serverNames))
    // Every route leaves by a link that the node has.
    for host in network.hosts {
      let own = network.links.flatMap(\.allEnds)
        .filter { $0.host == host.name }.map(\.interface)
      #expect(Set(own).isSuperset(of: host.routes.map(\.interface)))
    }
  }

  @Test(arguments: Network.Topology.allCases, Network.Family.allCases)
  func aNetworkIsReadAsItWasWritten(topology: Network.Topology, family: Network.Family) throws {
    let network = network(topology, family, servers: topology.rawValue.hasPrefix("ipvs") ? 3 : 1)
    let again = try JSONDecoder().decode(Network.self, from: JSONEncoder().encode(network))
    #expect(again == network)
  }

  /// They become words of iptables' and nft's input.
  @Test(arguments: [
    #""out":["srv+ -j ACCEPT\n-A FORWARD"]"#, #""address":"198.19.0.1\n""#, #""interface":"eth0;x""#,
    #""target":"a b""#, #""node":"nobody""#,
  ])
  func wordsThatNoLabFileHasMadeAreRefused(word: String) throws {
    let test = Case(
      id: "x/default", scenario: "x", title: "", why: "", axes: [], network: network(.snat, clients: 1),
      settings: [:], workload: [], rules: [])
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(test), as: UTF8.self)
    _ = try JSONDecoder().decode(Case.self, from: Data(text.utf8))
    let key = word.prefix { $0 != ":" }
    let pattern = try Regex("\(key):(\\[[^\\]]*\\]|\"[^\"]*\")")
    let spoilt = text.replacing(pattern, with: word, maxReplacements: 1)
    #expect(spoilt != text)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Case.self, from: Data(spoilt.utf8)) }
  }
}
