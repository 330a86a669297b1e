import Judging
import Model

/// What a case counts as: its verdict, and what the person who runs the lab said of it beforehand.
///
/// The one notion behind the exit status and every format, so that all of them say the same. It never changes a
/// verdict.
public enum Standing: String, Sendable, CaseIterable, Codable {
  /// As expected.
  case passed
  /// Not as expected; or required, and the kernel itself was not judged.
  case failed
  /// Not as expected, and known to be so until a date that is not over (``KnownFailures``), or from an earlier run
  /// (``Baseline``).
  case known
  /// Nobody required it, and it could not run.
  case skipped
  /// The lab broke.
  case broken

  /// Whether somebody must look.
  public var isBad: Bool { self == .failed || self == .broken }
}

extension Results.Entry {
  /// What the case counts as.
  public var standing: Standing {
    switch verdict {
    case .error: .broken
    case .fail: known == nil ? .failed : .known
    case .skip: unmet == nil ? .skipped : .failed
    case .pass: unmet == nil ? .passed : .failed
    }
  }

  /// Why it counts as it does, in lines: what is required or known first, then the judge's reason.
  public var reasons: [String] {
    var lines = Visible.lines(reason)
    if unmet != nil || known != nil { lines[0] = "\(standingInWords): \(lines[0])" }
    return lines
  }

  /// `required, but skipped`, `known until 2027-01-31: bug 1234567`, else the verdict.
  var standingInWords: String { unmet ?? known?.text ?? verdict.rawValue }

  /// The same in one line.
  public var why: String { reasons.joined(separator: " | ") }

  /// The word for it: `fail`, `error`, `required`, ...
  public var label: String { unmet == nil ? known == nil ? verdict.rawValue : "known" : "required" }
}

extension Results {
  /// Whether no case was judged, on any kernel, emulated or not.
  public var nothingWasJudged: Bool { !cases.contains { $0.verdict != .skip } }

  /// Cases that count as this.
  public func count(_ standing: Standing) -> Int { cases.count { $0.standing == standing } }

  /// Marks what is required and was not judged, and what is known to fail, and counts again.
  ///
  /// - Returns: the results of before, for whoever wants to say what the marks changed.
  public mutating func account(
    required: Required, known: KnownFailures, baseline: Baseline? = nil, on today: CalendarDate
  ) {
    let unmet = required.unmet(by: cases)
    for index in cases.indices {
      cases[index].unmet = unmet[cases[index].id]
      cases[index].known = known.entry(for: cases[index], on: today).map {
        Entry.Known(until: $0.until.description, reason: $0.reason)
      }
    }
    let all = known.remarks(on: cases, today: today) + (baseline?.mark(&cases) ?? [])
    remarks = all.isEmpty ? nil : all
    let skipped = cases.count { $0.unmet != nil && $0.verdict == .skip }
    let emulated = cases.count { $0.unmet != nil && $0.verdict == .pass }
    summary.required = skipped + emulated == 0 ? nil : .init(skipped: skipped, emulated: emulated)
    let failures = cases.count { $0.standing == .known }
    summary.known = failures == 0 ? nil : failures
  }
}

/// Cases that must be judged, by the kernel itself: what `--require` names.
public struct Required: Sendable {
  private let patterns: [CasePattern]
  private let exceptions: [CasePattern]
  /// Cases of a shard that other shards have too: whether any kernel was judged by them is known of all together.
  public var elsewhere: Set<String> = []

  /// Nothing is required.
  public init() { (patterns, exceptions) = ([], []) }

  /// - Parameter patterns: cases by ``CasePattern``; with `!` before it, cases that are not required all the same.
  /// - Throws: `Failure` of usage, where a pattern names none of the cases.
  public init(_ patterns: [String], among cases: [Case]) throws(Failure) {
    self.patterns = patterns.filter { !$0.hasPrefix("!") }.map(CasePattern.init)
    exceptions = patterns.filter { $0.hasPrefix("!") }.map { CasePattern(String($0.dropFirst())) }
    // Where there are none, they are those of an earlier run.
    for pattern in self.patterns where !cases.isEmpty && !cases.contains(where: pattern.matches) {
      throw Failure(
        stage: "--require", object: pattern.description,
        cause: "none of the \(cases.count) cases is called so",
        mend: pattern.suggestion(among: cases.map { ($0.id, $0.scenario) }), isUsage: true)
    }
    if self.patterns.isEmpty, let exception = patterns.first {
      throw Failure(
        stage: "--require", object: exception, cause: "it takes away from nothing",
        mend: "name what is required too, e.g. --require '*'", isUsage: true)
    }
  }

  /// Whether the case is required.
  public func includes(_ id: String, of scenario: String) -> Bool {
    patterns.contains { $0.matches(id, of: scenario) }
      && !exceptions.contains { $0.matches(id, of: scenario) }
  }

  /// The cases that are required and that no kernel itself was judged by, each with what happened instead.
  func unmet(by entries: [Results.Entry]) -> [String: String] {
    guard !patterns.isEmpty else { return [:] }
    let judged = Set(entries.filter { $0.verdict != .skip && $0.emulation == nil }.map(\.id))
    var unmet: [String: String] = [:]
    for entry in entries
    where !elsewhere.contains(entry.id) && !judged.contains(entry.id)
      && includes(entry.id, of: entry.scenario)
    {
      let emulated = entry.emulation != nil && entry.verdict != .skip
      if emulated || unmet[entry.id] == nil {
        unmet[entry.id] = emulated ? "required, but only emulated" : "required, but skipped"
      }
    }
    return unmet
  }
}
