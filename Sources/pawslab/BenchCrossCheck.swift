import ArgumentParser
import Evidence
import Judging
import Lab
import MicroVM
import Model
import Report

/// Whether others see what the lab sees.
struct BenchCrossCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crosscheck",
    abstract: "Judge a case a second time from what tcpdump captured and nstat counted beside it.",
    discussion: """
      Takes one case of each topology that a lab file has, and runs it twice: as run does, and beside those \
      programs. Exit status 1 unless all three judgements are alike and as expected, and where every case was skipped.
      """)

  @OptionGroup var selection: Selection

  @Option(help: "The kernel to run on (default: the first that can).")
  var kernel: String?

  @Option(help: Emulation.help)
  var emulate: Emulation?

  @Flag(help: "Let cases run the programs that their lab files name (exec).")
  var allowExec = false

  @Flag(help: "Run cases too in which more than 2 s really pass (wait).")
  var slow = false

  func run() async throws {
    var cases: [Case] = []
    for test in try selection.cases()
    where !cases.contains(where: {
      // Networks that lab files spell out have no name of their own, and nothing else in common.
      $0.scenario == test.scenario && $0.network.topology == test.network.topology
    }) {
      cases.append(test)
    }
    var running = Running.fixed()
    running.allowExec = allowExec
    running.slow = slow
    try running.check(cases)
    let hypervisor = try running.hypervisor(tools: ["tcpdump", "nstat"])
    let runner = try running.runner(hypervisor)
    let machines = Machines(runner: runner, hypervisor: hypervisor, say: Console.note)
    // Where time passes in a case it passes in a guest of its own, as where cases are run.
    let own: GuestTime? = Hypervisor.canBoot ? .virtual(seed: 0) : nil
    let tests: [(test: Case, machine: Machine)]
    if let kernel {
      let machine = try await machines.chosen(kernel)
      tests = cases.map { test in
        let time = runner.consent.time(of: test, own: own)
        return (test, machine.emulating(emulate, for: test).inTime(time))
      }
    } else {
      tests = try await machines.assign(
        cases, host: try? await machines.host(), emulate: emulate, own: own)
    }
    var (checked, wrong) = (0, 0)
    for (test, machine) in tests {
      if let reason = runner.consent.refusal(of: test, in: machine.time) {
        Console.print("skip   \(test.id): \(reason)")
        continue
      }
      if case .skip(let reason) = Plan(test, on: machine) {
        Console.print("skip   \(test.id): \(reason)")
        continue
      }
      checked += 1
      if try await !check(test, on: machine, by: runner) { wrong += 1 }
    }
    if checked == 0 { Console.error("pawslab: every case was skipped: nothing was checked") }
    if wrong > 0 || checked == 0 { throw ExitCode(1) }
  }

  /// Whether the run and both readings agree, and the case is as expected.
  private func check(_ test: Case, on machine: Machine, by runner: Runner) async throws -> Bool {
    guard let plain = await runner.run([(test, machine)], onEvent: { _ in }).first?.judgement else {
      throw Failure(stage: "crosscheck", object: test.id, cause: "the run has no result")
    }
    let (own, second) = try await runner.crossCheck(test, on: machine)
    let first = judge(test, on: machine.kernel, seen: own)
    let other = second.replacing(in: own)
    let again = judge(test, on: machine.kernel, seen: other)
    let segments = { (observation: Observation) in observation.packets.count { Segment($0) != nil } }
    let witnesses = zip(first.witnesses, again.witnesses).count { $0 == $1 }
    let same =
      plain.verdict == first.verdict && first.verdict == again.verdict
      && first.attempts.map(\.outcome) == again.attempts.map(\.outcome)
      && witnesses == max(first.witnesses.count, again.witnesses.count) && segments(own) == segments(other)
    Console.print("\(same ? "same  " : "DIFFER") \(test.id)  \(machine.name)")
    Console.print(
      "       run: \(plain.verdict.rawValue); the lab: \(first.verdict.rawValue), \(segments(own)) segments; "
        + "tcpdump and nstat: \(again.verdict.rawValue), \(segments(other)) segments; "
        + "\(witnesses) of \(first.witnesses.count) witnesses alike")
    if !same { Console.print("       \(plain.reason) | \(first.reason) | \(again.reason)") }
    return same && first.verdict == .pass
  }
}
