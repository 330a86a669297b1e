import Model

extension WeighServer: Performable {
  func perform(in workload: Workload, index: Int) throws {
    for director in try workload.directors(of: server, for: "weight") {
      try director.weigh(server, weight: weight)
    }
  }
}
