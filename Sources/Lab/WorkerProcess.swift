import Foundation
import MicroVM
import Model
import Subprocess
import SystemPackage
import Wire

/// Starts a worker for one request and follows its events.
///
/// The worker's standard input stays open for as long as we live: its end of file is the sign by which a
/// worker of a killed lab ends itself, and with it every namespace that it held.
struct WorkerProcess: WorkerHost {
  /// The `pawslab-worker` program.
  let program: String

  func ask(
    _ request: WorkerRequest, within patience: Patience,
    onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent {
    let progress = Progress()
    return try await withThrowingTaskGroup(of: WorkerEvent.self) { group in
      group.addTask {
        try await run(request, progress) { event in
          progress.note(event)
          onEvent(event)
        }
      }
      group.addTask { throw try await Self.fault(of: progress, patience) }
      defer { group.cancelAll() }
      guard let answer = try await group.next() else { throw CancellationError() }
      return answer
    }
  }

  /// Looks at a worker once a second, until it is overdue or has been found stopped twice: whoever stopped it holds
  /// its case, and may never let it go on.
  private static func fault(of progress: Progress, _ patience: Patience) async throws -> Failure {
    let begin = ContinuousClock.now
    var stopped = false
    func failure(_ cause: String, _ mend: String) -> Failure {
      Failure(stage: progress.stage, object: "pawslab-worker", cause: cause, mend: mend)
    }
    while true {
      try await Task.sleep(for: .seconds(1))
      let isStopped = progress.process.map(Self.isStopped) ?? false
      if stopped, isStopped {
        return failure("stopped by a signal (SIGSTOP), and therefore ended", "let it run")
      }
      stopped = isStopped
      if begin.duration(to: .now) >= .seconds(patience.total) {
        return failure("no answer within \(patience.total) s", "fewer --jobs, if the machine is loaded")
      }
      if progress.silence >= .seconds(patience.silence) {
        return failure("not a word for \(patience.silence) s", "fewer --jobs, if the machine is loaded")
      }
    }
  }

  /// State T of proc_pid_stat(5); a process that a debugger holds is in state t.
  private static func isStopped(_ process: Int32) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")")
    else { return false }
    return stat[end...].dropFirst(2).first == "T"
  }

  /// Keeps a case's network up for as long as `body` runs, and answers whoever asks for steps in it.
  func hold(
    _ test: Case, on kernel: Kernel, answering answer: @escaping StepLog.Answer,
    _ body: @escaping @Sendable ([HeldNode], Int32, StepPipes) async throws -> Void
  ) async throws {
    let ended = try await start(.hold(test, kernel, commands: [:]), Progress()) { execution in
      var lines = EventLines()
      var log = StepLog(answer)
      let writer = execution.standardInputWriter
      var visit: Task<Void, any Error>?
      for try await buffer in execution.standardOutput {
        for event in try buffer.withUnsafeBytes({ try lines.add($0) }) {
          switch event {
          case .failure(let failure): throw failure
          case .held(let nodes, let keeper, let steps):
            visit = Task {
              let result = await Result { try await body(nodes, keeper, steps) }
              // The worker's own end: it takes with it whatever still runs inside.
              try? await writer.finish()
              try result.get()
            }
          default:
            if let bytes = try log.take(event) { _ = try? await writer.write(bytes) }
          }
        }
      }
      try await visit?.value
    }
    guard case .exited(0) = ended.status else {
      throw Failure(
        stage: "worker", object: program, cause: "ended (\(ended.status)) \(ended.errors)")
    }
  }

  private static var options: PlatformOptions {
    var options = PlatformOptions()
    // Out of the terminal's process group: Ctrl-C is for us to handle.
    options.processGroupID = 0
    options.teardownSequence = []  // straight to SIGKILL: nothing outlives a worker
    return options
  }

  private typealias Running = Execution<CustomWriteInput, SequenceOutput, StringOutput<UTF8>>

  /// Runs a worker to its end: its status, what it wrote to standard error, what `body` made of its answer.
  private func start<Answer: Sendable>(
    _ request: WorkerRequest, _ progress: Progress, _ body: (Running) async throws -> Answer
  ) async throws -> (status: TerminationStatus, errors: String, answer: Answer) {
    let bytes = try WorkerProtocol.line(request)
    let turn = try await SpawnGate.shared.enter()
    defer { turn.leave() }
    do {
      let result = try await Subprocess.run(
        .path(FilePath(program)), platformOptions: Self.options, input: .inputWriter, output: .sequence,
        error: .string(limit: 64 << 10)
      ) { execution -> Answer in
        turn.leave()
        progress.started(execution.processIdentifier.value)
        _ = try await execution.standardInputWriter.write(bytes)
        return try await body(execution)
      }
      return (result.terminationStatus, result.standardError, result.closureResult)
    } catch let error as SubprocessError { throw Failure(error, starting: program) }
  }

  private func run(
    _ request: WorkerRequest, _ progress: Progress, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent {
    let killedBefore = Memory.processesKilled()
    let ended = try await start(request, progress) { execution -> WorkerEvent? in
      var last: WorkerEvent?
      var lines = EventLines()
      reading: for try await buffer in execution.standardOutput {
        for event in try buffer.withUnsafeBytes({ try lines.add($0) }) {
          onEvent(event)
          last = event
          if event.isLast { break reading }
        }
      }
      try? await execution.standardInputWriter.finish()
      return last
    }
    switch ended.answer {
    case .failure(let failure): throw failure
    case let event? where event.isLast: return event
    default: break
    }
    let words = ended.errors.split(separator: "\n").suffix(4).joined(separator: " | ")
    var failure = Failure(
      stage: "worker", object: program,
      cause: "ended early (\(ended.status))" + (words.isEmpty ? "" : ": \(words)"))
    // The kernel's killer of processes (OOM) takes whoever is largest in the container, or on the machine.
    if case .signaled(SIGKILL) = ended.status, Memory.processesKilled() > killedBefore {
      failure.cause = "killed by the kernel: memory is exhausted"
      failure.mend = "more memory (the container's limit counts), or fewer --jobs"
      failure.isScarcity = true
    }
    throw failure
  }
}

extension Result where Failure == any Error {
  /// What a body returns or throws.
  fileprivate init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
