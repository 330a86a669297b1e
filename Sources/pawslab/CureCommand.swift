import ArgumentParser
import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report

struct CureCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cure",
    abstract: "Find the smallest change that ends a case's loss, by running each.",
    discussion: """
      Takes a case, or the lab file that diagnose --enact has written of an outage. Runs it with every single change of a setting on the servers, on what stands between, and on the clients, of \
      how a NAT chooses ports, of rules and of the layout that its lab file has; then with pairs of those that did \
      something and end nothing alone. What ends the loss is run again to be sure, and once more as it is on machines that \
      run already. Exit status 0 where something ends it or nobody is hurt, 1 where nothing does.
      """)

  @OptionGroup var selection: Selection

  @Option(help: "The kernel to run on (default: the first that can).")
  var kernel: String?

  @Option(help: Emulation.help)
  var emulate: Emulation?

  @Option(
    name: .customLong("change"),
    help: "Only changes whose name matches this pattern (* and ?), such as 'server tcp_*'.")
  var patterns: [String] = []

  @Flag(help: "Run what ends it on every other case of the lab too, and list those that are hurt then.")
  var elsewhere = false

  @Option(help: "How often what ends it is run again to be sure.")
  var times = 3

  @Option(help: "Pairs that are run at the most.")
  var pairs = 200

  @Option(help: "text or json.")
  var format = CureFormat.text

  @OptionGroup var running: Running

  enum CureFormat: String, CaseIterable, ExpressibleByArgument { case text, json }

  func validate() throws {
    guard (1...100).contains(times) else { throw ValidationError("--times takes 1 to 100, not \(times)") }
    guard (0...10_000).contains(pairs) else {
      throw ValidationError("--pairs takes 0 to 10000, not \(pairs)")
    }
  }

  func run() async throws {
    let cases = try selection.cases()
    guard let test = cases.first, cases.count == 1 else {
      throw ValidationError(
        "cure takes one case, and \(cases.count) match: name one of \(cases[0].id), \(cases[1].id) ...")
    }
    try running.check(cases)
    // The cases of its own file: other layouts of it.
    let siblings = try test.source.map { try Selection.parse([$0.file]).cases() } ?? cases
    let (_, runner, machines) = try running.lab(keepsPackets: false)
    var trying = Trying(
      test: test, siblings: siblings, machine: try await machine(for: test, machines, runner), runner: runner,
      times: times)
    var table = try await trying.asItIs()
    if !table.hurt.isEmpty {
      try await trying.singles(&table, like: patterns)
      await trying.pairs(&table, atMost: pairs)
      await trying.confirm(&table)
      if elsewhere { await trying.elsewhere(&table, among: try Selection.parse([]).cases()) }
    }
    switch format {
    case .text: for line in table.lines { Console.print(line) }
    case .json: Console.write(try jsonDocument(table), to: .standardOutput)
    }
    guard table.hurt.isEmpty || !table.cures.isEmpty else { throw ExitCode(1) }
  }

  private func machine(for test: Case, _ machines: Machines, _ runner: Runner) async throws -> Machine {
    let own: GuestTime? = Hypervisor.canBoot ? .virtual(seed: 0) : nil
    guard let kernel else {
      let host = try? await machines.host()
      return try await machines.assign([test], host: host, emulate: emulate, own: own)[0].machine
    }
    let machine = try await machines.chosen(kernel)
    if let failure = machine.failure { throw failure }
    return machine.emulating(emulate, for: test).inTime(runner.consent.time(of: test, own: own))
  }
}

/// Runs a case with changes, on one machine.
private struct Trying {
  let test: Case
  /// The cases of its lab file.
  let siblings: [Case]
  let machine: Machine
  let runner: Runner
  let times: Int
  /// What the case comes to as it is.
  private var before: End?

  init(test: Case, siblings: [Case], machine: Machine, runner: Runner, times: Int) {
    (self.test, self.siblings, self.machine, self.runner) = (test, siblings, machine, runner)
    self.times = times
  }

