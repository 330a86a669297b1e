import Foundation
import MicroVM
import Model
import Synchronization
import Wire

/// Runs a worker in a guest of its own, in that guest's time: the request goes in with the machine, and all answers are
/// there when it has ended.
final class VirtualWorker: WorkerHost {
  private let guest: SavedGuest
  /// Bundles of modules that must be loaded first.
  private let bundles: [String]
  /// Settings of the first namespace: those that are one per kernel.
  private let settings: [String: String]
  private let seed: UInt64
  private let last = Mutex<SavedGuest.Answer?>(nil)

  init(guest: SavedGuest, bundles: [String], settings: [String: String], seed: UInt64) {
    (self.guest, self.bundles, self.settings, self.seed) = (guest, bundles, settings, seed)
  }

  /// What the last request came to.
  var answer: SavedGuest.Answer? { last.withLock { $0 } }

  func ask(
    _ request: WorkerRequest, within patience: Patience, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent {
    var frames: [Frame] = []
    if let payload = GuestWorker.payload(of: settings, bundles: bundles) {
      frames.append(Frame(id: 1, kind: .settings, payload: payload))
    }
    var payload = Array((bundles.joined(separator: " ") + "\n").utf8)
    payload += try WorkerProtocol.line(request)
    frames.append(Frame(id: 2, kind: .request, payload: payload))
    let answer = try await guest.answer(frames, seed: seed, within: patience.total)
    last.withLock { $0 = answer }
    return try Self.event(of: answer, in: guest.name, onEvent)
  }

  /// Tells all that was said, and returns what ends it.
  private static func event(
    of answer: SavedGuest.Answer, in name: String, _ onEvent: (WorkerEvent) -> Void
  ) throws -> WorkerEvent {
    var said = GuestAnswer()
    var cause: String?
    for frame in answer.frames {
      try said.take(frame, onEvent)
      if frame.kind == .end, !frame.payload.isEmpty { cause = String(decoding: frame.payload, as: UTF8.self) }
    }
    let event = try said.event(cause, in: name)
    // One that answered and then failed, or whose settings could not be written, has no answer.
    guard cause == nil else { throw said.failure(cause, in: name) }
    return event
  }
}
