import Evidence
import Judging
import MicroVM
import Model
import Synchronization

/// What was said already.
final class Said: Sendable {
  private let names = Mutex<Set<String>>([])

  /// Whether it was not yet.
  func insert(_ name: String) -> Bool { names.withLock { $0.insert(name).inserted } }
}

/// A case that runs in a guest of its own, in that guest's time.
struct VirtualCase: Sendable {
  var test: Case
  var machine: Machine
  /// Those that are one per kernel.
  var settings: [String: String]
}

/// What guests with a time of their own have cost, kernel by kernel.
final class VirtualCosts: Sendable {
  private let costs = Mutex<[String: GuestCost]>([:])

  func add(_ seconds: Double?, of kernel: String) {
    costs.withLock {
      var cost =
        $0[kernel] ?? GuestCost(kernel: kernel, cases: 0, processorSeconds: 0, boot: [], accelerator: "tcg")
      cost.isSaved = true
      cost.cases += 1
      cost.processorSeconds = (cost.processorSeconds ?? 0) + (seconds ?? 0)
      $0[kernel] = cost
    }
  }

  var all: [GuestCost] { costs.withLock { $0.values.sorted { $0.kernel < $1.kernel } } }
}

extension Runner {
  /// The cases with machines whose time is theirs only where that can be: where a kernel or this QEMU cannot, that is
  /// said once, and this machine's time is used.
  public func inPossibleTime(_ tests: [(test: Case, machine: Machine)]) async -> [(
    test: Case, machine: Machine
  )] {
    var impossible: Set<String> = []
    for (_, machine) in tests where machine.time != .real && machine.failure == nil {
      guard let stored = machine.stored, !impossible.contains(stored.name) else { continue }
      do { _ = try await needHypervisor(stored.name).saved(stored) } catch {
        if Task.isCancelled { return tests }
        impossible.insert(stored.name)
        if timeless.insert(stored.name) {
          await say("\(stored.name) has no time of its own here, and runs in this machine's: \(error)")
        }
      }
    }
    return tests.map { test, machine in
      (test, impossible.contains(machine.stored?.name ?? "") ? machine.inTime(.real) : machine)
    }
  }

  /// Runs a case in a guest of its own.
  func runVirtual(_ unit: VirtualCase, _ costs: VirtualCosts) async -> CaseResult {
    let (test, machine) = (unit.test, unit.machine)
    do {
      guard let stored = machine.stored, let seed = machine.time.seed else {
        throw Failure(stage: "guest", object: machine.name, cause: "it has no time of its own")
      }
      let guest = try await needHypervisor(stored.name).saved(stored)
      let host = VirtualWorker(
        guest: guest, bundles: Guest.bundles(for: [test], on: machine.kernel), settings: unit.settings,
        seed: seed)
      var result = await runOnce(test, on: machine, by: host, within: Patience(virtual: test)).result
      if let answer = host.answer {
        costs.add(answer.processorSeconds, of: machine.name)
        result.exact = CaseResult.Exact(seed: seed, origin: guest.origin, digest: answer.digest)
      }
      return result
    } catch {
      return CaseResult(
        test: test, kernel: machine.name, judgement: Judgement(verdict: .error, reason: "\(error)"),
        observation: nil, seconds: 0, seed: machine.time.seed)
    }
  }
}
