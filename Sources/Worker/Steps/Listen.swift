import Linux
import Model

extension Listen: Performable {
  func perform(in workload: Workload, index: Int) throws {
    guard let server = workload.servers.first(where: { $0.name == self.server }) else {
      throw workload.lacks("listen", self.server, "no server of that name")
    }
    if isOpen == false { server.stopListening() }
    if let isShared { try server.setShared(isShared) }
    if let backlog { try server.setBacklog(backlog) }
    if let accepts { server.setAccepting(accepts) }
    if let keepalive { try server.setKeepalive(keepalive) }
    if isOpen == true { try server.listen() }
    if retires == true, try server.retire() == 0 {
      throw workload.lacks("listen", self.server, "no connection waits at any of its listeners")
    }
    guard accepts == true else { return }
    try workload.loop.run(
      until: { try server.waiting() == 0 }, awaiting: "\(server.name) to take the connections that wait",
      within: workload.test.limit(ofStep: index), interval: 1)
    try workload.takeUpServed()
    try workload.settle()
  }
}
