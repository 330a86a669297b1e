import Evidence
import ArgumentParser
import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Run cases and judge them (the default).")

  @OptionGroup var selection: Selection
  @OptionGroup var running: Running

  @Option(
    name: .customLong("kernel"),
    help:
      "Run everything on each of these: host, running, debian-12, ... (pawslab kernels list), or a kernel where it lies: the path of a tree that was built, or of a bzImage."
  )
  var kernels: [String] = []

  @Option(help: Emulation.help)
  var emulate: Emulation?

  @OptionGroup var seeding: Seeding

  @Flag(help: "Boot no guest: what the host's kernel lacks is skipped.")
  var hostOnly = false

  @Option(
    help:
      "Keep results.json and everything that was seen in this folder; a run that is there is moved to its previous."
  )
  var out: String?

  @Option(
    help:
      "A case that matches (by name or scenario) and is not judged counts as a failure; !PATTERN takes some out again."
  )
  var require: [String] = []

  @OptionGroup var resuming: Resuming
  @OptionGroup var sharding: Sharding

  @Option(
    help:
      "A file of failures that do not count: CASE [on KERNEL] until YYYY-MM-DD because REASON, one a line."
  )
  var knownFailures: String?

  @Option(
    name: .customLong("exit"),
    help: ArgumentHelp(
      "Whose exit statuses are used: pawslab (0, 1, 2, 3), kselftest (0, 1, 2 all known, 4 all skipped), autopkgtest (0, 1, 77 all skipped), ltp (bits: 1 fail, 2 broken, 32 all skipped), git-bisect (0, 1, 125 broken or all skipped)."
    ))
  var exitStyle: ExitStyle = .pawslab

  @Flag(help: "List the cases and run nothing.")
  var list = false

  @Flag(help: "Say only what failed, and the last line.")
  var quiet = false

  @Flag(help: "Show every witness.")
  var verbose = false

  /// `--kernel a,b --kernel c`
  private var kernelNames: [String] { kernels.flatMap { $0.split(separator: ",").map(String.init) } }

  @Option(
    help:
      "What is printed: text, html, junit, ktap, markdown, github, kcidb, tmt, lava, ltp or json; --out keeps most of them anyway."
  )
  var format: Format = .text

  func validate() throws {
    if list, format != .text, format != .json {
      throw ValidationError("--list is printed as text or json, not as \(format.rawValue)")
    }
    if format != .text, out == nil, !list {
      throw ValidationError("--format \(format.rawValue) is made of what --out keeps: name a folder")
    }
    try resuming.check(
      out: out,
      selects: !selection.paths.isEmpty || !selection.settings.isEmpty || !selection.patterns.isEmpty
        || !kernels.isEmpty || emulate != nil || hostOnly || seeding.isVirtual || seeding.time != nil
        || sharding.shard != nil)
    try sharding.check(out: out, lastFailed: resuming.lastFailed)
    if hostOnly, seeding.isVirtual {
      throw ValidationError("--host-only boots no guest, and only a guest has a time of its own")
    }
    if kernelNames.contains("host"), seeding.isVirtual {
      throw ValidationError("--kernel host is no guest, and only a guest has a time of its own")
    }
    if hostOnly, !kernels.isEmpty { throw ValidationError("--host-only and --kernel exclude each other") }
    if Set(kernelNames).count != kernelNames.count { throw ValidationError("--kernel names one twice") }
  }

  func run() async throws {
    let failed = try resuming.failedBefore()
    if failed?.isEmpty == true { return }
    let cases = resuming.continues ? [] : try resuming.only(failed, of: try selection.cases())
    let part = try failed == nil ? sharding.part() : nil
    var cut: ShardCut?
    if let part, !resuming.continues {
      cut = try sharding.cut(
        cases, kernels: hostOnly ? ["host"] : kernelNames, seeding: seeding, into: part)
    }
    let chosen = Chosen(cases, kernels: hostOnly ? ["host"] : kernelNames, in: cut)
    if list {
      return try chosen.list(as: format == .json ? .json : .text, isNamed: hostOnly || !kernels.isEmpty)
    }
    try running.check(cases)
    try seeding.check(cases.count * max(1, kernelNames.count))
    var required = try Required(require, among: cases)
    var known = try knownFailures.map(KnownFailures.init(file:)) ?? KnownFailures()
    if cut != nil {
      (required.elsewhere, known.isOfShard) = (chosen.elsewhere, true)
      cut?.required = require.isEmpty ? nil : require
      cut?.worker = try await Sharding.digest(of: try Running.worker())
    }
    // Before --out is begun, which may be the same folder.
    let before = try resuming.before()
    let folder = try out.map {
      resuming.continues ? try RunFolder(continuing: $0) : try RunFolder(creating: $0)
    }
    let earlier = try folder.flatMap { try resuming.earlier(in: $0) }
    // On a terminal what stays begins with the answer: what is said on the way to it passes.
    let isWatched = Console.isTerminal && !quiet && format == .text
    if isWatched { Console.letNotesPass() }
    defer { Console.tellNotes() }
    try sharding.check(part, continues: earlier?.plan)
    let (_, runner, machines) = try running.lab(keepsPackets: false)
    let interrupt = Interrupt()
    let planning = Task {
      if let earlier {
        let missing = try await machines.missing(in: earlier)
        try await Machines.check(missing, stillHaveTheirTime: runner)
        return missing
      }
      let tests =
        if let failed, kernelNames.isEmpty, !hostOnly {
          try await machines.again(failed, cases, seeding)
        } else {
          try await plan(chosen, machines, runner.consent)
        }
      // What is planned is what will be: from which seed, or in whose time.
      return try seeding.spread(await runner.inPossibleTime(tests), runner.consent, of: chosen)
    }
    let tests = try await interrupt.value(of: planning)
    try running.check(tests.map(\.test))
    let screen = Screen(
      total: tests.count,
      report: TextReport(detail: quiet ? .quiet : verbose ? .verbose : .normal, colour: Console.colour),
      live: isWatched, holds: isWatched, silent: format != .text)
    var execution = Execution(
      runner: runner, folder: folder, earlier: earlier, maxFail: resuming.maxFail, screen: screen,
      interrupt: interrupt)
    execution.cut = cut
    execution.account = { [required, known] in
      $0.account(required: required, known: known, baseline: before, on: .today)
    }
    let (results, saved) = try await execution.run(tests)
    if format == .text {
      let held = await screen.held
      if isWatched {
        for line in screen.report.answer(results, kernels: saved.kernels) { Console.print(line) }
        for line in held { Console.print(line) }
        if !held.isEmpty { Console.print("") }
      }
      for line in screen.report.overSeeds(saved) { Console.print(line) }
      for line in screen.report.summary(
        results, seconds: saved.summary.seconds, kernels: saved.kernels,
        compared: kernels.isEmpty ? [] : compared(tests.map(\.machine.name), saved.kernels),
        guests: saved.guests, counted: saved.summary, isAnswered: isWatched)
      { Console.print(line) }
    } else if let folder {
      Console.write(try folder.text(of: saved, as: format), to: .standardOutput)
    }
    GitHub.tell(saved, annotates: format != .github)
    try execution.throwIfInterrupted(saved)
    if let unfinished = saved.unfinished { Console.error("pawslab: \(unfinished)") }
    tellStanding(of: saved)
    try await execution.throwIfNotSaved()
    // There may be more shards than there is work.
    if let part, tests.isEmpty, earlier == nil { return Console.error("pawslab: shard \(part) has no case") }
    let status = exitStyle.status(of: saved.withNotJudged)
    if status != 0 { throw ExitCode(status) }
  }

  /// What verdicts alone do not say, on standard error.
  private func tellStanding(of results: Report.Results) {
    for entry in results.cases {
      if let unmet = entry.unmet { Console.error("\(unmet): \(entry.id): \(entry.reason)") }
    }
    for entry in results.cases where entry.standing == .known {
      Console.error("\(entry.id): \(entry.known?.text ?? "")")
    }
    for remark in results.remarks ?? [] { Console.error("pawslab: \(remark)") }
    if results.nothingWasJudged, !results.cases.isEmpty {
      Console.error("pawslab: nothing was judged: all \(results.cases.count) cases were skipped")
    }
  }

  /// The columns of the comparison: the kernels in the order in which they were named, each before its emulation.
  private func compared(_ names: [String], _ kernels: [String: Kernel]) -> [String] {
    var known: Set<KernelName> = []
    return names.compactMap { try? ResultName($0).kernel }.filter { known.insert($0).inserted }
      .flatMap { name in [name.text] + Emulation.all.map { ResultName(name, $0).description } }
      .filter { kernels[$0] != nil }
  }

  /// Every case on every named kernel; else each on the first that can.
  private func plan(
    _ chosen: Chosen, _ machines: Machines, _ consent: Consent
  ) async throws -> [(test: Case, machine: Machine)] {
    let cases = chosen.tests.map(\.test)
    guard !cases.isEmpty else { return [] }
    if hostOnly {
      let host = try await machines.host()
      return cases.map { ($0, host.emulating(emulate, for: $0)) }
    }
    if kernelNames.isEmpty, seeding.isVirtual {
      return try await machines.assign(cases, host: nil, emulate: emulate)
        .map { ($0.test, $0.machine.inTime(seeding.virtual)) }
    }
    if kernelNames.isEmpty {
      // Without the right to make namespaces here, or to write settings in them, guests are what is left.
      let host: Machine?
      do { host = try await machines.host() } catch let failure as Failure {
        host = nil
        await Console.note("no case can run on this machine's own kernel: \(failure)")
      }
      return try await machines.assign(
        cases, host: host, emulate: emulate,
        own: seeding.time == .real || !Hypervisor.canBoot ? nil : seeding.virtual)
    }
    var tests: [(test: Case, machine: Machine)] = []
    for name in kernelNames where chosen.tests.contains(where: { $0.kernel == name }) {
      let machine = try await machines.chosen(name)
      tests += chosen.tests.filter { $0.kernel == name }.map { test, _ in
        (test, machine.inTime(seeding.time(of: test, consent)).emulating(emulate, for: test))
      }
    }
    return tests
  }
}

