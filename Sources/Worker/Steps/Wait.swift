import Model

extension Wait: Performable {
  /// A deadline of the loop's, and no sleep: whatever comes meanwhile is served and captured. Nothing is asked in between:
  /// who wakes an idle guest sets the price of its hours.
  func perform(in workload: Workload, index: Int) throws {
    var isOver = false
    workload.loop.after(milliseconds: milliseconds) { isOver = true }
    try workload.loop.run(
      until: { isOver }, awaiting: "\(milliseconds) ms to pass", within: workload.test.limit(ofStep: index),
      interval: milliseconds)
  }
}
