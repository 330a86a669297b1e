import Model

extension WeighServer: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let directors = workload.testbed.directors.filter { $0.has(server) }
    guard !directors.isEmpty else { throw workload.lacks("weight", server, "no director here") }
    for director in directors { try director.weigh(server, weight: weight) }
  }
}
