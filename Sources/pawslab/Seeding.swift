import ArgumentParser
import Lab
import Model
import Report

/// Whose time passes in guests, and where random numbers come from there.
struct Seeding: ParsableArguments {
  @Option(
    help:
      "Whose time passes in guests: real, or virtual (their own: the same packets to the nanosecond in every run, and waiting takes no time). Default: virtual for cases that wait for more than 2 s or hold SYNs, else real."
  )
  var time: Time?

  @Option(help: "Run every case in virtual time, with random numbers from this seed (default there: 0).")
  var seed: UInt64?

  @Option(
    help:
      "A-B: run every case in virtual time once from each of these seeds, and say how often what happens, with the 95 % interval and the first seed that shows it."
  )
  var seeds: String?

  /// Whose time passes.
  enum Time: String, CaseIterable, ExpressibleByArgument { case real, virtual }

  /// Runs that one command may come to.
  static let most = 100_000

  func validate() throws {
    if seed != nil, seeds != nil {
      throw ValidationError("--seed and --seeds exclude each other: --seeds A-A is one")
    }
    _ = try range()
    guard time == .real, let option = seed.map({ _ in "--seed" }) ?? seeds.map({ _ in "--seeds" }) else {
      return
    }
    throw ValidationError("\(option) and --time real exclude each other: only a guest's own time has a seed")
  }

  /// The seeds that were asked for; nil for none.
  func range() throws -> ClosedRange<UInt64>? {
    if let seed { return seed...seed }
    guard let seeds else { return nil }
    let parts = seeds.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
    guard parts.count == 2, let first = parts[0], let last = parts[1], first <= last, last - first < Self.most
    else {
      throw ValidationError(
        "--seeds takes A-B, numbers from 0 on, \(Self.most) of them at most; not \(seeds)")
    }
    return first...last
  }

  /// Whether all guests were asked to have a time of their own.
  var isVirtual: Bool { time == .virtual || seed != nil || seeds != nil }

  /// A guest's own time from the first seed.
  var virtual: GuestTime { .virtual(seed: ((try? range()) ?? nil)?.lowerBound ?? 0) }

  /// Whose time passes in a guest that runs a case.
  func time(of test: Case, _ consent: Consent) -> GuestTime {
    isVirtual ? virtual : time == nil ? consent.time(of: test, own: virtual) : .real
  }

  /// - Throws: where so many cases from so many seeds are too many runs, before anything is made.
  func check(_ cases: Int) throws {
    guard let range = try range(), cases > Self.most / range.count else { return }
    throw ValidationError("\(cases) cases from \(range.count) seeds are more than \(Self.most) runs")
  }

  /// Each case once from each seed of its shard; where a seed has no say (in this machine's time, or where it cannot run), once.
  func spread(
    _ tests: [(test: Case, machine: Machine)], _ consent: Consent, of chosen: Chosen
  ) throws -> [(test: Case, machine: Machine)] {
    guard let range = try range(), range.count > 1 else { return tests }
    func isOurs(_ place: Int, _ seed: UInt64) -> Bool {
      chosen.isWhole || chosen.has(chosen.tests[place], from: seed)
    }
    let isThrown = tests.map { test, machine in
      machine.failure == nil && machine.time != .real && consent.refusal(of: test, in: machine.time) == nil
        && Plan(test, on: machine).runs
    }
    try check(isThrown.count { $0 })
    return zip(tests, isThrown).enumerated().flatMap { place, own in
      let (test, isThrown) = own
      guard isThrown else { return isOurs(place, range.lowerBound) ? [test] : [] }
      return range.filter { isOurs(place, $0) }.map { (test.test, test.machine.inTime(.virtual(seed: $0))) }
    }
  }
}
