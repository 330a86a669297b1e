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
  /// The seed that it was run from in a guest's own time, or would have been: with case and kernel it says which result
  /// this is. nil for this machine's time.
  public var seed: UInt64?
  /// What ran in a guest's own time: its seed, and the SHA-256 of what the guest was made of and of all that it said,
  /// in that order. nil for what ran in this machine's time.
  public var exact: Exact?

  /// Names a run in a guest's own time: the same origin and seed give the same digest.
  public struct Exact: Codable, Sendable, Equatable {
    public var seed: UInt64
    /// SHA-256 of kernel, initramfs, QEMU and its arguments.
    public var origin: String
    /// SHA-256 of all that the guest said.
    public var digest: String

    public init(seed: UInt64, origin: String, digest: String) {
      (self.seed, self.origin, self.digest) = (seed, origin, digest)
    }
  }

  /// Seconds that passed in the guest, from building the network to the last evidence; nil for this machine's time.
  public var guestSeconds: Double? {
    exact == nil ? nil : observation.map { $0.timings.reduce(0) { $0 + $1.milliseconds } / 1000 }
  }

  /// Makes a result.
  public init(
    test: Case, kernel: String = "host", judgement: Judgement, observation: Observation?, seconds: Double,
    emulation: Emulation? = nil, seed: UInt64? = nil
  ) {
    self.test = test
    self.kernel = kernel
    self.judgement = judgement
    self.observation = observation
    self.seconds = seconds
    self.emulation = emulation
    self.seed = seed
  }
}