  /// What a run came to.
  private struct End {
    var harm: [String: Cure.Harm]
    var words: [String: String]
    /// The step of the first attempt that met harm.
    var step: Int?

    init(_ judgement: Judgement) {
      harm = Cure.harm(in: judgement.attempts)
      let hurt = judgement.attempts.filter { Cure.Harm($0.outcome) > .none }
      step = hurt.map(\.attempt.step).min()
      var words: [String: String] = [:]
      for (label, attempts) in Dictionary(grouping: hurt, by: \.attempt.label) {
        let worst = attempts.max { Cure.Harm($0.outcome) < Cure.Harm($1.outcome) }
        let all = judgement.attempts.count { $0.attempt.label == label }
        words[label] =
          (worst?.word ?? "hurt") + (attempts.count < all ? " (\(attempts.count) of \(all))" : "")
      }
      // Where one expectation would have fitted, it names the mechanism.
      if let fits = judgement.fits, fits.count == 1 {
        for part in fits[0].components(separatedBy: ", ") {
          let pair = part.components(separatedBy: ": ")
          if pair.count == 2, words[pair[0]] != nil { words[pair[0]] = pair[1] }
        }
      }
      self.words = words
    }
  }

  /// Runs cases that ask nothing; nil for one of which nothing can be said, with the reason.
  private func ends(of tests: [Case], from seed: UInt64? = nil) async -> [String: Result<End, Failure>] {
    var machine = machine
    if let seed, machine.time != .real { machine = machine.inTime(.virtual(seed: seed)) }
    let results = await runner.run(tests.map { ($0, machine) }, onEvent: { _ in })
    var ends: [String: Result<End, Failure>] = [:]
    for result in results {
      switch result.judgement.verdict {
      case .pass, .fail: ends[result.test.id] = .success(End(result.judgement))
      case .skip, .error:
        ends[result.test.id] = .failure(
          Failure(stage: "cure", object: result.test.id, cause: result.judgement.reason))
      }
    }
    return ends
  }

  mutating func asItIs() async throws -> CureTable {
    let plain = Cure.unchanged(test)
    guard let end = await ends(of: [plain])[plain.id] else { throw CancellationError() }
    let before = try end.get()
    self.before = before
    // Its own expectation knows the mechanism, where that holds.
    var table = CureTable(name: test.id, kernel: machine.name, hurt: before.words)
    for (label, expected) in test.rule(on: machine.kernel)?.outcomes ?? [:] {
      guard let word = table.hurt[label], word == expected.outcome.rawValue else { continue }
      table.hurt[label] = "\(expected)"
    }
    return table
  }

  func singles(_ table: inout CureTable, like patterns: [String]) async throws {
    let all = Cure.changes(for: test, among: siblings)
    let changes = all.filter { change in
      patterns.isEmpty || patterns.contains { CasePattern($0).matches(change.text, of: change.text) }
    }
    guard !changes.isEmpty else {
      let names = Set(all.map(\.text))
      throw ValidationError(
        "no change of this case is called \(patterns.joined(separator: ", "))"
          + (Nearest.to(patterns.first ?? "", among: names).map { "; did you mean \($0)?" } ?? ""))
    }
    await Console.note("\(changes.count) single changes, each run on \(machine.name)")
    await run(changes.map { Cure([$0]) }, &table)
  }

  private func run(_ cures: [Cure], _ table: inout CureTable) async {
    guard let before else { return }
    let tests = cures.map { ($0, $0.applied(to: test, among: siblings)) }
    let ends = await ends(of: tests.map(\.1))
    for (cure, test) in tests {
      switch ends[test.id] {
      case .success(let end):
        table.trials.append(
          .init(cure, Cure.effect(of: end.harm, instead: before.harm), hurt: end.words))
      case .failure(let failure):
        if cure.changes.count == 1 {
          table.skipped.append(.init(change: cure.changes[0], why: failure.cause))
        }
      case nil: break
      }
    }
  }

