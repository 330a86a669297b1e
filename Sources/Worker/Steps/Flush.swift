import Model

extension Flush: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let testbed = workload.testbed
    func isMeant(_ node: Node) -> Bool { on == nil || on == node.name }
    switch table {
    case .tcpMetrics:
      for server in testbed.servers where isMeant(server) {
        testbed.recycling?.flush(server.name)
        do { try server.metrics?.flush() } catch {
          throw Failure(error, stage: "ip tcp_metrics flush", object: server.name)
        }
      }
    case .conntrack:
      for node in testbed.nodes where isMeant(node) {
        do { try node.conntrack?.flush() } catch {
          throw Failure(error, stage: "flush conntrack", object: node.name)
        }
      }
    case .ipvs:
      for director in testbed.directors where on == nil || on == director.name { try director.flush() }
    case .neighbours:
      for node in testbed.nodes where isMeant(node) {
        do {
          for link in try testbed.links(named: node.name) {
            try node.routes.flushNeighbours(index: link.own.index)
          }
        } catch { throw Failure(error, stage: "ip neigh flush", object: node.name) }
      }
    }
  }
}
