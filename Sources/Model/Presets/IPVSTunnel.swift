/// The network of ``IPVSDirectRouting`` with the packets to the servers in IPIP tunnels.
struct IPVSTunnel: Preset {
  let name = "ipvs-tun"
  let order = 5
  let summary = "the same, with the packets to the servers in IPIP tunnels (ipvsadm -i)"

  func network(_ parameters: PresetParameters) -> Network {
    IPVSDirectRouting.lan(parameters, Network.Topology(self), by: .tunnel)
  }
}
