import Model

extension Shape: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let testbed = workload.testbed
    let links = try testbed.links(named: node)
    guard !links.isEmpty else {
      throw workload.lacks("shape", node, "no link of that name, and no node with one")
    }
    var way = of ?? .both
    // On a whole LAN what everybody sends is all that there is.
    if way == .both, testbed.test.network.links.contains(where: { $0.name == node && $0.bridge != nil }) {
      way = .sent
    }
    for (own, far) in links {
      if way != .received { try testbed.impair(own, packets, of: own.node.name) }
      guard way != .sent else { continue }
      let isPort = testbed.switches.contains { $0 === far.node }
      try testbed.impair(far, packets, of: isPort ? own.node.name : far.node.name)
    }
    workload.delay = max(workload.delay, 2 * (packets.delay ?? 0))
  }
}
