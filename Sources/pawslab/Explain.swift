import ArgumentParser
import Judging
import Lab
import Model
import Report

struct Explain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What a case does, what is expected and why; after a run, what was seen, packet by packet.")

  @Argument(help: "The case's name, or a pattern that matches one.")
  var name: String

  @Option(name: .customLong("lab"), help: "Lab files, or folders of them (default: $PAWSLAB_LAB, else lab).")
  var paths: [String] = []

  @Option(help: "A folder that a run kept with --out.")
  var from: String?

  @Option(
    help: "The kernel: of the run that is shown, or to run it on (default: the first that has it, or can).")
  var kernel: String?

  @Option(
    help: "With --run: in virtual time, with random numbers from this seed; with --from: what came from it.")
  var seed: UInt64?

  @Flag(help: "Run the case now.")
  var run = false

  @Flag(help: "With --run: let the case run the programs that its lab file names (exec).")
  var allowExec = false

  @Flag(help: "With --run: run the case though more than 2 s really pass in it (wait).")
  var slow = false

  @Flag(help: "Draw every packet of every client.")
  var all = false

  func run() async throws {
    if let from, !run {
      let folder = try RunFolder(reading: from)
      let results = try folder.loadResults()
      if let unfinished = results.unfinished { Console.error("pawslab: \(from): \(unfinished)") }
      let entries = results.cases + (results.notJudged ?? [])
      let id = try pick(entries.map(\.id))
      let own = entries.filter { $0.id == id }
      let seen = own.filter { $0.observation != nil && (seed == nil || $0.seed == seed) }
      let kernels = seen.map(\.kernel)
      guard let name = kernel ?? kernels.first, kernels.contains(name) else {
        let others = own.filter { $0.observation == nil && $0.over == nil }
          .map { "; on \($0.kernel) it came to \($0.verdict.rawValue): \($0.reason)" }
        throw ValidationError(
          "\(id) was seen on \(kernels.isEmpty ? "no kernel" : Set(kernels).sorted().joined(separator: ", "))"
            + (seed.map { " from seed \($0)" } ?? "")
            + others.joined())
      }
      // Of several seeds the first that did not do as expected.
      let here = seen.filter { $0.kernel == name }
      guard let entry = here.first(where: \.standing.isBad) ?? here.first else { return }
      let result = try folder.load(entry.place)
      show(result.test)
      var judged = result
      if let observation = result.observation, let on = results.kernels[name] {
        judged.judgement = judge(result.test, on: on, seen: observation)
      }
      show(judged: judged, on: results.kernels[name])
      return
    }
    var selection = Selection()
    selection.paths = paths
    selection.settings = []
    selection.patterns = []
    let cases = try selection.cases()
    let own = cases.filter { $0.scenario == name }
    if own.count > 1, !run {
      for line in Overview(own).lines.flatMap({ Columns.fit($0) }) { Console.print(line) }
      Console.print("")
      Console.print(
        "\(ShellWord.quoted(name)) is a scenario; \(followUp(own[0].id, run: false)) explains one of its cases."
      )
      return
    }
    let id = try pick(cases.map(\.id))
    guard let test = cases.first(where: { $0.id == id }) else { return }
    show(test)
    guard run else {
      Console.print("")
      Console.print("\(followUp(id)) shows what this kernel does.")
      return
    }
    var running = Running.fixed()
    running.allowExec = allowExec
    running.slow = slow
    try running.check([test])
    let (_, runner, machines) = try running.lab()
    let tests: [(test: Case, machine: Machine)]
    if let kernel {
      let machine =
        if let there = try await machines.atPath(kernel) { there } else {
          try await machines.inResult(kernel)
        }
      tests = [(test, machine.inTime(time))]
    } else {
      tests = try await machines.assign([test], host: seed == nil ? try? await machines.host() : nil)
        .map { ($0.test, $0.machine.inTime(time)) }
    }
    if seed != nil, tests.contains(where: { $0.machine.time == .real && $0.machine.failure == nil }) {
      throw Failure(
        stage: "explain --seed", object: tests[0].machine.name, cause: "only a guest has a time of its own",
        mend: "--kernel \(Machines.fallback)", isUsage: true)
    }
    for result in await runner.run(tests, onEvent: { _ in }) {
      show(judged: result, on: tests.first?.machine.kernel)
      switch result.judgement.verdict {
      case .pass: break
      // A skip has judged nothing.
      case .fail, .skip: throw ExitCode(1)
      case .error: throw ExitCode(3)
      }
    }
  }

  private var time: GuestTime { seed.map { .virtual(seed: $0) } ?? .real }

  /// The command that does more, as a shell takes it.
  private func followUp(_ id: String, run: Bool = true) -> String {
    let lab = paths.map { " " + ShellWord.option("--lab", $0) }.joined()
    return
      "pawslab explain\(run ? " --run" : "")\(lab)\(id.hasPrefix("-") ? " --" : "") \(ShellWord.quoted(id))"
  }

  private func pick(_ ids: [String]) throws -> String { try Self.pick(name, among: ids) }

  /// The one case that a name or pattern means.
  static func pick(_ name: String, among ids: [String]) throws -> String {
    if ids.contains(name) { return name }
    let pattern = CasePattern(name)
    let cases = ids.map { id in (id: id, scenario: id.split(separator: "/").first.map(String.init) ?? id) }
    let matching = cases.filter { pattern.matches($0.id, of: $0.scenario) }.map(\.id)
    guard let only = matching.first, Set(matching).count == 1 else {
      throw ValidationError(
        matching.isEmpty
          ? "no case is called \(name); \(pattern.suggestion(among: cases))"
          : "\(matching.count) cases match \(name), among them \(matching.prefix(3).joined(separator: ", "))")
    }
    return only
  }

  private func show(_ test: Case) {
    for line in Explanation(test).lines.flatMap({ Columns.fit($0) }) { Console.print(line) }
  }

  private func show(judged result: CaseResult, on kernel: Kernel?) {
    let report = TextReport(detail: .verbose, colour: Console.colour)
    Console.print("")
    Console.print("seen")
    for line in report.lines(result, width: Columns.width - 2) { Console.print("  " + line) }
    guard let observation = result.observation else { return }
    let shown = all ? nil : Set(result.test.network.clients.prefix(3).map(\.name))
    let ladder = Ladder(
      observation, lanes: Lanes(result.test.network),
      clients: shown, limit: all ? .max : 60,
      remarks: kernel.map { remarks(on: result.judgement, of: result.test, on: $0, seen: observation) } ?? [:]
    )
    Console.print("")
    Console.print("packets")
    for line in ladder.lines(width: Columns.width - 2) { Console.print("  " + line) }
    let more = result.test.network.clients.count - (shown?.count ?? result.test.network.clients.count)
    if more > 0 { Console.print("  ... and \(more) more clients: --all") }
  }
}

extension Running {
  /// With default options, for commands that have none of these: parsed, so that each option has its default.
  ///
  /// - Parameter jobs: 1 for commands that run one case; nil as many as `run` would.
  static func fixed(jobs: Int? = 1) -> Running {
    do { return try Running.parse(jobs.map { ["--jobs", "\($0)"] } ?? []) } catch {
      preconditionFailure("an option of Running has no default: \(error)")
    }
  }
}
