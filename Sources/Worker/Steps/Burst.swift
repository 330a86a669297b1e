import Linux
import Model

extension Burst: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let clients = workload.testbed.clients
    let members = clients.indices.filter { self.clients.contains(clients[$0].description.group) }
    var waiting = members.count * connections
    var made: [ClientConnection] = []
    // Neighbours in the list are of different clients, so that threads do not take turns at one.
    for round in 0..<connections {
      for client in members {
        made.append(
          try workload.attempt(
            step: index, label: name, client: client, port: round % workload.test.network.serverPorts,
            Workload.Manner(closes: closer)
          ) { _ in waiting -= 1 })
      }
    }
    let holding = try held.map { name in
      guard let node = workload.testbed.node(named: name) else {
        throw workload.lacks("burst", name, "no node of that name")
      }
      return try HeldSYNs(at: node)
    }
    let calls = try made.map { Volley.Call(socket: try $0.prepare(), address: $0.remote) }
    let start = SystemClock.monotonic()
    let results = try Volley.connect(calls)
    for (connection, result) in zip(made, results) { try connection.begun(result) }
    try holding?.release(
      results.count { [nil, .nowInProgress].contains($0) }, since: start, on: workload.loop)
    if workload.mayStayUnanswered { made.forEach { workload.awaitAnswer($0) } }
    try workload.loop.run(
      until: { waiting == 0 }, awaiting: "the outcome of \(waiting) attempts of \(name)",
      within: workload.test.attemptLimit(ofStep: index))
    try workload.settle()
  }
}
