import Model

/// How the worker does what a step says: one file for each verb, beside its words in `Model/Steps`.
protocol Performable {
  /// Does it, and returns when everything that it started has its outcome.
  ///
  /// - Throws: `Failure` where the lab breaks. What the kernel does to the case's own connections is no failure.
  func perform(in workload: Workload, index: Int) throws
}
