import Evidence
import Foundation
import Judging
import MicroVM
import Model
import Wire

/// Runs cases side by side, each in a worker process of its own, and judges what they saw.
public struct Runner: Sendable {
  /// What happens while cases run, in order.
  public enum Event: Sendable {
    /// A case's worker was started.
    case started(Case, kernel: String, seed: UInt64?)
    /// A case was judged, skipped, or broke.
    case finished(CaseResult)
    /// A guest has ended: what it cost.
    case guestEnded(GuestCost, console: String)
  }

  let worker: WorkerProcess
  private let hypervisor: Hypervisor?
  /// Kernels that were said to have no time of their own.
  let timeless = Said()
  /// How many cases run at the same time on the host.
  public let jobs: Int
  /// Seconds after which a case's worker is killed, four times as long in a guest; nil follows from the case.
  public let deadline: Int?
  /// Whether the results that ``run(_:onEvent:)`` returns have their packets; events always have.
  public var keepsPackets = true
  /// What is not run unless somebody has asked for it.
  public var consent = Consent()
  /// Is handed each case's packets as they are captured, about in order of time.
  public var onPackets: (@Sendable (Case, [Packet]) -> Void)?
  /// Takes a line of progress: that something is scarce, and what is done about it.
  public var say: @Sendable (String) async -> Void = { _ in }

  /// - Parameters:
  ///   - worker: path of `pawslab-worker`.
  ///   - hypervisor: boots other kernels; nil where only the host is used.
  ///   - jobs: 1 or more; nil is ``defaultJobs()``.
  public init(worker: String, hypervisor: Hypervisor? = nil, jobs: Int? = nil, deadline: Int? = nil) {
    self.worker = WorkerProcess(program: worker)
    self.hypervisor = hypervisor
    self.jobs = jobs ?? Self.defaultJobs()
    self.deadline = deadline
  }

  /// As many as there are means for, at most eight per core.
  public static func defaultJobs() -> Int { (try? Resources.now().fit(nil).jobs) ?? 1 }

  func patience(_ test: Case, inGuest: Bool) -> Patience {
    deadline.map { Patience(seconds: inGuest ? $0 * 4 : $0) } ?? Patience(for: test, inGuest: inGuest)
  }

  /// Cases at the same time in one guest. Its one processor is the limit; more only overlaps the waiting.
  private static let jobsPerGuest = 8

  /// What this machine's kernel can do.
  public func probe() async throws -> Kernel { try await probe(by: worker) }

  private func probe(by host: some WorkerHost) async throws -> Kernel {
    guard
      case .kernel(let kernel) = try await host.ask(.probe, within: Patience(seconds: 120), onEvent: { _ in })
    else {
      throw Failure(stage: "probe", object: "pawslab-worker", cause: "an answer to another question")
    }
    return kernel
  }

  /// What a stored kernel can do: asked in a guest, or known from before.
  public func probe(_ stored: StoredKernel) async throws -> Kernel {
    let hypervisor = try needHypervisor(stored.name)
    if let known = hypervisor.probed(stored) { return known }
    let kernel = try await inGuest(stored, bundles: Guest.allBundles) { try await probe(by: $0) }
    hypervisor.keep(kernel, of: stored)
    return kernel
  }

  /// Boots a guest for one request and ends it.
  func inGuest<Answer: Sendable>(
    _ stored: StoredKernel, bundles: [String], _ body: (GuestWorker) async throws -> Answer
  ) async throws -> Answer {
    let guest = try await needHypervisor(stored.name).boot(stored)
    do {
      let answer = try await body(GuestWorker(guest: guest, bundles: bundles))
      await guest.stop()
      return answer
    } catch {
      await guest.stop()
      throw error
    }
  }

  func needHypervisor(_ name: String) throws -> Hypervisor {
    guard let hypervisor else {
      throw Failure(stage: "guest", object: name, cause: "this run uses the host's kernel only")
    }
    return hypervisor
  }

