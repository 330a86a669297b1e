/// A case that was run or skipped, with its judgement.
public struct CaseResult: Codable, Sendable, Equatable {
  /// The case.
  public var test: Case
  /// What it came to.
  public var judgement: Judgement
  /// What was seen; nil where nothing ran or the lab broke.
  public var observation: Observation?
  /// Wall time from the worker's start to its end.
  public var seconds: Double

  /// Makes a result.
  public init(test: Case, judgement: Judgement, observation: Observation?, seconds: Double) {
    self.test = test
    self.judgement = judgement
    self.observation = observation
    self.seconds = seconds
  }
}
