/// A router; director and servers on one LAN behind it; the servers have the VIP too and answer directly.
struct IPVSDirectRouting: Preset {
  let name = "ipvs-dr"
  let order = 4
  let summary =
    "a router; director and servers on one LAN behind it; the servers have the VIP too and answer directly (ipvsadm -g)"

  func network(_ parameters: PresetParameters) -> Network {
    Self.lan(parameters, Network.Topology(self), by: .route)
  }

  /// With the packets to the servers as they are, or in tunnels.
  static func lan(
    _ parameters: PresetParameters, _ topology: Network.Topology, by forwarding: VirtualService.Forwarding
  ) -> Network {
    let addressing = parameters.addressing
    let (vip, gateway) = (addressing.lan(100), addressing.lan(254))
    var router = Network.Node(Network.router)
    router.forwards = true
    var hop = parameters.hopHost
    hop.services = [parameters.service(at: vip, by: forwarding)]
    hop.addresses = [Network.Node.ExtraAddress(vip, on: "eth0")]
    hop.routes = [Network.Node.Route(via: gateway, interface: "eth0")]
    let servers = parameters.serverHosts.enumerated().map { index, server in
      var server = server
      server.routes = [Network.Node.Route(via: gateway, interface: "eth0")]
      // Of its own, and not the fallback tunl0 or ip6tnl0: ip6tnl0 takes no packet (ip6_tnl_rcv_ctl).
      server.addresses = [
        forwarding == .tunnel
          ? Network.Node.ExtraAddress(vip, on: "tun0", tunnel: addressing.lan(10 + index))
          : Network.Node.ExtraAddress(vip, on: "lo")
      ]
      // The servers have the VIP too, and must not answer for it (Documentation/networking/ip-sysctl.rst).
      server.settings = ["arp_ignore": "1", "arp_announce": "2"]
      return server
    }
    let lan = Link(
      "lan",
      [Link.End(Network.hop, "eth0", addressing.hop(towards: 0))]
        + servers.enumerated().map {
          Link.End($1.name, "eth0", addressing.lan(10 + $0), isCaptured: true)
        },
      bridge: Link.End(Network.router, "lan", gateway))
    return Network(
      topology: topology, family: parameters.family,
      hosts: parameters.clientHosts(to: { _ in vip }) + [router, hop] + servers,
      links: parameters.clientLinks(to: Network.router) + [lan], names: ["vip": vip])
  }
}
