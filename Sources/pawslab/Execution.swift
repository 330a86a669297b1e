import Evidence
import ArgumentParser
import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report

/// Runs planned cases, shows them and keeps what they gave: what `run` and `replay` have in common.
struct Execution {
  let runner: Runner
  let folder: RunFolder?
  /// What of the plan has come to something before: a continued run's.
  var earlier: (plan: PlannedRun, results: [CaseResult], guests: [GuestCost], seconds: Double)?
  /// Of which whole the run is a part; nil where it is one.
  var cut: ShardCut?
  /// After how many cases that failed or broke no other is begun; nil is never.
  var maxFail: Int?
  let screen: Screen
  let interrupt: Interrupt
  /// Marks what is required or known, before anything is kept or printed.
  var account: @Sendable (inout Report.Results) -> Void = { _ in }

  /// The results in the order of the plan, as they are and as `results.json` has them.
  ///
  /// - Throws: before anything runs, where the folder cannot take it.
  func run(_ tests: [(test: Case, machine: Machine)]) async throws -> ([CaseResult], Report.Results) {
    var plan =
      earlier?.plan
      ?? PlannedRun(
        tests.map { ($0.test, $0.machine.name, $0.machine.time.seed) },
        kernels: Dictionary(tests.map { ($0.machine.name, $0.machine.kernel) }) { first, _ in first })
    if earlier == nil {
      plan.command = ["pawslab"] + CommandLine.arguments.dropFirst()
      plan.program = Pawslab.configuration.version
      plan.cut = cut
      try folder?.begin(plan)
    } else {
      try folder?.goOn()
    }
    let began = ContinuousClock.now
    let stop = Stop(after: maxFail)
    let kept = Kept(folder, kernels: plan.kernels)
    let work = Task {
      await runner.run(tests) { event in
        await screen.show(event)
        for complaint in kept.keep(event) { await screen.complain(complaint) }
        if case .finished(let result) = event { stop.count(result.judgement.verdict) }
      }
    }
    interrupt.onSignal { work.cancel() }
    stop.onReached { work.cancel() }
    let finished = await work.value
    await screen.end()
    let seconds = (earlier?.seconds ?? 0) + began.duration(to: .now) / .seconds(1)
    let order = Dictionary(plan.cases.enumerated().map { ($1, $0) }) { first, _ in first }
    func place(_ result: CaseResult) -> Int { order[result.place] ?? 0 }
    let results = ((earlier?.results ?? []) + finished).sorted { place($0) < place($1) }
    var saved = Report.Results(
      results, kernels: plan.kernels, guests: (earlier?.guests ?? []) + (await screen.guests),
      seconds: seconds)
    kept.mark(&saved)
    saved.leaveOut(plan, stop.isReached ? .maxFail(maxFail ?? 0) : .ended)
    account(&saved)
    do { try folder?.save(saved) } catch { await screen.complain("\(error)") }
    do { try folder?.saveReports(of: saved) } catch { await screen.complain("\(error)") }
    return (results, saved)
  }

  func throwIfInterrupted(_ results: Report.Results) throws {
    guard let signal = interrupt.received else { return }
    let missing = results.notJudged?.count ?? 0
    Console.error(
      "pawslab: interrupted; \(missing) of \(results.cases.count + missing) cases were not judged"
        + (folder.map { "; pawslab run --continue --out \($0.path) runs them" } ?? ""))
    throw ExitCode(128 + signal)
  }

  /// What was judged has been printed; that it was not kept is an error of its own.
  func throwIfNotSaved() async throws {
    let count = await screen.complaints
    guard count > 0 else { return }
    Console.error("pawslab: \(count) times something could not be kept in --out; the first cause is above")
    throw ExitCode(3)
  }
}
