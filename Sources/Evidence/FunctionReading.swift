/// Which functions of the kernel a case's workload has reached.
public struct FunctionReading: Codable, Sendable, Equatable {
  /// How often each was called while the steps were performed, whoever had the kernel do so.
  public var calls: [String: Int]
  /// Those that cannot be counted, and why: mostly that the kernel has no such symbol.
  public var uncounted: [String: String]

  /// Makes a reading.
  public init(calls: [String: Int], uncounted: [String: String]) {
    self.calls = calls
    self.uncounted = uncounted
  }
}
