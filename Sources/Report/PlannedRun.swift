import Evidence
import Foundation
import Judging
import Model

/// `run.json`: what a run set out to do, written before its first case, so that a folder whose run was killed can be
/// judged, reported and continued, and every case of it run again, whatever the lab files say by then.
public struct PlannedRun: Codable, Sendable {
  /// The mark of a folder that is ours.
  private var format = Self.mark
  private static let mark = "pawslab run"
  /// How it is written.
  private var version = EvidenceFormat()
  /// When it began.
  public var began: Date
  /// What was typed, word by word, with the program's bare name; nil in plans of a version that did not say.
  public var command: [String]?
  /// Which version of the program; as above.
  public var program: String?
  /// The kernels that cases were to run on, as they were probed.
  public var kernels: [String: Kernel]
  /// Every case once.
  public var tests: [Case]
  /// Which case on which kernel from which seed, in order.
  public var cases: [Place]
  /// Of which whole this is a part; nil where it is one.
  public var cut: ShardCut?

  /// What `--kernel` was given, by what was typed.
  public var kernelWords: [String] {
    let words = command ?? []
    let own = zip(words, words.dropFirst()).filter { $0.0 == "--kernel" }.map(\.1)
    return (own + words.filter { $0.hasPrefix("--kernel=") }.map { String($0.dropFirst("--kernel=".count)) })
      .flatMap { $0.split(separator: ",").map(String.init) }
  }

  /// One case on one kernel, in a guest's own time from one seed.
  public struct Place: Codable, Sendable, Hashable {
    /// Of the case.
    public var id: String
    /// Name of the kernel.
    public var kernel: String
    /// In a guest's own time; nil in this machine's, and in plans of a version that did not say.
    public var seed: UInt64?

    /// Makes a place.
    public init(id: String, kernel: String, seed: UInt64? = nil) {
      self.id = id
      self.kernel = kernel
      self.seed = seed
    }

    /// Whose time passes there.
    public var time: GuestTime { seed.map { .virtual(seed: $0) } ?? .real }
    /// `x/a=1 from seed 7`: what people call it.
    public var words: String { id + (file.seed.map { " from seed \($0)" } ?? "") }
    /// What stands for it in a folder: seed 0, which nobody has asked for, needs no word.
    var file: Place { Place(id: id, kernel: kernel, seed: seed == 0 ? nil : seed) }
  }

  /// Makes a plan of cases in this machine's time; a case on a kernel twice counts once.
  public init(
    _ tests: [(test: Case, kernel: String)], kernels: [String: Kernel], began: Date = Date()
  ) {
    self.init(tests.map { ($0.test, $0.kernel, nil) }, kernels: kernels, began: began)
  }

  /// Makes a plan; a case on a kernel from a seed twice counts once.
  public init(
    _ tests: [(test: Case, kernel: String, seed: UInt64?)], kernels: [String: Kernel], began: Date = Date()
  ) {
    self.began = began
    self.kernels = kernels
    var known: Set<String> = []
    self.tests = tests.map(\.test).filter { known.insert($0.id).inserted }
    var places: Set<Place> = []
    cases = tests.map { Place(id: $0.test.id, kernel: $0.kernel, seed: $0.seed) }
      .filter { places.insert($0).inserted }
  }

  /// The cases by id.
  public var testsByID: [String: Case] {
    Dictionary(tests.map { ($0.id, $0) }) { first, _ in first }
  }

  /// What makes no sense in it; nil where all is well.
  var mistake: String? {
    if format != Self.mark { return "it is not of pawslab" }
    if let mistake = kernels.savedMistake ?? cut?.mistake { return mistake }
    let tests = testsByID
    guard tests.count == self.tests.count else { return "a case stands in it twice" }
    for test in self.tests {
      if let mistake = test.savedMistake { return "\(quoted(test.id)): \(mistake)" }
    }
    guard Set(cases.map(\.file)).count == cases.count else {
      return "a case stands in it twice on one kernel"
    }
    for place in cases where tests[place.id] == nil || kernels[place.kernel] == nil {
      return "\(quoted(place.id)) on \(quoted(place.kernel)): no such case or kernel in it"
    }
    return CaseName.collisions(among: tests.keys).first.map {
      "\(quoted($0.first)) and \(quoted($0.second)) have one file name"
    }
  }
}

/// A line of `events.jsonl`: what happened while cases ran, as it happened.
public struct RunEvent: Codable, Sendable {
  /// How it is written.
  private var format = EvidenceFormat()
  /// `started`, `finished`, `guest ended`.
  public var event: String
  /// ISO 8601.
  public var time = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  /// Name of the kernel.
  public var kernel: String
  /// Name of the case.
  public var `case`: String?
  /// In a guest's own time.
  public var seed: UInt64?
  public var verdict: Verdict?
  public var reason: String?
  /// Wall time; of a guest, processor time.
  public var seconds: Double?
  public var emulation: Emulation?
  /// What a guest has cost.
  public var cost: GuestCost?

  /// A case's worker was started.
  public init(started test: Case, kernel: String, seed: UInt64? = nil) {
    event = "started"
    self.kernel = kernel
    self.seed = seed
    self.case = test.id
  }

  /// A case was judged, skipped, or broke.
  public init(finished result: CaseResult) {
    event = "finished"
    kernel = result.kernel
    seed = result.seed
    self.case = result.test.id
    verdict = result.judgement.verdict
    reason = result.judgement.reason
    seconds = result.seconds
    emulation = result.emulation
  }

  /// A guest has ended.
  public init(ended cost: GuestCost) {
    event = "guest ended"
    kernel = cost.kernel
    seconds = cost.processorSeconds
    self.cost = cost
  }
}

extension CaseResult {
  /// Which result of a run it is.
  public var place: PlannedRun.Place { .init(id: test.id, kernel: kernel, seed: seed) }
}
