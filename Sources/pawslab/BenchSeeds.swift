import ArgumentParser
import Evidence
import Judging
import Lab
import MicroVM
import Model
import Report

/// How often chance does what.
struct BenchSeeds: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "seeds",
    abstract: "Run cases from many seeds in virtual time, and say how often what happens.",
    discussion: """
      What is a coin's toss elsewhere (clocks and sequence numbers that are natural, --random-fully) follows from the \
      seed: each outcome is named with its share, the 95 % interval of that, and the first seed that shows it again. \
      Exit status 1 if a case fails from any seed.
      """)

  @OptionGroup var selection: Selection

  @Option(help: "The first and the last seed: A-B.")
  var seeds = "1-20"

  @Option(help: "The kernel to run on.")
  var kernel = Machines.fallback

  @Flag(help: "Let cases run the programs that their lab files name (exec).")
  var allowExec = false

  /// At most as many runs as a lab file may have cases.
  private func range() throws -> ClosedRange<UInt64> {
    let parts = seeds.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
    guard parts.count == 2, let first = parts[0], let last = parts[1], first <= last, last - first < 100_000
    else {
      throw ValidationError("--seeds takes A-B, numbers from 0 on, 100000 of them at most; not \(seeds)")
    }
    return first...last
  }

  func validate() throws { _ = try range() }

  func run() async throws {
    let cases = try selection.cases()
    let range = try range()
    guard cases.count <= 100_000 / range.count else {
      throw ValidationError("\(cases.count) cases from \(range.count) seeds are more than 100000 runs")
    }
    var running = Running.fixed()
    running.allowExec = allowExec
    try running.check(cases)
    let (_, runner, machines) = try running.lab(keepsPackets: false)
    let machine = try await machines.named(kernel)
    guard machine.stored != nil else {
      throw Failure(
        stage: "bench seeds", object: kernel, cause: "only a guest has a time of its own",
        mend: "--kernel \(Machines.fallback)", isUsage: true)
    }
    var failed = false
    for test in cases {
      let results = await runner.run(
        range.map { (test, machine.inTime(.virtual(seed: $0))) }, onEvent: { _ in })
      Console.print(test.id)
      let table = SeedTable(results)
      for line in table.lines { Console.print("  \(line)") }
      for row in table.rows where !row.passes {
        Console.print(
          "  again: pawslab run '\(test.id)' --kernel \(kernel) --time virtual --seed \(row.seed)")
      }
      if let other = results.first(where: {
        $0.exact == nil || [.skip, .error].contains($0.judgement.verdict)
      }) {
        Console.print("  \(results.count - table.count) not judged: \(other.judgement.reason)")
        failed = failed || other.judgement.verdict == .error
      }
      failed = failed || table.rows.contains { !$0.passes }
    }
    if failed { throw ExitCode(1) }
  }
}
