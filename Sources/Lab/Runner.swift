import Foundation
import Scenario

/// Runs cases side by side, each in a worker process of its own, and judges what they saw.
public struct Runner: Sendable {
  /// What happens while cases run, in order.
  public enum Event: Sendable {
    /// A case's worker was started.
    case started(Case)
    /// A case was judged, skipped, or broke.
    case finished(CaseResult)
  }

  private let worker: WorkerProcess
  /// How many cases run at the same time.
  public let jobs: Int
  /// Seconds after which a case's worker is killed.
  public let deadline: Int

  /// - Parameters:
  ///   - worker: path of `pawslab-worker`.
  ///   - jobs: 1 or more; nil is ``defaultJobs()``.
  public init(worker: String, jobs: Int? = nil, deadline: Int = 60) {
    self.worker = WorkerProcess(program: worker)
    self.jobs = jobs ?? Self.defaultJobs()
    self.deadline = deadline
  }

  /// Most of a case's time is waiting for a client to give up, so eight per core; at most one per 64 MiB
  /// of memory that is available.
  public static func defaultJobs() -> Int {
    let available =
      (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?
      .split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
      .flatMap { Int($0.split(whereSeparator: \.isWhitespace)[1]) } ?? 1 << 20
    return max(1, min(ProcessInfo.processInfo.activeProcessorCount * 8, available / 65536))
  }

  /// What this machine's kernel can do.
  public func probe() async throws -> Kernel {
    guard case .kernel(let kernel) = try await worker.ask(.probe, within: 30) else {
      throw Failure(stage: "probe", object: "pawslab-worker", cause: "an answer to another question")
    }
    return kernel
  }

  /// Runs the cases; results come in the order in which they end. When the task is cancelled, running
  /// workers are killed and what is not judged by then is left out.
  public func run(
    _ cases: [Case], on kernel: Kernel, onEvent: @escaping @Sendable (Event) async -> Void
  ) async -> [CaseResult] {
    var results: [CaseResult] = []
    var waiting: [Case] = []
    for test in cases {
      switch Plan(test, on: kernel) {
      case .host: waiting.append(test)
      case .skip(let reason):
        let result = CaseResult(
          test: test, judgement: Judgement(verdict: .skip, reason: reason), observation: nil, seconds: 0)
        results.append(result)
        await onEvent(.finished(result))
      }
    }
    // Those that wait for seconds first, so that the rest fills the gaps.
    var queue = (waiting.filter(\.waits) + waiting.filter { !$0.waits })[...]
    await withTaskGroup(of: CaseResult?.self) { group in
      func startNext() {
        guard !Task.isCancelled, let test = queue.popFirst() else { return }
        group.addTask {
          await onEvent(.started(test))
          let result = await runOne(test, on: kernel)
          return Task.isCancelled ? nil : result
        }
      }
      for _ in 0..<jobs { startNext() }
      while let result = await group.next() {
        if let result {
          results.append(result)
          await onEvent(.finished(result))
        }
        startNext()
      }
    }
    return results
  }

  private func runOne(_ test: Case, on kernel: Kernel) async -> CaseResult {
    let began = ContinuousClock.now
    let judgement: Judgement
    var observation: Observation?
    do {
      guard case .observation(let seen) = try await worker.ask(.run(test, kernel), within: deadline) else {
        throw Failure(stage: "worker", object: test.id, cause: "an answer to another question")
      }
      observation = seen
      judgement = judge(test, on: kernel, seen: seen)
    } catch {
      judgement = Judgement(verdict: .error, reason: "\(error)")
    }
    let elapsed = began.duration(to: .now) / .seconds(1)
    return CaseResult(test: test, judgement: judgement, observation: observation, seconds: elapsed)
  }

  /// Set-up times, part by part, for so many networks built one after the other.
  public func benchmarkSetup(_ test: Case, on kernel: Kernel, times: Int) async throws -> [[Timing]] {
    let rounds = Rounds()
    _ = try await worker.ask(.benchmarkSetup(test, kernel, times: times), within: 120) { event in
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
}
