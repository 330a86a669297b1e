import Model

extension Advance: Performable {
  func perform(in workload: Workload, index: Int) throws {
    try workload.recorder.setWallClock(forward: seconds)
  }
}
