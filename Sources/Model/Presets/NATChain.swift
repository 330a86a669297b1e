/// A home's NAT and a carrier's in a chain before the server.
struct NATChain: Preset {
  let name = "nat-chain"
  let order = 6
  let summary = "clients behind a home's NAT, behind the carrier's (the hop), a server"

  func network(_ parameters: PresetParameters) -> Network {
    let plan = parameters.addressing
    let between = Addressing.between
    var router = Network.Node(Network.router)
    router.forwards = true
    router.nat = .init(
      target: .snat, out: ["isp"], address: plan.link(between, host: 2), ports: 32768...60999, random: .none)
    router.routes = [.init(via: plan.link(between, host: 1), interface: "isp")]
    var hop = parameters.hopHost
    hop.nat = parameters.sourceNAT
    let target = plan.server(0)
    return Network(
      topology: Network.Topology(self), family: parameters.family,
      hosts: parameters.clientHosts(to: { _ in target }) + [router, hop] + parameters.serversBehindHop,
      links: parameters.clientLinks(to: router.name) + [
        Link(
          "isp",
          [
            .init(hop.name, "to0", plan.link(between, host: 1), isCaptured: true),
            .init(router.name, "isp", plan.link(between, host: 2)),
          ])
      ] + parameters.serverLinks)
  }
}
