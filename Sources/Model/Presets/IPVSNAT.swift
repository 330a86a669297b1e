/// An IPVS director that rewrites the destination; the servers route through it.
struct IPVSNAT: Preset {
  let name = "ipvs-nat"
  let order = 2
  let summary =
    "clients, an IPVS director that rewrites the destination (ipvsadm -m), servers that route through it"

  func network(_ parameters: PresetParameters) -> Network {
    let vip = parameters.addressing.virtual
    var hop = parameters.hopHost
    hop.services = [parameters.service(at: vip, by: .nat)]
    hop.addresses = [Network.Node.ExtraAddress(vip, on: "lo")]
    return Network(
      topology: Network.Topology(self), family: parameters.family,
      hosts: parameters.clientHosts(to: { _ in vip }) + [hop] + parameters.serversBehindHop,
      links: parameters.clientLinks(to: Network.hop) + parameters.serverLinks, names: ["vip": vip])
  }
}
