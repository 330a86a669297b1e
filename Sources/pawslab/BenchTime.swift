import ArgumentParser
import Evidence
import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report
import Subprocess

/// What guests cost in their own time, and in this machine's.
struct BenchTime: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "time",
    abstract: "Measure guests in their own time beside guests in this machine's, in the same minute.",
    discussion: """
      Kernel by kernel: how long a command takes to its verdict, with and without a saved guest; what cases cost side by \
      side; how fast an hour passes, and a churn. It works in a cache of its own, which is gone afterwards, and takes \
      about a minute for each kernel. Exit status 1 if something could not be measured.
      """)

  @OptionGroup var selection: Selection

  @Option(
    name: .customLong("kernel"), help: "The kernels, as --kernel of run takes them (default: debian-12).")
  var kernels: [String] = []

  @Option(help: "How many cases run side by side, taken evenly from the lab files.")
  var cases = 24

  @Option(help: "How often a command is timed from a saved guest; the median counts.")
  var times = 3

  @Option(help: "text, json or markdown.")
  var format: TableFormat = .text

  /// How a table can be printed.
  enum TableFormat: String, CaseIterable, ExpressibleByArgument { case text, json, markdown }

  private var names: [String] {
    let names = kernels.flatMap { $0.split(separator: ",").map(String.init) }
    return names.isEmpty ? [Machines.fallback] : names
  }

  func validate() throws {
    guard (1...1000).contains(cases) else { throw ValidationError("--cases takes 1 to 1000, not \(cases)") }
    guard (1...100).contains(times) else { throw ValidationError("--times takes 1 to 100, not \(times)") }
    if names.contains("host") {
      throw ValidationError("--kernel host is no guest, and only a guest has a time of its own")
    }
    if Set(names).count != names.count { throw ValidationError("--kernel names one twice") }
  }

  func run() async throws {
    let table = try await Interrupt().value(of: Task { try await measure() })
    switch format {
    case .text: for line in table.lines { Console.print(line) }
    case .json: Console.write(try table.json(), to: .standardOutput)
    case .markdown: Console.write(table.markdown, to: .standardOutput)
    }
    if table.kernels.contains(where: { !$0.missing.isEmpty }) { throw ExitCode(1) }
  }

  private func measure() async throws -> TimeTable {
    let all = try selection.cases()
    let (_, runner, machines) = try Running.fixed(jobs: nil).lab(keepsPackets: false)
    var table = TimeTable(head: await Self.head(), kernels: [])
    for name in names {
      let machine = try await machines.chosen(name)
      if let failure = machine.failure { throw failure }
      // What waits is measured by itself, and chance has no place here.
      let able = all.filter { test in
        runner.consent.time(of: test, own: .virtual(seed: 0)) == .real
          && runner.consent.refusal(of: test) == nil
          && Plan(test, on: machine).runs
          && !test.rules.contains { $0.outcomes.values.contains { $0.outcome == .predicted } }
      }
      guard let first = able.first, first.source != nil else {
        throw Failure(
          stage: "bench time", object: name, cause: "none of the \(all.count) cases can run there",
          mend: "name others", isUsage: true)
      }
      let tests = able.count <= cases ? able : (0..<cases).map { able[$0 * able.count / cases] }
      let cache = try OwnCache(of: machine)
      defer { cache.remove() }
      table.kernels.append(try await Measuring(machine, tests, cache, times: times).all())
    }
    return table
  }

  private static func head() async -> TimeTable.Head {
    TimeTable.Head(
      date: ThisMachine.date, processor: ThisMachine.processor, processors: ThisMachine.processors,
      release: ThisMachine.release, qemu: await Hypervisor.version ?? "no QEMU", load: ThisMachine.load)
  }
}

/// A cache that has one kernel, and no saved guest yet.
private struct OwnCache {
  /// `$XDG_CACHE_HOME` of who is to use it.
  let path: String
  var store: KernelStore { KernelStore(root: URL(fileURLWithPath: path).appendingPathComponent("pawslab")) }

