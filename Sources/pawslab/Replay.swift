import ArgumentParser
import Foundation
import Judging
import Lab
import Model
import Report

struct Replay: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run exactly the cases of a saved run again, and say where they differ now.",
    discussion: """
      The cases are those that were saved with the run, settings and expectations and all, whatever the lab files say \
      now; each on the kernel of the same name. All of them are run, those that were skipped or broke too, and what \
      cannot be run again or compared is named. Exit status as of run, and 1 where something differs, or could not be \
      compared.
      """)

  @Flag(
    help:
      "Compare to the nanosecond what ran in virtual time: the same digest, or the first packet or counter that differs."
  )
  var exact = false

  @Argument(help: "A folder that a run kept with --out.")
  var folder: String

  @OptionGroup var running: Running

  @Option(help: "Keep what this run gives in this folder; a run that is there is moved to its previous.")
  var out: String?

  func run() async throws {
    let old = try RunFolder(reading: folder)
    let before = try old.loadResults()
    if let unfinished = before.unfinished { Console.error("pawslab: \(folder): \(unfinished)") }
    let planned = try old.loadPlan()?.testsByID ?? [:]
    var saved: [(test: Case, place: PlannedRun.Place)] = []
    var lost: [String: [PlannedRun.Place: String]] = [:]
    // What was asked over seeds is asked again, of what they come to.
    for entry in before.cases.filter({ $0.over == nil }) + (before.notJudged ?? []) {
      do {
        if let test = try old.savedTest(entry, planned) {
          saved.append((test, entry.place))
          continue
        }
        lost[entry.kernel, default: [:]][entry.place] =
          "not run: it came to \(entry.verdict.rawValue) then, and that run did not keep the case"
      } catch { lost[entry.kernel, default: [:]][entry.place] = "\(error)" }
    }
    let exacts = Dictionary(
      before.cases.compactMap { entry in
        entry.exact.map { (entry.place, $0) }
      }, uniquingKeysWith: { first, _ in first })
    if exact, exacts.isEmpty {
      throw Failure(
        stage: "replay --exact", object: folder, cause: "nothing in it ran in virtual time",
        mend: "pawslab run --time virtual --out \(folder), or replay without --exact", isUsage: true)
    }
    guard !saved.isEmpty else {
      throw Failure(
        stage: "replay", object: folder, cause: "that run kept none of its \(before.cases.count) cases",
        mend: "pawslab run --out \(folder) makes one that can be replayed")
    }
    try running.check(saved.map(\.test))
    let new = try out.map { try RunFolder(creating: $0) }
    let (_, runner, machines) = try running.lab(keepsPackets: exact)
    var known: [String: Machine] = [:]
    for name in Set(saved.map(\.place.kernel)).sorted() { known[name] = try await machines.inResult(name) }
    // What ran in a guest's own time does so again, from the same seed.
    let tests = saved.compactMap { test, place in
      known[place.kernel].map { machine in
        // A run of before there were several seeds says it there only.
        let seed = place.seed ?? exacts[place]?.seed
        return (test: test, machine: machine.inTime(seed.map { .virtual(seed: $0) } ?? .real))
      }
    }
    let screen = Screen(
      total: tests.count, report: TextReport(detail: .quiet, colour: Console.colour), live: Console.isTerminal
    )
    let execution = Execution(runner: runner, folder: new, screen: screen, interrupt: Interrupt())
    let (results, now) = try await execution.run(tests)
    try execution.throwIfInterrupted(now)

    var alike = true
    for name in before.kernelNames {
      var now = Comparison.Side(name: "now", now, kernel: name)
      now.missing.merge(lost[name] ?? [:]) { own, _ in own }
      let comparison = Comparison(.init(name: "then", before, kernel: name), now)
      guard !comparison.isEmpty else { continue }
      Console.print(
        "\(name): then Linux \(before.kernels[name]?.release ?? "?"), "
          + "now \(known[name].map { "Linux \($0.kernel.release)" } ?? "not run")")
      for line in comparison.lines { Console.print(line) }
      alike = alike && comparison.isAlike
    }
    if exact { alike = try isExact(results, exacts, old) && alike }
    Console.print("")
    Console.print("then: \(before.summary.text)")
    Console.print("now:  \(now.summary.text)")
    try await execution.throwIfNotSaved()
    if results.contains(where: { $0.judgement.verdict == .error }) { throw ExitCode(3) }
    if !alike || results.contains(where: { $0.judgement.verdict == .fail }) { throw ExitCode(1) }
  }

  /// Holds what was seen in virtual time against what was seen then, and says each first difference.
  private func isExact(
    _ results: [CaseResult], _ exacts: [PlannedRun.Place: CaseResult.Exact], _ old: RunFolder
  ) throws -> Bool {
    var same = 0
    for result in results {
      let place =
        exacts[result.place] == nil
        ? PlannedRun.Place(id: result.test.id, kernel: result.kernel) : result.place
      guard let then = exacts[place] else { continue }
      if result.exact?.digest == then.digest {
        same += 1
        continue
      }
      let words: String
      if result.exact?.origin != then.origin {
        words = "not comparable: kernel, worker, its tools or QEMU are others than then"
      } else if let now = result.observation,
        let before = try old.load(place).observation
      {
        words = try FirstDifference.between(before, now) ?? "what was said on the way"
      } else {
        words = "nothing was seen on one side"
      }
      Console.print("\(place.words) (\(result.kernel)): \(words)")
    }
    Console.print("\(same) of \(exacts.count) the same to the nanosecond")
    return same == exacts.count
  }
}