  /// Of what changed something and ends nothing alone.
  func pairs(_ table: inout CureTable, atMost most: Int) async {
    let moving = table.trials.filter { $0.effect != .ends && isOther($0, table) }
      .map { $0.cure.changes[0] }
    var pairs: [Cure] = []
    for (index, first) in moving.enumerated() {
      for second in moving[(index + 1)...] where !first.isSame(as: second) {
        pairs.append(Cure([first, second]))
      }
    }
    table.pairs.all = pairs.count
    let tried = Array(pairs.prefix(most))
    table.pairs.tried = tried.count
    guard !tried.isEmpty else { return }
    await Console.note("\(tried.count) pairs of what did something")
    await run(tried, &table)
  }

  /// Whether somebody met something else than without it, mechanisms apart.
  private func isOther(_ trial: CureTable.Trial, _ table: CureTable) -> Bool {
    func plain(_ hurt: [String: String]) -> [String: String] {
      hurt.mapValues { $0.components(separatedBy: " by ")[0] }
    }
    return trial.effect != .nothing || plain(trial.hurt) != plain(table.hurt)
  }

  func confirm(_ table: inout CureTable) async {
    let candidates = table.trials.indices.filter { table.trials[$0].effect == .ends }
    guard !candidates.isEmpty else { return }
    await Console.note("\(candidates.count) that end it, \(times) times again, and on machines that run")
    for index in candidates { table.trials[index].confirmed = .init(ended: 0, times: 0) }
    for time in 1...times {
      let tests = candidates.map { ($0, table.trials[$0].cure.applied(to: test, among: siblings)) }
      let ends = await ends(of: tests.map(\.1), from: UInt64(time))
      for (index, test) in tests {
        guard case .success(let end)? = ends[test.id] else { continue }
        table.trials[index].confirmed?.times += 1
        if end.words.isEmpty { table.trials[index].confirmed?.ended += 1 }
      }
    }
    guard let before, let step = before.step else { return }
    let tests = candidates.compactMap { index in
      table.trials[index].cure.applied(to: test, before: step).map { (index, $0) }
    }
    let ends = await ends(of: tests.map(\.1))
    for (index, test) in tests {
      guard case .success(let end)? = ends[test.id] else { continue }
      table.trials[index].atOnce = Cure.effect(of: end.harm, instead: before.harm)
    }
  }

  /// Cases of the whole lab in which nobody is hurt without a change, and somebody with it.
  func elsewhere(_ table: inout CureTable, among library: [Case]) async {
    let cures = table.trials.indices.filter { table.trials[$0].isCure }
    let possible = library.filter { runner.consent.refusal(of: $0, in: machine.time) == nil }
    await Console.note(
      "\(possible.count) cases of the lab as they are, then with each of \(cures.count) cures")
    let plain = await ends(of: possible.map(Cure.unchanged))
    let well = possible.filter { test in
      if case .success(let end)? = plain[Cure.unchanged(test).id] { end.words.isEmpty } else { false }
    }
    table.elsewhere = well.count
    for index in cures {
      let cure = table.trials[index].cure
      let tests = well.filter(cure.concerns).map { ($0.id, cure.applied(to: $0)) }
      let ends = await ends(of: tests.map(\.1))
      table.trials[index].elsewhere = tests.compactMap { name, test in
        guard case .success(let end)? = ends[test.id], !end.words.isEmpty else { return nil }
        return .init(name: name, hurt: end.words)
      }
    }
  }
}

extension Cure.Change {
  /// Whether both write one thing.
  fileprivate func isSame(as other: Cure.Change) -> Bool {
    switch (self, other) {
    case (.setting(let role, let name, _), .setting(let otherRole, let otherName, _)):
      role == otherRole && name == otherName
    case (.random, .random), (.layout, .layout): true
    default: false
    }
  }
}
