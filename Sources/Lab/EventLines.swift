import Foundation
import Scenario

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
    guard let event = try? decoder.decode(WorkerEvent.self, from: line) else {
      throw Failure(
        stage: "worker", object: "standard output",
        cause: "not an event: \(String(decoding: line.prefix(120), as: UTF8.self))")
    }
    return event
  }
}

/// The last stage that a worker reported, for the error that says where it hung.
final class Progress: @unchecked Sendable {
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

extension WorkerEvent {
  /// Whether nothing follows it.
  var isLast: Bool {
    switch self {
    case .kernel, .observation, .crossChecked, .failure, .done: true
    case .stage, .step, .attempt, .packets, .timings, .held, .seen: false
    }
  }
}

/// Whoever runs a worker for a request: this machine, or a guest.
protocol WorkerHost: Sendable {
  /// Sends a request and returns the event that ends the answer.
  ///
  /// - Parameters:
  ///   - seconds: after which the worker is killed.
  ///   - onEvent: called for every event, in order.
  /// - Throws: `Failure` where the worker said so, died, hung or could not be understood.
  func ask(
    _ request: WorkerRequest, within seconds: Int, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent
}
