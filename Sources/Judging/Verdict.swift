import Evidence
import Model

/// What a case came to.
public enum Verdict: String, Codable, Sendable, CaseIterable {
  /// Every witness agrees with the expectation.
  case pass
  /// The kernel did something else.
  case fail
  /// The kernel or machine lacks what the case needs.
  case skip
  /// The lab broke. Never mistaken for a drop.
  case error
}

/// The outcome of one attempt, read from its errno and the capture.
public struct JudgedAttempt: Codable, Sendable, Equatable {
  /// Which attempt.
  public var attempt: Attempt
  /// What it did; nil for an end that the lab has no word for, which is never what was expected.
  public var outcome: Outcome?
  /// What was expected of it; for a prediction, what the rule gave.
  public var expected: Expectation
  /// SYNs that left the client's link.
  public var syns: Int
  /// SYNs that reached the server's link.
  public var synsAtServer: Int
  /// Milliseconds from the first `connect()` to the outcome.
  public var milliseconds: Double
  /// Whether it did what was expected.
  public var holds: Bool

  /// Makes a judged attempt.
  public init(
    attempt: Attempt, outcome: Outcome?, expected: Expectation, syns: Int, synsAtServer: Int,
    milliseconds: Double, holds: Bool
  ) {
    self.attempt = attempt
    self.outcome = outcome
    self.expected = expected
    self.syns = syns
    self.synsAtServer = synsAtServer
    self.milliseconds = milliseconds
    self.holds = holds
  }

  /// ``outcome`` in a word, `reset`; where there is none, what connect(2) or send(2) said in the end.
  public var word: String {
    outcome?.rawValue ?? attempt.errno.map { "ended with \($0)" } ?? "ended"
  }

  /// The same in a sentence: `dropped (ETIMEDOUT)`, `reset: the connection was reset (ECONNRESET)`.
  var words: String {
    switch (outcome, attempt.errno) {
    case (nil, "ETIMEDOUT"): "a SYN-ACK, and ETIMEDOUT nevertheless"
    case (nil, _): word
    case (.reset, "ECONNRESET"): "\(word): the connection was reset (ECONNRESET)"
    case (_, let errno?): "\(word) (\(errno))"
    case (_, nil): word
    }
  }
}

/// A judged case.
public struct Judgement: Codable, Sendable, Equatable {
  /// What it came to.
  public var verdict: Verdict
  /// One line: why it passed (the rule's reason), what disagreed, what is missing, what broke.
  public var reason: String
  /// What each attempt did.
  public var attempts: [JudgedAttempt]
  /// Everything that was held against an expectation.
  public var witnesses: [Witness]
  /// Of a case that failed: what its lab file could have expected and would have passed, `late: dropped by hop`; nil where
  /// nothing fits.
  public var fits: [String]?

  /// Makes a judgement.
  public init(
    verdict: Verdict, reason: String, attempts: [JudgedAttempt] = [], witnesses: [Witness] = []
  ) {
    self.verdict = verdict
    self.reason = reason
    self.attempts = attempts
    self.witnesses = witnesses
  }

  /// Whether nothing speaks against the case but a drop that the kernel gave no reason for. Now and then the
  /// tracepoint stays silent to all who listen, so once proves nothing.
  public var lacksOnlyDropReasons: Bool {
    verdict == .fail && attempts.allSatisfy(\.holds)
      && witnesses.allSatisfy { $0.holds || $0.unheard == true }
  }
}
