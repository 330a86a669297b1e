import ArgumentParser
import Lab
import Report
import Scenario

/// Whether others see what the lab sees.
struct BenchCrossCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crosscheck",
    abstract: "Judge a case a second time from what tcpdump captured and nstat counted beside it.",
    discussion: """
      Takes one case of each topology that the selection has. Exit status 1 if the two judgements differ.
      """)

  @OptionGroup var selection: Selection

  @Option(help: "The kernel to run on (default: the first that can).")
  var kernel: String?

  func run() async throws {
    var cases: [Case] = []
    for test in try selection.cases()
    where !cases.contains(where: { $0.network.topology == test.network.topology }) {
      cases.append(test)
    }
    let running = Running.fixed()
    let hypervisor = try running.hypervisor(tools: ["tcpdump", "nstat"])
    let runner = try running.runner(hypervisor)
    let machines = Machines(runner: runner, hypervisor: hypervisor, say: Console.note)
    let tests: [(test: Case, machine: Machine)]
    if let kernel {
      let machine = try await machines.named(kernel)
      tests = cases.map { ($0, machine) }
    } else {
      tests = try await machines.assign(cases, host: try? await machines.host())
    }
    var differ = false
    for (test, machine) in tests {
      if case .skip(let reason) = Plan(test, on: machine) {
        Console.print("skip   \(test.id): \(reason)")
        continue
      }
      let (own, second) = try await runner.crossCheck(test, on: machine)
      let first = judge(test, on: machine.kernel, seen: own)
      let other = second.replacing(in: own)
      let again = judge(test, on: machine.kernel, seen: other)
      let segments = { (observation: Observation) in observation.packets.count { Segment($0) != nil } }
      let witnesses = zip(first.witnesses, again.witnesses).count { $0 == $1 }
      let same =
        first.verdict == again.verdict && first.attempts.map(\.outcome) == again.attempts.map(\.outcome)
        && witnesses == max(first.witnesses.count, again.witnesses.count) && segments(own) == segments(other)
      differ = differ || !same
      Console.print("\(same ? "same  " : "DIFFER") \(test.id)  \(machine.name)")
      Console.print(
        "       the lab: \(first.verdict.rawValue), \(segments(own)) segments; "
          + "tcpdump and nstat: \(again.verdict.rawValue), \(segments(other)) segments; "
          + "\(witnesses) of \(first.witnesses.count) witnesses alike")
      if !same { Console.print("       \(first.reason) | \(again.reason)") }
    }
    if differ { throw ExitCode(1) }
  }
}
