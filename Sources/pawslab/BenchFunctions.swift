import ArgumentParser
import Evidence
import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report

/// Whether the kernel goes the ways that lab files say.
struct BenchFunctions: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "functions",
    abstract: "Count which kernel functions a case reaches, and hold what lab files say against that.",
    discussion: """
      Takes one case of each rule that a lab file has, runs it in a guest of its own, and counts by kprobes how often its \
      steps have the kernel call the functions that the rule's `because` names, else the source of the mechanisms that \
      it expects, else the file's `why`. Exit status 1 where none of the first two's was called, or a case is not as \
      expected.
      """)

  @OptionGroup var selection: Selection

  @Option(help: "The stored kernel to run on.")
  var kernel = "debian-12"

  @Option(help: Emulation.help)
  var emulate: Emulation?

  @Option(help: "Keep what was counted here, as JSON.")
  var keep: String?

  func run() async throws {
    let cases = try selection.cases()
    let running = Running.fixed()
    try running.check(cases)
    let hypervisor = try running.hypervisor()
    let runner = try running.runner(hypervisor)
    let machines = Machines(runner: runner, hypervisor: hypervisor, say: Console.note)
    let machine = try await machines.chosen(kernel)
    let time = GuestTime.virtual(seed: 0)
    var rules: Set<[String]> = []
    var entries: [ReachedFunctions.Entry] = []
    var wrong = 0
    for test in cases {
      let able = machine.emulating(emulate, for: test).inTime(time)
      guard runner.consent.refusal(of: test, in: time) == nil, Plan(test, on: able).runs,
        let rule = test.rule(on: able.kernel), rules.insert([test.scenario, rule.because]).inserted
      else { continue }
      let (observation, reading) = try await runner.countCalls(
        of: ReachedFunctions.asked(in: test, rule), in: test, on: able)
      let judgement = judge(test, on: able.kernel, seen: observation)
      let entry = ReachedFunctions.Entry(of: test, rule, calls: reading.calls)
      entries.append(entry)
      if entry.misleads || judgement.verdict != .pass { wrong += 1 }
      show(entry, judgement)
    }
    guard !entries.isEmpty else {
      throw Failure(stage: "bench functions", object: kernel, cause: "no case runs there")
    }
    let kept = ReachedFunctions(kernel: machine.kernel.release, entries: entries)
    Console.print("\(entries.count) rules on \(kept.kernel)")
    for sentence in kept.sentences { Console.print("  \(sentence)") }
    if let keep {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      try OutputFile.write(
        String(decoding: try encoder.encode(kept), as: UTF8.self) + "\n", to: keep, option: "--keep")
    }
    if wrong > 0 { throw ExitCode(1) }
  }

  private func show(_ entry: ReachedFunctions.Entry, _ judgement: Judgement) {
    let calls = entry.named.map { "\($0) \(entry.calls[$0] ?? 0)" }.joined(separator: ", ")
    let word = judgement.verdict != .pass ? judgement.verdict.rawValue : entry.misleads ? "NEVER" : "same"
    Console.print("\(word.padding(toLength: 6, withPad: " ", startingAt: 0)) \(entry.id): \(entry.because)")
    Console.print("       " + (calls.isEmpty ? "names no function that can be counted" : calls))
  }
}