  /// Runs cases, each on its machine; results come in the order in which they end. When the task is cancelled,
  /// running workers and guests are killed and what is not judged by then is left out.
  public func run(
    _ tests: [(test: Case, machine: Machine)], onEvent: @escaping @Sendable (Event) async -> Void
  ) async -> [CaseResult] {
    let results = Results()
    @Sendable func finish(_ result: CaseResult) async {
      guard !Task.isCancelled || result.judgement.verdict == .skip else { return }
      await onEvent(.finished(result))
      var result = result
      if !keepsPackets { result.observation?.packets = [] }
      results.add(result)
    }
    var onHost: [(test: Case, machine: Machine)] = []
    var guests: [(machine: Machine, turns: [Turn: [Case]])] = []
    var virtual: [VirtualCase] = []
    for (test, machine) in await inPossibleTime(tests) {
      if let failure = machine.failure {
        await finish(
          CaseResult(
            test: test, kernel: machine.name,
            judgement: Judgement(verdict: .error, reason: "\(failure)"), observation: nil, seconds: 0,
            seed: machine.time.seed))
        continue
      }
      switch consent.plan(test, on: machine) {
      case .skip(let reason):
        await finish(
          CaseResult(
            test: test, kernel: machine.name, judgement: Judgement(verdict: .skip, reason: reason),
            observation: nil, seconds: 0, seed: machine.time.seed))
      case .run where machine.stored == nil:
        onHost.append((test, machine))
      case .run(let settings, _) where machine.time != .real:
        virtual.append(VirtualCase(test: test, machine: machine, settings: settings))
      case .run(let settings, let alone):
        let turn = Turn(settings: settings, only: alone ? test.id : nil)
        if let index = guests.firstIndex(where: { $0.machine.name == machine.name }) {
          guests[index].turns[turn, default: []].append(test)
        } else {
          guests.append((machine, [turn: [test]]))
        }
      }
    }
    let slots = Resources.now().guests
    let units = Self.share(guests, among: slots)
    let costs = VirtualCosts()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { [onHost] in
        // Those that wait for seconds first, so that the rest fills the gaps.
        let queue = onHost.filter { $0.test.waits } + onHost.filter { !$0.test.waits }
        await runOnHost(queue, onEvent: onEvent, finish: finish)
      }
      group.addTask { [virtual] in
        await Self.sideBySide(virtual, jobs: max(1, slots)) { unit in
          await onEvent(
            .started(unit.test, kernel: unit.machine.name, seed: unit.machine.time.seed))
          await finish(await runVirtual(unit, costs))
        }
      }
      group.addTask {
        await Self.sideBySide(units, jobs: max(1, slots)) { unit in
          await runGuest(unit, enough: slots > 0, onEvent: onEvent, finish: finish)
        }
      }
    }
    for cost in costs.all { await onEvent(.guestEnded(cost, console: "")) }
    return results.all
  }

  /// What cases that run side by side in a guest have in common.
  private struct Turn: Hashable, Comparable {
    /// Settings that are one per kernel.
    var settings: [String: String]
    /// The one case that changes them.
    var only: String?

    static func < (left: Turn, right: Turn) -> Bool { left.order < right.order }
    private var order: String {
      settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        + " \(only ?? "")"
    }
  }

  /// The cases of one guest, turn by turn.
  private struct Unit: Sendable {
    var machine: Machine
    var turns: [(settings: [String: String], cases: [Case])]
  }

  /// Where there are fewer kernels than slots, a kernel's cases are shared out over several guests.
  private static func share(
    _ guests: [(machine: Machine, turns: [Turn: [Case]])], among slots: Int
  ) -> [Unit] {
    guests.flatMap { guest -> [Unit] in
      let count = guest.turns.values.reduce(0) { $0 + $1.count }
      let parts = max(1, min(slots / max(1, guests.count), count / 8))
      var units = (0..<parts).map { _ in Unit(machine: guest.machine, turns: []) }
      for (turn, cases) in guest.turns.sorted(by: { $0.key < $1.key }) {
        let queue = cases.filter(\.waits) + cases.filter { !$0.waits }
        for part in 0..<parts {
          let own = queue.indices.filter { $0 % parts == part }.map { queue[$0] }
          if !own.isEmpty { units[part].turns.append((turn.settings, own)) }
        }
      }
      return units
    }
  }

  /// Runs cases side by side on this machine. One that lacked descriptors, memory, processes or namespaces is put back
  /// until another has ended, and fewer run at a time from then on; one that nothing ran beside is an error.
  private func runOnHost(
    _ tests: [(test: Case, machine: Machine)], onEvent: @escaping @Sendable (Event) async -> Void,
    finish: @escaping @Sendable (CaseResult) async -> Void
  ) async {
    typealias Ended = (test: Case, machine: Machine, outcome: Outcome, others: Int, number: Int)
    var queue = tests[...]
    var (running, most, begun) = (0, jobs, 0)
    await withTaskGroup(of: Ended.self) { group in
      func fill() {
        while running < most, !Task.isCancelled, let (test, machine) = queue.popFirst() {
          begun += 1
          group.addTask { [others = running, number = begun] in
            await onEvent(.started(test, kernel: machine.name, seed: nil))
            let outcome = await runOne(test, on: machine, by: worker, inGuest: false)
            return (test, machine, outcome, others, number)
          }
          running += 1
        }
      }
      fill()
      while let ended = await group.next() {
        running -= 1
        // Who ran beside it may have ended before its failure is heard.
        let alone = ended.others == 0 && ended.number == begun
        if let scarcity = ended.outcome.scarcity, !alone {
          let left = max(1, running)
          if left < most { await say("\(left) cases at a time from here on: \(scarcity)") }
          most = min(most, left)
          queue.append((ended.test, ended.machine))
        } else {
          await finish(ended.outcome.result)
        }
        fill()
      }
    }
  }

  private static func sideBySide<Item: Sendable>(
    _ items: [Item], jobs: Int, _ body: @escaping @Sendable (Item) async -> Void
  ) async {
    var queue = items[...]
    await withTaskGroup(of: Void.self) { group in
      func startNext() {
        guard !Task.isCancelled, let item = queue.popFirst() else { return }
        group.addTask { await body(item) }
      }
      for _ in 0..<jobs { startNext() }
      while await group.next() != nil { startNext() }
    }
  }

  /// Boots a guest and runs its turns. A guest that breaks takes the cases that it was running with it; the
  /// others go on in a new one, three times at most.
  private func runGuest(
    _ unit: Unit, enough: Bool, onEvent: @escaping @Sendable (Event) async -> Void,
    finish: @escaping @Sendable (CaseResult) async -> Void
  ) async {
    guard let stored = unit.machine.stored, let hypervisor else { return }
    @Sendable func giveUp(_ cases: [Case], _ error: any Error) async {
      for test in cases {
        await finish(
          CaseResult(
            test: test, kernel: unit.machine.name, judgement: Judgement(verdict: .error, reason: "\(error)"),
            observation: nil, seconds: 0))
      }
    }
    var turns = unit.turns
    guard enough else {
      await giveUp(
        turns.flatMap(\.cases),
        Failure(
          stage: "guest", object: stored.name,
          cause:
            "it takes \(Resources.megabytesPerGuest) MiB of memory, and \(Resources.now().megabytes) are available",
          mend: "more memory (the container's limit counts)"))
      return
    }
    var lives = 4
    while !turns.isEmpty, !Task.isCancelled {
      let guest: Guest
      do {
        lives -= 1
        guest = try await hypervisor.boot(stored)
      } catch {
        await giveUp(turns.flatMap(\.cases), error)
        return
      }
      var ran = 0
      while let turn = turns.first, await guest.isAlive, !Task.isCancelled {
        let bundles = Guest.bundles(for: turn.cases, on: unit.machine.kernel)
        do { try await GuestWorker.apply(turn.settings, bundles: bundles, on: guest) } catch {
          // One that has died meanwhile had none of them yet: they go on in a new one.
          guard await guest.isAlive || lives == 0 else { break }
          await giveUp(turn.cases, error)
          turns.removeFirst()
          continue
        }
        let started = Results()
        await Self.sideBySide(turn.cases, jobs: Self.jobsPerGuest) { test in
          guard await guest.isAlive else { return }
          started.begin(test.id)
          await onEvent(.started(test, kernel: unit.machine.name, seed: nil))
          let host = GuestWorker(guest: guest, bundles: Guest.bundles(for: [test], on: unit.machine.kernel))
          await finish(await runOne(test, on: unit.machine, by: host, inGuest: true).result)
        }
        ran += started.begun.count
        turns[0].cases.removeAll { started.begun.contains($0.id) }
        if turns[0].cases.isEmpty { turns.removeFirst() }
      }
      let died = await !guest.isAlive
      await guest.stop()
      let boot = await guest.boot
      await onEvent(
        .guestEnded(
          GuestCost(
            kernel: unit.machine.name, cases: ran, processorSeconds: await guest.processorSeconds,
            boot: boot?.phases ?? [], accelerator: boot?.accelerator ?? ""), console: await guest.console))
      if died, lives == 0 {
        await giveUp(
          turns.flatMap(\.cases),
          Failure(
            stage: "guest", object: stored.name, cause: "it has broken four times; see the errors before"))
        return
      }
    }
  }

  /// A case's result; where it was an error for want of something that others have, the failure that says so.
  struct Outcome: Sendable {
    var result: CaseResult
    var scarcity: Failure?
  }

  /// Runs a case; once more where the tracepoint may only have been silent.
  private func runOne(
    _ test: Case, on machine: Machine, by host: some WorkerHost, inGuest: Bool
  ) async -> Outcome {
    let patience = patience(test, inGuest: inGuest)
    let first = await runOnce(test, on: machine, by: host, within: patience)
    guard first.result.judgement.lacksOnlyDropReasons, !Task.isCancelled else { return first }
    var second = await runOnce(test, on: machine, by: host, within: patience)
    second.result.again = first.result.judgement.reason
    return second
  }

  func runOnce(
    _ test: Case, on machine: Machine, by host: some WorkerHost, within patience: Patience
  ) async -> Outcome {
    let began = ContinuousClock.now
    let judgement: Judgement
    var observation: Observation?
    var scarcity: Failure?
    let told = Told { packets in onPackets?(test, packets) }
    do {
      let request = WorkerRequest.run(test.forWorker, machine.kernel.forWorker)
      guard
        case .observation(let answer) = try await host.ask(
          request, within: patience, onEvent: told.add)
      else {
        throw Failure(stage: "worker", object: test.id, cause: "an answer to another question")
      }
      let seen = try told.complete(answer)
      observation = seen
      judgement = judge(test, on: machine.kernel, seen: seen)
    } catch {
      judgement = Judgement(verdict: .error, reason: "\(error)")
      observation = told.soFar(of: test.id, until: "\(error)")
      if let failure = error as? Failure, failure.isScarcity == true { scarcity = failure }
    }
    let elapsed = began.duration(to: .now) / .seconds(1)
    let result = CaseResult(
      test: test, kernel: machine.name, judgement: judgement, observation: observation, seconds: elapsed,
      emulation: machine.kernel.emulation, seed: machine.time.seed)
    return Outcome(result: result, scarcity: scarcity)
  }

  /// Keeps a case's network up on this machine for as long as `body` runs, its servers answering.
  ///
  /// - Parameters:
  ///   - answer: what is told of steps that somebody asks for, and the status that `step` ends with.
  ///   - body: is given the nodes, the process whose PID namespace (`nsenter --target PID --pid --mount`) ends with the
  ///     network, whatever was started in it, and where steps are asked for.
  public func hold(
    _ test: Case, on machine: Machine,
    answering answer: @escaping @Sendable (StepTold) -> (lines: [String], status: Int),
    _ body: @escaping @Sendable ([HeldNode], Int32, StepPipes) async throws -> Void
  ) async throws {
    guard machine.stored == nil else {
      throw Failure(
        stage: "shell", object: test.id,
        cause: "it is a guest, which gives its own terminal")
    }
    if case .skip(let reason) = Plan(test, on: machine) {
      throw Failure(
        stage: "shell", object: test.id, cause: "it cannot run on this machine's kernel: \(reason)")
    }
    try await worker.hold(test, on: machine.kernel, answering: answer, body)
  }

  /// Set-up times, part by part, for so many networks built one after the other.
  public func benchmarkSetup(_ test: Case, on kernel: Kernel, times: Int) async throws -> [[Timing]] {
    let rounds = Rounds()
    _ = try await worker.ask(.benchmarkSetup(test, kernel, times: times), within: Patience(seconds: 120)) {
      event in
      if case .timings(let timings) = event { rounds.add(timings) }
    }
    return rounds.all
  }

  private final class Rounds: @unchecked Sendable {
    private let lock = NSLock()
    private var timings: [[Timing]] = []
    func add(_ round: [Timing]) { lock.withLock { timings.append(round) } }
    var all: [[Timing]] { lock.withLock { timings } }
  }

  private final class Results: @unchecked Sendable {
    private let lock = NSLock()
    private var results: [CaseResult] = []
    private var names: Set<String> = []
    func add(_ result: CaseResult) { lock.withLock { results.append(result) } }
    func begin(_ name: String) { _ = lock.withLock { names.insert(name) } }
    var all: [CaseResult] { lock.withLock { results } }
    var begun: Set<String> { lock.withLock { names } }
  }
}
