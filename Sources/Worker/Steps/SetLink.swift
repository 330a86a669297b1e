import Linux
import Model
import Netlink

extension SetLink: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let links = try workload.testbed.links(named: node)
    guard !links.isEmpty else {
      throw workload.lacks("link", node, "no link of that name, and no node with one")
    }
    for (own, far) in links {
      do {
        if isUp { try up(far, in: workload.test.network) } else { far.node.routes.setDown(index: far.index) }
        try far.node.routes.commit()
        guard isUp else { continue }
        try workload.loop.run(
          until: {
            try own.node.routes.isReady(index: own.index) && far.node.routes.isReady(index: far.index)
          }, awaiting: "the link of \(node) to carry packets", within: 10_000, interval: 1)
      } catch { throw Failure(error, stage: "link", object: node) }
    }
  }

  /// With what went with it (`fib_disable_ip`, `addrconf_ifdown`): its routes, and of IPv6 its addresses.
  private func up(_ far: Testbed.Interface, in network: Network) throws {
    let routes = far.node.routes
    if network.family == .ipv6, let address = far.address {
      routes.addAddress("fe80::\(String(far.index, radix: 16))", prefix: 64, index: far.index)
      routes.addAddress(address, prefix: network.family.prefix, index: far.index)
    }
    routes.setUp(index: far.index)
    try routes.commit()
    for route in network.host(far.node.name)?.routes ?? [] where route.interface == far.name {
      routes.replaceRoute(to: route.to, .via(route.via, index: far.index))
    }
  }
}
