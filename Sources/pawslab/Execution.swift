import ArgumentParser
import Foundation
import Lab
import MicroVM
import Report
import Scenario

/// Runs planned cases, shows them and keeps what they gave: what `run` and `replay` have in common.
struct Execution {
  let runner: Runner
  let folder: RunFolder?
  let screen: Screen
  let interrupt: Interrupt
  /// Marks what is required or known, before anything is kept or printed.
  var account: @Sendable (inout Report.Results) -> Void = { _ in }

  /// A line of `events.jsonl`.
  private struct Line: Encodable {
    var event: String
    var time = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    var kernel: String
    var `case`: String?
    var verdict: Verdict?
    var reason: String?
    var seconds: Double?
    var emulated: Bool?
  }

  /// The results in the order of the tests, as they are and as `results.json` has them.
  func run(_ tests: [(test: Case, machine: Machine)]) async -> ([CaseResult], Report.Results) {
    let kernels = Dictionary(tests.map { ($0.machine.name, $0.machine.kernel) }) { first, _ in first }
    let began = ContinuousClock.now
    let work = Task {
      await runner.run(tests) { event in
        await screen.show(event)
        do { try keep(event, kernels) } catch { await screen.complain("\(error)") }
      }
    }
    interrupt.onSignal { work.cancel() }
    let finished = await work.value
    await screen.end()
    let seconds = began.duration(to: .now) / .seconds(1)
    let order = Dictionary(
      tests.enumerated().map { ("\($1.machine.name) \($1.test.id)", $0) }
    ) { first, _ in first }
    func place(_ result: CaseResult) -> Int { order["\(result.kernel) \(result.test.id)"] ?? 0 }
    let results = finished.sorted { place($0) < place($1) }
    var saved = Report.Results(results, kernels: kernels, guests: await screen.guests, seconds: seconds)
    account(&saved)
    do {
      try folder?.save(saved)
      try folder?.saveReports(of: saved)
    } catch { await screen.complain("\(error)") }
    return (results, saved)
  }

  private func keep(_ event: Runner.Event, _ kernels: [String: Kernel]) throws {
    guard let folder else { return }
    switch event {
    case .started(let test, let kernel):
      try folder.append(event: Line(event: "started", kernel: kernel, case: test.id))
    case .finished(let result):
      let judgement = result.judgement
      try folder.append(
        event: Line(
          event: "finished", kernel: result.kernel, case: result.test.id, verdict: judgement.verdict,
          reason: judgement.reason, seconds: result.seconds, emulated: result.emulated))
      if let kernel = kernels[result.kernel] { try folder.save(result, on: kernel) }
    case .guestEnded(let cost, let console):
      try folder.append(
        event: Line(event: "guest ended", kernel: cost.kernel, seconds: cost.processorSeconds))
      try folder.save(console: console, of: cost.kernel)
    }
  }

  func throwIfInterrupted(judged: Int, of total: Int) throws {
    guard let signal = interrupt.received else { return }
    Console.error("pawslab: interrupted; \(total - judged) of \(total) cases were not judged")
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
