import Model

extension RemoveServer: Performable {
  func perform(in workload: Workload, index: Int) throws {
    guard let director = workload.testbed.director else {
      throw workload.lacks("remove", server, "no director here")
    }
    try director.remove(server)
  }
}