  init(of machine: Machine) throws {
    let files = FileManager.default
    path = files.temporaryDirectory.appendingPathComponent("pawslab-bench-\(UUID())").path
    do {
      for (folder, name) in [("kernels", machine.name), ("probes", machine.name + ".json")] {
        let from = KernelStore().root.appendingPathComponent(folder).appendingPathComponent(name)
        let into = store.root.appendingPathComponent(folder)
        try files.createDirectory(at: into, withIntermediateDirectories: true)
        try files.copyItem(at: from, to: into.appendingPathComponent(name))
      }
    } catch {
      remove()
      throw Failure(
        stage: "bench time", object: path,
        cause: "the kernel cannot be copied there: \(error.localizedDescription)",
        mend: "room in $TMPDIR")
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}

/// Measures one kernel.
private struct Measuring {
  let machine: Machine
  let tests: [Case]
  let cache: OwnCache
  let times: Int
  private let runner: Runner

  /// Seconds after which a command has taken too long to be measured: sixteen boots are made at the most.
  private static let patience = 300
  private static let virtual = GuestTime.virtual(seed: 0)

  init(_ machine: Machine, _ tests: [Case], _ cache: OwnCache, times: Int) throws {
    self.machine = machine
    self.tests = tests
    self.cache = cache
    self.times = times
    let hypervisor = Hypervisor(store: cache.store, worker: try Running.worker(), onEvent: { _ in })
    var runner = try Running.fixed(jobs: nil).runner(hypervisor)
    runner.keepsPackets = false
    self.runner = runner
  }

  private func progress(_ what: String) async { await Console.note("\(machine.name): \(what)") }

  func all() async throws -> TimeTable.OfKernel {
    var found = TimeTable.OfKernel(name: machine.name, release: machine.kernel.release, cases: tests.count)
    await progress("from command to verdict, nothing saved")
    let cold = try await seconds(of: .virtual)
    let boot = try await seconds(of: .real)
    let isPossible = await runner.inPossibleTime([(tests[0], machine.inTime(Self.virtual))])
      .contains { $0.machine.time != .real }
    if !isPossible { found.missing.append("virtual time, which this kernel or QEMU does not have") }
    found.rows.append(.init(.cold, virtual: isPossible ? cold : nil, real: boot))

    await progress("from command to verdict, \(times) times")
    var (saved, booted): ([Double], [Double]) = ([], [])
    for _ in 0..<times {
      if isPossible { saved.append(try await seconds(of: .virtual)) }
      booted.append(try await seconds(of: .real))
    }
    found.rows.append(.init(.saved, virtual: Self.median(saved), real: Self.median(booted)))

    await progress("\(tests.count) cases side by side")
    let own = isPossible ? await sideBySide(in: Self.virtual, &found) : nil
    let real = await sideBySide(in: .real, &found)
    found.rows.append(.init(.casesPerSecond, virtual: own?.rate, real: real?.rate))
    found.rows.append(.init(.processorSecondsPerCase, virtual: own?.cost, real: real?.cost))
    guard isPossible else { return found }

    await progress("an hour, and a churn")
    let plain = await one("nothing", Self.connects, &found)
    let hour = await one(
      "an hour", Self.connects + [Step(Wait(milliseconds: 3_600_000))] + Self.connects, &found)
    let churn = await one("a churn", Self.churns, &found)
    func rate(_ other: CaseResult?) -> Double? {
      guard let plain, let other, let zero = plain.guestSeconds, let own = other.guestSeconds,
        other.seconds > plain.seconds
      else { return nil }
      return (own - zero) / (other.seconds - plain.seconds)
    }
    found.rows.append(.init(.hour, virtual: hour?.seconds, real: nil))
    found.rows.append(.init(.idleRate, virtual: rate(hour), real: nil))
    found.rows.append(.init(.churnRate, virtual: rate(churn), real: nil))
    return found
  }

  private static func median(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.sorted()[values.count / 2]
  }

  /// From the start of the program to its end with a verdict on the first case.
  private func seconds(of time: Seeding.Time) async throws -> Double {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let words = [
      "run", tests[0].source?.file ?? "", "--case", tests[0].id, "--kernel", machine.name, "--time",
      time.rawValue,
      "--quiet",
    ]
    let began = ContinuousClock.now
    let (path, patience) = (cache.path, Self.patience)
    let status = try await withThrowingTaskGroup(of: String?.self) { group in
      group.addTask {
        let result = try await Subprocess.run(
          .path(.init(own)), arguments: Arguments(words),
          environment: .inherit.updating(["XDG_CACHE_HOME": path]), output: .discarded,
          error: .string(limit: 1 << 16))
        // 1 is a verdict too.
        guard result.terminationStatus != .exited(0), result.terminationStatus != .exited(1) else {
          return ""
        }
        return "\(result.terminationStatus): \(result.standardError.suffix(300))"
      }
      group.addTask {
        try await Task.sleep(for: .seconds(patience))
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    let seconds = began.duration(to: .now) / .seconds(1)
    try Task.checkCancellation()
    func failure(_ cause: String) -> Failure {
      Failure(stage: "bench time", object: "pawslab " + words.joined(separator: " "), cause: cause)
    }
    guard let status else { throw failure("not done within \(Self.patience) s") }
    guard status.isEmpty else { throw failure(status) }
    return seconds
  }

  /// All cases, as a run has them.
  private func sideBySide(
    in time: GuestTime, _ found: inout TimeTable.OfKernel
  ) async -> (rate: Double, cost: Double)? {
    let costs = Costs()
    let began = ContinuousClock.now
    let results = await runner.run(tests.map { ($0, machine.inTime(time)) }) { event in
      if case .guestEnded(let cost, _) = event { await costs.add(cost.processorSeconds ?? 0) }
    }
    let seconds = began.duration(to: .now) / .seconds(1)
    if let broken = results.first(where: { [.skip, .error].contains($0.judgement.verdict) }) {
      found.missing.append("\(broken.test.id): \(broken.judgement.reason)")
      return nil
    }
    let count = Double(max(1, results.count))
    return (count / seconds, await costs.seconds / count)
  }

  private actor Costs {
    private(set) var seconds = 0.0
    func add(_ more: Double) { seconds += more }
  }

  /// One case in the guest's own time.
  private func one(
    _ name: String, _ workload: [Step], _ found: inout TimeTable.OfKernel
  ) async -> CaseResult? {
    let client = Client(name: "client", group: "client", clock: .natural, isn: .natural)
    var test = Case(
      id: "bench/\(name)", scenario: "bench", title: "", why: "", axes: [],
      network: Network(topology: .direct, family: .ipv4, clients: [client], hop: nil), settings: [:],
      workload: workload, rules: [])
    test.rules = [Rule(kernel: [], outcomes: [:], because: "nothing is in the way")]
    let results = await runner.run([(test, machine.inTime(Self.virtual))], onEvent: { _ in })
    guard let result = results.first, result.judgement.verdict == .pass else {
      found.missing.append("\(name): \(results.first?.judgement.reason ?? "no result")")
      return nil
    }
    return result
  }

  private static let connects = [
    Step.connect(.init(client: "client", label: "client", closes: .client, times: 1, again: 0))
  ]
  private static let churns = [
    Step.churn(
      .init(clients: ["client"], label: "client", connections: 1000, rate: nil, closes: .client, flush: nil))
  ]
}
