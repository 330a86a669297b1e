import Foundation
import Model
import Synchronization
import Wire

/// Cuts what a worker writes into lines, and lines into events. An observation is one line of up to tens of
/// megabytes, so each byte is looked at once.
struct EventLines {
  private var rest = Data()
  private let decoder = JSONDecoder()

  /// The events that are complete with these bytes.
  mutating func add(_ bytes: UnsafeRawBufferPointer) throws -> [WorkerEvent] {
    var events: [WorkerEvent] = []
    var piece = bytes[...]
    while let end = piece.firstIndex(of: UInt8(ascii: "\n")) {
      rest.append(contentsOf: piece[..<end])
      if !rest.isEmpty { events.append(try decode(rest)) }
      rest = Data()
      piece = piece[(end + 1)...]
    }
    rest.append(contentsOf: piece)
    return events
  }

  private func decode(_ line: Data) throws -> WorkerEvent {
    do { return try decoder.decode(WorkerEvent.self, from: line) } catch {
      throw Failure(
        stage: "worker", object: "standard output",
        cause:
          "not an event: \(String(decoding: line.prefix(120), as: UTF8.self)) (\(WorkerProtocol.words(error)))"
      )
    }
  }
}

/// What is known of a worker that runs: the last stage that it reported, and when it last said anything, for the error
/// that says where it hung; its process, to see whether somebody has stopped it.
final class Progress: Sendable {
  private struct State {
    var stage = "start"
    var heard = ContinuousClock.now
    var process: Int32?
  }
  private let state = Mutex(State())

  var stage: String { state.withLock(\.stage) }
  /// How long it has said nothing.
  var silence: Duration { state.withLock(\.heard).duration(to: .now) }
  var process: Int32? { state.withLock(\.process) }

  func started(_ process: Int32) { state.withLock { $0.process = process } }

  func note(_ event: WorkerEvent) {
    state.withLock { state in
      state.heard = .now
      switch event {
      case .stage(let name): state.stage = name
      case .step(let index): state.stage = "step \(index)"
      default: break
      }
    }
  }
}

extension WorkerEvent {
  /// Whether nothing follows it.
  var isLast: Bool {
    switch self {
    case .kernel, .observation, .crossChecked, .counted, .failure, .done: true
    case .stage, .step, .attempt, .packets, .timings, .held, .asked, .seen: false
    }
  }
}

/// What comes from a worker in a guest, frame by frame, and what it amounts to.
struct GuestAnswer {
  private let progress = Progress()
  private var lines = EventLines()
  private var errors: [UInt8] = []
  private var last: WorkerEvent?

  /// Takes a frame; `onEvent` is told each event that is in it.
  mutating func take(_ frame: Frame, _ onEvent: (WorkerEvent) -> Void) throws {
    switch frame.kind {
    case .output:
      for event in try frame.payload.withUnsafeBytes({ try lines.add($0) }) {
        progress.note(event)
        onEvent(event)
        last = event
      }
    case .errors: errors += frame.payload.suffix(4096)
    default: break
    }
  }

  /// The event that ended it.
  /// - Throws: what the worker said that failed, else ``failure(_:in:)``.
  func event(_ cause: String?, in guest: String) throws -> WorkerEvent {
    if case .failure(let failure)? = last { throw failure }
    guard let last, last.isLast else { throw failure(cause, in: guest) }
    return last
  }

  /// That there is no answer, with the worker's own last words.
  func failure(_ cause: String?, in guest: String) -> Failure {
    let words = String(decoding: errors, as: UTF8.self).split(separator: "\n").suffix(4).joined(
      separator: " | ")
    return Failure(
      stage: progress.stage, object: "worker in \(guest)",
      cause: (cause ?? "ended without an answer") + (words.isEmpty ? "" : ": \(words)"))
  }
}

/// Whoever runs a worker for a request: this machine, or a guest.
protocol WorkerHost: Sendable {
  /// Sends a request and returns the event that ends the answer.
  ///
  /// - Parameters:
  ///   - patience: after which the worker is killed.
  ///   - onEvent: called for every event, in order.
  /// - Throws: `Failure` where the worker said so, died, hung or could not be understood.
  func ask(
    _ request: WorkerRequest, within patience: Patience, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent
}
