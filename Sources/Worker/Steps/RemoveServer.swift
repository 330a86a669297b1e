import Model

extension RemoveServer: Performable {
  func perform(in workload: Workload, index: Int) throws {
    for director in try workload.directors(of: server, for: "remove") { try director.remove(server) }
  }
}
