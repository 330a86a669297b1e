import Model

extension AddServer: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let directors = workload.testbed.directors.filter { $0.has(server) }
    guard !directors.isEmpty else { throw workload.lacks("add", server, "no director here") }
    for director in directors { try director.add(server, weight: weight ?? 1) }
  }
}
