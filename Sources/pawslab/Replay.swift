import ArgumentParser
import Foundation
import Lab
import Report
import Scenario

struct Replay: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run exactly the cases of a saved run again, and say where they differ now.",
    discussion: """
      The cases are those that were saved with the run, settings and expectations and all, whatever the lab files say \
      now; each on the kernel of the same name. Exit status as of run, and 1 where something differs.
      """)

  @Argument(help: "A folder that a run kept with --out.")
  var folder: String

  @OptionGroup var running: Running

  @Option(help: "Keep what this run gives in this folder.")
  var out: String?

  func run() async throws {
    let old = try RunFolder(reading: folder)
    let before = try old.loadResults()
    let entries = before.cases.filter { $0.observation != nil }
    guard !entries.isEmpty else {
      throw Failure(stage: "replay", object: folder, cause: "no case of that run was run")
    }
    let saved = try entries.map { try old.load($0.id, kernel: $0.kernel).test }
    let new = try out.map { try RunFolder(creating: $0) }
    let (_, runner, machines) = try running.lab(keepsPackets: false)
    var known: [String: Machine] = [:]
    for name in Set(entries.map(\.kernel)).sorted() { known[name] = try await machine(name, machines) }
    let tests = zip(saved, entries).compactMap { test, entry in
      known[entry.kernel].map { (test: test, machine: $0) }
    }
    let screen = Screen(
      total: tests.count, report: TextReport(detail: .quiet, colour: Console.colour), live: Console.isTerminal
    )
    let execution = Execution(runner: runner, folder: new, screen: screen, interrupt: Interrupt())
    let (results, now) = await execution.run(tests)
    try execution.throwIfInterrupted(judged: results.count, of: tests.count)

    var differ = false
    for name in before.kernelNames where known[name] != nil {
      func side(_ results: Report.Results, _ title: String) -> [Report.Results.Entry] {
        results.cases.filter { $0.kernel == name && $0.verdict != .skip }.map { entry in
          var entry = entry
          entry.kernel = title
          return entry
        }
      }
      let titles = ["then", "now"]
      let differences = Difference.all(
        side(before, titles[0]) + side(now, titles[1]), between: titles, skips: true)
      Console.print(
        "\(name): then Linux \(before.kernels[name]?.release ?? "?"), now \(now.kernels[name]?.release ?? "?")"
      )
      let lines = differences.isEmpty ? ["no difference"] : Difference.lines(differences)
      for line in lines { Console.print(line) }
      differ = differ || !differences.isEmpty
    }
    Console.print("")
    Console.print("then: \(before.summary.text)")
    Console.print("now:  \(now.summary.text)")
    try await execution.throwIfNotSaved()
    if results.contains(where: { $0.judgement.verdict == .error }) { throw ExitCode(3) }
    if differ || results.contains(where: { $0.judgement.verdict == .fail }) { throw ExitCode(1) }
  }

  private func machine(_ name: String, _ machines: Machines) async throws -> Machine {
    let suffix = "-emulated"
    guard name.hasSuffix(suffix) else { return try await machines.named(name) }
    let machine = try await machines.named(String(name.dropLast(suffix.count)))
    guard let emulated = machine.emulating("tcp_tw_recycle") else {
      throw Failure(
        stage: "replay", object: name, cause: "tcp_tw_recycle cannot be emulated there any more")
    }
    return emulated
  }
}