/// Shows what happens while cases run: a line per case, and on a terminal what runs now.
actor Screen {
  nonisolated let report: TextReport
  private let total: Int
  private let live: Bool
  private var done = 0
  private var running: [String] = []
  private var failed = 0
  /// What is said of cases, where that waits for the answer: of those that did not pass, or of all where every witness
  /// is asked for.
  private(set) var held: [TerminalText] = []
  /// How often something could not be kept.
  private(set) var complaints = 0
  /// The guests that have ended.
  private(set) var guests: [GuestCost] = []

  private let silent: Bool
  private let holds: Bool

  /// - Parameters:
  ///   - holds: whether a line of a case is not printed, and what of them matters is kept for the end.
  ///   - silent: whether nothing is printed but complaints.
  init(total: Int, report: TextReport, live: Bool, holds: Bool = false, silent: Bool = false) {
    (self.silent, self.holds) = (silent, holds)
    self.total = total
    self.report = report
    self.live = live
  }

  func show(_ event: Runner.Event) {
    clear()
    switch event {
    case .guestEnded(let cost, _):
      guests.append(cost)
    case .started(let test, let kernel, let seed):
      running.append(Self.name(PlannedRun.Place(id: test.id, kernel: kernel, seed: seed)))
    case .finished(let result):
      done += 1
      running.removeAll { $0 == Self.name(result.place) }
      let isBad = [.fail, .error].contains(result.judgement.verdict)
      if isBad { failed += 1 }
      if holds {
        if isBad || report.detail == .verbose { held += report.lines(result) }
      } else if !silent {
        for line in report.lines(result) { Console.print(line) }
      }
    }
    guard live else { return }
    let bad = failed > 0 ? ", \(failed) not as expected" : ""
    let text = "\(done)/\(total) judged\(bad), \(running.count) running: \(running.first ?? "")"
    Console.write(Terminal.escaped(text).prefix(Console.width - 1), to: .standardOutput)
  }

  private static func name(_ place: PlannedRun.Place) -> String { "\(place.kernel) \(place.words)" }

  /// Says that something could not be kept, each cause once.
  func complain(_ text: String) {
    complaints += 1
    guard complaints == 1 else { return }
    clear()
    Console.error("pawslab: \(text)")
  }

  func end() { clear() }

  private func clear() {
    if live { Console.write("\r\u{1b}[K", to: .standardOutput) }
  }
}
