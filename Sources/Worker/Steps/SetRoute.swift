import Model
import Netlink

extension SetRoute: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let testbed = workload.testbed
    guard let node = testbed.node(named: self.node), let next = gateway(in: workload.test.network),
      let address = workload.test.network.address(named: to),
      let interface = testbed.links.index(of: next.interface, on: node.name)
    else { throw workload.lacks("route", self.node, "no way from there by \(via) to \(to)") }
    node.routes.replaceRoute(to: address, .via(next.address, index: interface))
    do { try node.routes.commit() } catch { throw Failure(error, stage: "route", object: self.node) }
  }
}
