import Model

extension AddServer: Performable {
  func perform(in workload: Workload, index: Int) throws {
    for director in try workload.directors(of: server, for: "add") {
      try director.add(server, weight: weight ?? 1)
    }
  }
}
