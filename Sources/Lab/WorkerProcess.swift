import Foundation
import Scenario
import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Starts a worker for one request and follows its events.
///
/// The worker's standard input stays open for as long as we live: its end of file is the sign by which a
/// worker of a killed lab ends itself, and with it every namespace that it held.
struct WorkerProcess: WorkerHost {
  /// The `pawslab-worker` program.
  let program: String

  func ask(
    _ request: WorkerRequest, within seconds: Int, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent {
    let progress = Progress()
    return try await withThrowingTaskGroup(of: WorkerEvent?.self) { group in
      group.addTask {
        try await run(request) { event in
          progress.note(event)
          onEvent(event)
        }
      }
      group.addTask {
        try await Task.sleep(for: .seconds(seconds))
        return nil
      }
      defer { group.cancelAll() }
      guard let answer = try await group.next() ?? nil else {
        throw Failure(
          stage: progress.stage, object: "pawslab-worker", cause: "no answer within \(seconds) s",
          mend: "fewer --jobs, if the machine is loaded")
      }
      return answer
    }
  }

  /// Keeps a case's network up for as long as `body` runs.
  func hold(
    _ test: Case, on kernel: Kernel, _ body: @escaping @Sendable ([HeldNode]) async throws -> Void
  ) async throws {
    let bytes = try Self.bytes(.hold(test, kernel))
    let result = try await Subprocess.run(
      .path(FilePath(program)), platformOptions: Self.options, input: .inputWriter, output: .sequence,
      error: .string(limit: 64 << 10)
    ) { execution in
      _ = try await execution.standardInputWriter.write(bytes)
      var lines = EventLines()
      for try await buffer in execution.standardOutput {
        for event in try buffer.withUnsafeBytes({ try lines.add($0) }) {
          if case .failure(let failure) = event { throw failure }
          guard case .held(let nodes) = event else { continue }
          try await body(nodes)
          // The worker's own end: it takes with it whatever still runs inside.
          try await execution.standardInputWriter.finish()
        }
      }
    }
    guard case .exited(0) = result.terminationStatus else {
      throw Failure(
        stage: "worker", object: program, cause: "ended (\(result.terminationStatus)) \(result.standardError)"
      )
    }
  }

  /// A request as one line.
  private static func bytes(_ request: WorkerRequest) throws -> [UInt8] {
    [UInt8](try JSONEncoder().encode(request)) + [UInt8(ascii: "\n")]
  }

  private static var options: PlatformOptions {
    var options = PlatformOptions()
    // Out of the terminal's process group: Ctrl-C is for us to handle.
    options.processGroupID = 0
    options.teardownSequence = []  // straight to SIGKILL: nothing outlives a worker
    return options
  }

  private func run(
    _ request: WorkerRequest, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent {
    let bytes = try Self.bytes(request)
    let result = try await Subprocess.run(
      .path(FilePath(program)), platformOptions: Self.options, input: .inputWriter, output: .sequence,
      error: .string(limit: 64 << 10)
    ) { execution -> WorkerEvent? in
      _ = try await execution.standardInputWriter.write(bytes)
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
    let words = result.standardError.split(separator: "\n").suffix(4).joined(separator: " | ")
    switch result.closureResult {
    case .failure(let failure): throw failure
    case let event? where event.isLast: return event
    default:
      throw Failure(
        stage: "worker", object: program,
        cause: "ended early (\(result.terminationStatus))"
          + (words.isEmpty ? "" : ": \(words)"))
    }
  }
}
