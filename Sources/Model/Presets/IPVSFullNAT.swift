/// The director of ``IPVSNAT`` rewrites the source too.
struct IPVSFullNAT: Preset {
  let name = "ipvs-fullnat"
  let order = 3
  let summary =
    "the same, with source NAT towards the servers (net.ipv4.vs.conntrack=1 and a POSTROUTING rule)"

  func network(_ parameters: PresetParameters) -> Network {
    var network = IPVSNAT().network(parameters)
    network.topology = Network.Topology(self)
    for index in network.hosts.indices where !network.hosts[index].services.isEmpty {
      network.hosts[index].nat = parameters.sourceNAT
      // Else ip_vs_notrack takes its packets out of conntrack's sight, and NAT is never asked.
      network.hosts[index].settings["vs.conntrack"] = "1"
    }
    return network
  }
}
