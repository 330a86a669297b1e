/// Clients, a router with conntrack and source NAT, a server.
struct SNAT: Preset {
  let name = "snat"
  let order = 1
  let summary = "clients, a router with conntrack and source NAT, a server"

  func network(_ parameters: PresetParameters) -> Network {
    var hop = parameters.hopHost
    hop.nat = parameters.sourceNAT
    let target = parameters.addressing.server(0)
    return Network(
      topology: Network.Topology(self), family: parameters.family,
      hosts: parameters.clientHosts(to: { _ in target }) + [hop] + parameters.serversBehindHop,
      links: parameters.clientLinks(to: Network.hop) + parameters.serverLinks)
  }
}
