import Linux
import Model

extension Churn: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let clients = workload.testbed.clients
    let members = clients.indices.filter { self.clients.contains(clients[$0].description.group) }
    guard let flush else { return try sideBySide(members, in: workload, index) }
    // The table may be emptied only while nothing is under way, so one connection at a time.
    for round in 0..<connections {
      for client in members {
        try Flush(table: flush).perform(in: workload, index: index)
        var done = false
        try begin(client, round, in: workload, index) { done = true }
        try workload.loop.run(
          until: { done }, awaiting: "the outcome of \(name)",
          within: workload.test.attemptLimit(ofStep: index))
        try workload.settle()
      }
    }
  }

  private func sideBySide(_ members: [Int], in workload: Workload, _ index: Int) throws {
    let loop = workload.loop
    var left = members.count * connections
    func next(_ client: Int, _ round: Int) throws {
      guard round < connections else { return }
      let began = SystemClock.monotonic()
      try begin(client, round, in: workload, index) {
        left -= 1
        let pause =
          rate.map { max(0, Int64(1_000_000_000 / $0) - (SystemClock.monotonic() - began)) } ?? 0
        loop.after(milliseconds: Int(pause / 1_000_000)) { try next(client, round + 1) }
      }
    }
    for client in members { try next(client, 0) }
    sample(in: workload, while: { left > 0 })
    try loop.run(
      until: { left == 0 }, awaiting: "the outcome of \(left) connections of \(name)",
      within: workload.test.limit(ofStep: index))
    try workload.settle()
  }

  private func begin(
    _ client: Int, _ round: Int, in workload: Workload, _ index: Int, then: @escaping () throws -> Void
  ) throws {
    try workload.begin(
      step: index, label: name, client: client, port: round % workload.test.network.serverPorts,
      Workload.Manner(closes: closer)
    ) { _ in try then() }
  }

  /// Counts TIME_WAIT sockets four times a second, for as long as it is asked for.
  private func sample(in workload: Workload, while wanted: @escaping () -> Bool) {
    workload.loop.after(milliseconds: 250) { [weak workload] in
      guard let workload, wanted() else { return }
      try workload.recorder.sample()
      sample(in: workload, while: wanted)
    }
  }
}
