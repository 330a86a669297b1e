import Model

extension Vanish: Performable {
  func perform(in workload: Workload, index: Int) throws {
    for connection in workload.opened(by: on) {
      workload.adrift.insert(connection.attempt)
      do {
        switch end {
        case .client: try connection.vanish()
        case .server: try workload.server(of: connection.attempt)?.vanish(attempt: connection.attempt)
        }
      } catch {
        throw Failure(error, stage: "TCP_REPAIR", object: "\(connection.label) #\(connection.attempt)")
      }
    }
  }
}
