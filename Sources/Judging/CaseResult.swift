import Evidence
import Model

/// A case that was run or skipped, with its judgement.
public struct CaseResult: Codable, Sendable, Equatable {
  /// The case.
  public var test: Case
  /// Name of the kernel that ran it, or would have: `host`, `debian-12`.
  public var kernel: String
  /// What it came to.
  public var judgement: Judgement
  /// What was seen, to the end or until something broke (``Observation/broke``); nil where nothing was.
  public var observation: Observation?
  /// Wall time from the worker's start to its end.
  public var seconds: Double
  /// What was judged, where that is an emulation of the lab's and not the kernel; nil where it is the kernel.
  public var emulation: Emulation?
  /// What the first run came to, where this is the second (``Judgement/lacksOnlyDropReasons``).
  public var again: String?

  /// Makes a result.
  public init(
    test: Case, kernel: String = "host", judgement: Judgement, observation: Observation?, seconds: Double,
    emulation: Emulation? = nil
  ) {
    self.test = test
    self.kernel = kernel
    self.judgement = judgement
    self.observation = observation
    self.seconds = seconds
    self.emulation = emulation
  }
}
