import Evidence
import Judging
import Model

/// `results.json`: what a run came to. Keys are written sorted, durations in the unit they name.
///
/// A case's `observation` names the file in the same folder that holds everything that was seen, from which it
/// can be judged again.
public struct Results: Codable, Sendable {
  /// How it is written.
  public private(set) var version = EvidenceFormat()
  /// `pass`, `fail`, `skip`, `error` counted, and wall seconds.
  public var summary: Summary
  /// The kernels that cases ran on, by the names that `--kernel` takes.
  public var kernels: [String: Kernel]
  /// Cases that the run set out to do and did not come to: an error each, or a skip where `--max-fail` left them
  /// out. nil where the run is finished.
  public var notJudged: [Entry]?
  /// The guests that were booted for it.
  public var guests: [GuestCost]
  /// In the order of the lab files, kernel by kernel.
  public var cases: [Entry]
  /// What is to be said of the known failures' file; nil where that is nothing.
  public var remarks: [String]?

  /// Counts by verdict.
  public struct Summary: Codable, Sendable, Equatable {
    public var pass = 0
    public var fail = 0
    public var skip = 0
    public var error = 0
    /// Cases that an emulation ran, apart from all others; nil where none did.
    public var emulated: Counts?
    /// Cases that `--require` names and that no kernel itself was judged by: they count as failures, whatever their
    /// verdict is; nil where there are none.
    public var required: Required?
    /// Failures that were known, of those in `fail`; nil where none was.
    public var known: Int?
    /// Wall time of the run.
    public var seconds: Double

    /// Counts the verdicts.
    public init(_ results: [CaseResult], seconds: Double) {
      self.seconds = seconds
      func count(_ verdict: Verdict, emulated: Bool) -> Int {
        results.count { $0.judgement.verdict == verdict && ($0.emulation != nil) == emulated }
      }
      pass = count(.pass, emulated: false)
      fail = count(.fail, emulated: false)
      skip = count(.skip, emulated: false)
      error = count(.error, emulated: false)
      if results.contains(where: { $0.emulation != nil }) {
        emulated = Counts(
          pass: count(.pass, emulated: true), fail: count(.fail, emulated: true),
          error: count(.error, emulated: true))
      }
    }

    /// What emulated cases came to.
    public struct Counts: Codable, Sendable, Equatable {
      public var pass, fail, error: Int
    }

    /// What was required and was not judged: skipped everywhere, or only emulated.
    public struct Required: Codable, Sendable, Equatable {
      public var skipped, emulated: Int
    }

    /// `104 passed, 0 failed, 12 skipped, 0 errors; emulated: 76 passed, 0 failed, 0 errors`; as cases count, see
    /// ``Standing``.
    public var text: String {
      let unmet = required.map { $0.skipped + $0.emulated } ?? 0
      return "\(pass) passed, \(fail - (known ?? 0) + unmet) failed"
        + (unmet > 0 ? " (\(unmet) required and not judged)" : "")
        + (known.map { ", \($0) known to fail" } ?? "")
        + ", \(skip - (required?.skipped ?? 0)) skipped, \(error) errors"
        + (emulated.map {
          "; emulated: \($0.pass) passed, \($0.fail) failed, \($0.error) errors"
        } ?? "")
    }
  }

