import Model

extension Connect: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let clients = workload.testbed.clients
    let members = clients.indices.filter { clients[$0].description.group == client }
    let ports = workload.test.network.serverPorts
    let targets =
      members.count == 1
      ? (0..<ports).map { (members[0], $0) } : members.enumerated().map { ($1, $0 % ports) }
    var manner = Workload.Manner(
      closes: closer, aborts: false, again: again, port: port ?? 0, target: to, keepalive: keepalive == true)
    if let aborts {
      manner.aborts = true
      manner.closes = aborts == .client ? .client : .server
    }
    for _ in 0..<times {
      var waiting = targets.count
      for (client, port) in targets {
        try workload.begin(step: index, label: name, client: client, port: port, manner) { _ in
          waiting -= 1
        }
      }
      try workload.loop.run(
        until: { waiting == 0 }, awaiting: "the outcome of \(waiting) attempts of \(name)",
        within: workload.test.attemptLimit(ofStep: index))
      try workload.settle()
    }
  }
}
