import Evidence
import ArgumentParser
import Foundation
import Judging
import Lab
import Model
import Report

/// What a run takes from one before, and when it ends before its end.
struct Resuming: ParsableArguments {
  @Flag(
    name: .customLong("continue"),
    help:
      "Go on with the run in --out that was killed or stopped: its cases, its kernels, only what is missing.")
  var continues = false

  @Option(
    help: "Only cases that failed or broke in this folder, on their kernels unless --kernel names others.")
  var lastFailed: String?

  @Option(
    help:
      "A folder that a run kept: what failed in it and fails in the same way now is known, and only what is new changes the exit status."
  )
  var baseline: String?

  @Option(help: "Begin no other case when so many have failed or broken; the rest is not judged.")
  var maxFail: Int?

  /// - Parameter selects: whether the command line says which cases and kernels.
  func check(out: String?, selects: Bool) throws {
    if let maxFail, maxFail < 1 { throw ValidationError("--max-fail takes 1 or more, not \(maxFail)") }
    guard continues else { return }
    guard out != nil else { throw ValidationError("--continue goes on with what --out keeps: name a folder") }
    if selects || lastFailed != nil {
      throw ValidationError(
        "--continue runs what that run set out to do: name no cases, lab files or kernels with it")
    }
  }

  // MARK: --baseline

  /// The run of `--baseline`; nil where it was not given.
  func before() throws -> Baseline? {
    try baseline.map { Baseline(try RunFolder(reading: $0).loadResults(), name: $0) }
  }

  // MARK: --continue

  /// What of the run in a folder has come to something; nil where this is a run of its own.
  func earlier(
    in folder: RunFolder
  ) throws -> (plan: PlannedRun, results: [CaseResult], guests: [GuestCost], seconds: Double)? {
    guard continues, let plan = try folder.loadPlan() else { return nil }
    let found = try folder.recovered(plan)
    return (plan, found.results, found.guests, try folder.loadResults().summary.seconds)
  }

  // MARK: --last-failed

  /// The cases of `--last-failed` that are to be run; nil where it was not given.
  func failedBefore() throws -> [Results.Entry]? {
    guard let lastFailed else { return nil }
    let results = try RunFolder(reading: lastFailed).loadResults()
    let failed = results.cases.filter { [.fail, .error].contains($0.verdict) }
    if let unfinished = results.unfinished {
      Console.error("pawslab: \(lastFailed): \(unfinished); run --continue --out \(lastFailed) runs them")
    }
    // What failed over seeds is asked of all of them.
    let over = Set(failed.filter { $0.over != nil }.map { PlannedRun.Place(id: $0.id, kernel: $0.kernel) })
    let seeds = results.cases.filter {
      $0.seed != nil && ![.fail, .error].contains($0.verdict)
        && over.contains(.init(id: $0.id, kernel: $0.kernel))
    }
    guard failed.isEmpty else { return failed.filter { $0.over == nil } + seeds }
    guard results.unfinished == nil, results.cases.contains(where: { $0.verdict == .pass }) else {
      throw Failure(
        stage: "--last-failed", object: lastFailed,
        cause: "nothing failed there, and not everything was judged",
        mend: "run it anew", isUsage: true)
    }
    Console.error("pawslab: \(lastFailed): no case failed or broke there, so none is run")
    return []
  }

  /// Those of the cases that failed.
  func only(_ failed: [Results.Entry]?, of cases: [Case]) throws -> [Case] {
    guard let failed else { return cases }
    let wanted = Set(failed.map(\.id))
    let found = cases.filter { wanted.contains($0.id) }
    let gone = wanted.subtracting(cases.map(\.id)).sorted()
    guard gone.isEmpty else {
      throw ValidationError(
        "\(gone.count) of the \(wanted.count) cases that failed are not in these lab files, or not selected: "
          + gone.prefix(3).joined(separator: ", ") + (gone.count > 3 ? ", ..." : ""))
    }
    return found
  }
}

extension Machines {
  /// The cases of a plan that have come to nothing yet, each on the kernel that it was planned for.
  ///
  /// - Throws: where that kernel is another now: one run's verdicts are of one kernel each.
  func missing(
    in earlier: (plan: PlannedRun, results: [CaseResult], guests: [GuestCost], seconds: Double)
  ) async throws -> [(test: Case, machine: Machine)] {
    let known = Set(earlier.results.map(\.place))
    let tests = earlier.plan.testsByID
    let open = earlier.plan.cases.filter { !known.contains($0) }
    var machines: [String: Machine] = [:]
    for name in Set(open.map(\.kernel)).sorted() {
      let machine = try await inResult(name, typed: earlier.plan.kernelWords)
      if let then = earlier.plan.kernels[name], !machine.kernel.judgesLike(then) {
        throw Failure(
          stage: "--continue", object: name,
          cause: "it is Linux \(machine.kernel.release) now, and was \(then.release)"
            + (machine.kernel.release == then.release ? " with other capabilities" : ""),
          mend: "run it anew: verdicts of two kernels make no run of one", isUsage: true)
      }
      machines[name] = machine
    }
    return open.compactMap { place in
      guard let test = tests[place.id], let machine = machines[place.kernel] else { return nil }
      return (test, machine.inTime(place.time))
    }
  }

  /// - Throws: where a guest has no time of its own any more that had one when the run was planned.
  static func check(_ tests: [(test: Case, machine: Machine)], stillHaveTheirTime runner: Runner) async throws
  {
    let now = await runner.inPossibleTime(tests)
    guard let other = zip(tests, now).first(where: { $0.machine.time != $1.machine.time })?.0 else { return }
    throw Failure(
      stage: "--continue", object: other.machine.name, cause: "it had a time of its own, and has none now",
      mend: "run it anew: packets of two times make no run of one", isUsage: true)
  }

  /// The cases that failed, as they are now, each on the kernels that it failed on, in the time and from the seed that it
  /// failed in unless others were asked for.
  func again(
    _ failed: [Results.Entry], _ cases: [Case], _ seeding: Seeding
  ) async throws -> [(test: Case, machine: Machine)] {
    let tests = Dictionary(cases.map { ($0.id, $0) }) { first, _ in first }
    var machines: [String: Machine] = [:]
    for name in Set(failed.map(\.kernel)).sorted() { machines[name] = try await inResult(name) }
    let isAsked = seeding.isVirtual || seeding.time != nil
    var known: Set<PlannedRun.Place> = []
    return failed.compactMap { entry in
      guard let test = tests[entry.id], let machine = machines[entry.kernel] else { return nil }
      let time = isAsked ? seeding.time(of: test, Consent()) : entry.place.time
      guard known.insert(.init(id: entry.id, kernel: entry.kernel, seed: time.seed)).inserted else {
        return nil
      }
      return (test, machine.inTime(time))
    }
  }
}

extension Kernel {
  /// Whether a verdict on one is a verdict on the other: all but the words in which it said what is missing.
  func judgesLike(_ other: Kernel) -> Bool {
    var (own, other) = (self, other)
    (own.missing, other.missing) = ([:], [:])
    return own == other
  }
}