  /// One case.
  public struct Entry: Codable, Sendable {
    public var id: String
    /// What machine formats call it (``CaseName``); nil in results of a version that did not say.
    public var name: String?
    /// Name of the kernel that ran it, or would have.
    public var kernel: String
    /// The seed that it was run from in a guest's own time, or would have been; nil in this machine's, and over seeds.
    public var seed: UInt64?
    /// The seeds over which this is asked, where it is of a case over all of them; nil for one run of it.
    public var over: Seeds?
    public var scenario: String
    public var title: String
    public var verdict: Verdict
    public var reason: String
    /// Axis to value, as in the lab file.
    public var axes: [String: String]
    /// Label to what was expected of it on this kernel, e.g. `dropped by tw-paws`.
    public var expected: [String: String]
    /// Label to the percent of its attempts that are to be refused over the seeds of a run; nil where nothing is asked.
    public var shares: [String: Int]?
    public var attempts: [JudgedAttempt]
    /// Node to counter to change over the workload, zeros left out.
    public var counters: [String: [String: Int]]
    public var witnesses: [Witness]
    /// Node to setting to value, as read back.
    public var settings: [String: [String: String]]
    public var timings: [Timing]
    /// Wall time.
    public var seconds: Double
    /// What was judged, where that is an emulation and not the kernel: `tw_recycle`; nil where it is the kernel.
    public var emulation: Emulation?
    /// Whether it runs programs that its lab file names; nil is no.
    public var runsPrograms: Bool?
    /// Seed and digests of what ran in a guest's own time; nil for what ran in this machine's.
    public var exact: CaseResult.Exact?
    /// What it could have expected and would have passed, where it failed; nil where nothing fits.
    public var fits: [String]?
    /// What the first run came to, where the case was run again; nil where it was not.
    public var again: String?
    /// Where it is written: the lab file as it was named, and the line of what was expected; nil in results of a
    /// version that did not say.
    public var source: Place?
    /// Why the case counts as a failure though it has not failed: it is required, and was not judged.
    public var unmet: String?
    /// By what its failure is known; nil where it has not failed, or that is not known.
    public var known: Known?
    /// What it did, where that alone is known: a record's (``KernelRecord``).
    public var recorded: Difference.Behaviour?
    /// Path below the results' folder; nil where nothing was seen.
    public var observation: String?
    /// Its packets, for Wireshark; as above.
    public var capture: String?

    /// A failure that somebody knew of.
    public struct Known: Codable, Sendable, Equatable {
      /// The last day on which that counts: `2027-01-31`; nil for what is so in the run of `--baseline` too.
      public var until: String?
      public var reason: String

      /// `known until 2027-01-31: bug 1234567`
      public var text: String { "known\(until.map { " until \($0)" } ?? ""): \(Visible.joined(reason))" }
    }

    init(_ result: CaseResult, on kernel: Kernel?) {
      id = result.test.id
      name = CaseName(result.test).description
      source = result.test.place(on: kernel)
      emulation = result.emulation
      again = result.again
      fits = result.judgement.fits
      self.kernel = result.kernel
      seed = result.seed
      let rule = kernel.flatMap { result.test.rule(on: $0) }
      expected = rule?.outcomes.mapValues(\.description) ?? [:]
      shares = rule?.shares
      scenario = result.test.scenario
      title = result.test.title
      verdict = result.judgement.verdict
      reason = result.judgement.reason
      axes = Dictionary(result.test.axes.map { ($0.axis, $0.value) }) { first, _ in first }
      attempts = result.judgement.attempts
      witnesses = result.judgement.witnesses
      let seen = result.observation
      counters = Dictionary(
        result.test.network.nodes.map { ($0, seen?.counters(of: $0) ?? [:]) }
      ) { first, _ in first }.filter { !$0.value.isEmpty }
      settings = seen?.settings ?? [:]
      timings = seen?.timings ?? []
      seconds = result.seconds
      exact = result.exact
      runsPrograms = result.test.needs.runsPrograms ? true : nil
      let files = CaseFiles(result.place)
      capture = seen == nil ? nil : files.capture
      observation = seen == nil ? nil : files.observation
    }
  }

  /// Makes the results of a run.
  public init(_ results: [CaseResult], kernels: [String: Kernel], guests: [GuestCost] = [], seconds: Double) {
    summary = Summary(results, seconds: seconds)
    self.kernels = kernels
    self.guests = guests
    cases = results.map { Entry($0, on: kernels[$0.kernel]) }
    judgeOverSeeds()
  }

  /// The names of its kernels: the host first, the others by name.
  public var kernelNames: [String] { Self.ordered(kernels.keys) }

  static func ordered(_ names: some Sequence<String>) -> [String] {
    names.sorted { ($0 == "host" ? 0 : 1, $0) < ($1 == "host" ? 0 : 1, $1) }
  }
}
