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
struct WorkerProcess: Sendable {
  /// The `pawslab-worker` program.
  let program: String

  /// Sends a request and returns the event that ends the answer.
  ///
  /// - Parameters:
  ///   - seconds: after which the worker is killed.
  ///   - onEvent: called for every event, in order.
  /// - Throws: `Failure` where the worker said so, died, hung or could not be understood.
  func ask(
    _ request: WorkerRequest, within seconds: Int,
    onEvent: @escaping @Sendable (WorkerEvent) -> Void = { _ in }
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

  private func run(
    _ request: WorkerRequest, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent {
    var line = try JSONEncoder().encode(request)
    line.append(UInt8(ascii: "\n"))
    let bytes = [UInt8](line)
    var options = PlatformOptions()
    // Out of the terminal's process group: Ctrl-C is for us to handle.
    options.processGroupID = 0
    options.teardownSequence = []  // straight to SIGKILL: nothing outlives a worker
    let result = try await Subprocess.run(
      .path(FilePath(program)), platformOptions: options, input: .inputWriter, output: .sequence,
      error: .string(limit: 64 << 10)
    ) { execution -> WorkerEvent? in
      _ = try await execution.standardInputWriter.write(bytes)
      var last: WorkerEvent?
      var lines = Lines()
      let decoder = JSONDecoder()
      reading: for try await buffer in execution.standardOutput {
        for line in lines.add(buffer) where !line.isEmpty {
          guard let event = try? decoder.decode(WorkerEvent.self, from: line) else {
            throw Failure(
              stage: "worker", object: "standard output",
              cause: "not an event: \(String(decoding: line.prefix(120), as: UTF8.self))")
          }
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

  /// Cuts what arrives into lines. An observation is one line of up to tens of megabytes, so each byte is
  /// looked at once.
  private struct Lines {
    private var rest = Data()

    mutating func add(_ buffer: SubprocessOutputSequence.Buffer) -> [Data] {
      var lines: [Data] = []
      buffer.withUnsafeBytes { bytes in
        var piece = bytes[...]
        while let end = piece.firstIndex(of: UInt8(ascii: "\n")) {
          rest.append(contentsOf: piece[..<end])
          lines.append(rest)
          rest = Data()
          piece = piece[(end + 1)...]
        }
        rest.append(contentsOf: piece)
      }
      return lines
    }
  }

  /// The last stage that a worker reported, for the error that says where it hung.
  private final class Progress: @unchecked Sendable {
    private let lock = NSLock()
    private var latest = "start"

    var stage: String { lock.withLock { latest } }

    func note(_ event: WorkerEvent) {
      lock.withLock {
        switch event {
        case .stage(let name): latest = name
        case .step(let index): latest = "step \(index)"
        default: break
        }
      }
    }
  }
}

extension WorkerEvent {
  /// Whether nothing follows it.
  fileprivate var isLast: Bool {
    switch self {
    case .kernel, .observation, .failure, .done: true
    case .stage, .step, .attempt, .timings: false
    }
  }
}
