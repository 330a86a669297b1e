import Model

extension Flush: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let testbed = workload.testbed
    switch table {
    case .tcpMetrics:
      for server in testbed.servers {
        testbed.recycling?.flush(server.name)
        do { try server.metrics?.flush() } catch {
          throw Failure(error, stage: "ip tcp_metrics flush", object: server.name)
        }
      }
    case .conntrack:
      for node in testbed.nodes {
        do { try node.conntrack?.flush() } catch {
          throw Failure(error, stage: "flush conntrack", object: node.name)
        }
      }
    }
  }
}
