import ArgumentParser
import Evidence
import Foundation
import Judging
import Lab
import LabFile
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
      steps have the kernel call the functions that the rule's `because` names, the source of the mechanisms that it \
      expects, and the file's `why`. Exit status 1 where a `because` names no function that the kernel has, or one \
      that was not called, or where a case is not as expected.
      """)

  @OptionGroup var selection: Selection

  @Option(
    help: ArgumentHelp(
      "A stored kernel; may be given again: a rule is run on the first that has a case of it (default: debian-12).",
      valueName: "kernel"))
  var kernel: [String] = []

  @Option(help: Emulation.help)
  var emulate: Emulation?

  @Option(help: "Keep what was counted here, as JSON: of other files that it has, nothing changes.")
  var keep: String?

  func run() async throws {
    let cases = try selection.cases()
    let running = Running.fixed()
    try running.check(cases)
    let hypervisor = try running.hypervisor()
    let runner = try running.runner(hypervisor)
    let machines = Machines(runner: runner, hypervisor: hypervisor, say: Console.note)
    let before = try keep.flatMap(Self.kept)
    let rules = ReachedFunctions.Written.all(
      in: try Set(cases.compactMap(\.source?.file)).sorted().map { try LabFiles.load(path: $0) })
    var done: Set<[String]> = []
    var entries: [ReachedFunctions.Entry] = []
    var wrong = 0
    for name in kernel.isEmpty ? [Machines.fallback] : kernel {
      let machine = try await machines.chosen(name)
      let time = GuestTime.virtual(seed: 0)
      for test in cases {
        let able = machine.emulating(emulate, for: test).inTime(time)
        guard runner.consent.refusal(of: test, in: time) == nil, Plan(test, on: able).runs,
          let rule = test.rule(on: able.kernel), done.insert([test.scenario, rule.because]).inserted
        else { continue }
        let (observation, reading) = try await runner.countCalls(
          of: ReachedFunctions.asked(in: test, rule), in: test, on: able)
        let judgement = judge(test, on: able.kernel, seen: observation)
        let entry = ReachedFunctions.Entry(of: test, rule, on: machine.kernel.release, calls: reading.calls)
        entries.append(entry)
        if entry.misleads || judgement.verdict != .pass { wrong += 1 }
        show(entry, judgement)
      }
    }
    guard !entries.isEmpty else {
      throw Failure(
        stage: "bench functions", object: kernel.joined(separator: ", "), cause: "no case runs there")
    }
    let now = ReachedFunctions(entries: entries)
    for sentence in now.sentences(on: rules) { Console.print(sentence) }
    if let keep {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      let all = before.map { now.merged(into: $0, rules: rules) } ?? now
      try OutputFile.write(
        String(decoding: try encoder.encode(all), as: UTF8.self) + "\n", to: keep, option: "--keep")
    }
    if wrong > 0 { throw ExitCode(1) }
  }

  /// What was kept before; nil where there is no such file.
  private static func kept(at path: String) throws -> ReachedFunctions? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    do {
      return try JSONDecoder().decode(
        ReachedFunctions.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      throw Failure(
        stage: "--keep", object: path, cause: "is no JSON that bench functions has kept: \(error)",
        mend: "name another file, or remove it", isUsage: true)
    }
  }

  private func show(_ entry: ReachedFunctions.Entry, _ judgement: Judgement) {
    let calls = entry.named.map { "\($0) \(entry.calls[$0] ?? 0)" }.joined(separator: ", ")
    let word =
      judgement.verdict != .pass
      ? judgement.verdict.rawValue : entry.named.isEmpty ? "NONE" : entry.misleads ? "NEVER" : "same"
    Console.print("\(word.padding(toLength: 6, withPad: " ", startingAt: 0)) \(entry.id): \(entry.because)")
    Console.print("       " + (calls.isEmpty ? "names no function that can be counted" : calls))
  }
}
