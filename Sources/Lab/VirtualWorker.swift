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
    var lines = EventLines()
    var errors: [UInt8] = []
    var (last, cause): (WorkerEvent?, String?)
    let progress = Progress()
    for frame in answer.frames {
      switch frame.kind {
      case .output:
        for event in try frame.payload.withUnsafeBytes({ try lines.add($0) }) {
          progress.note(event)
          onEvent(event)
          last = event
        }
      case .errors: errors += frame.payload.suffix(4096)
      case .end where !frame.payload.isEmpty: cause = String(decoding: frame.payload, as: UTF8.self)
      default: break
      }
    }
    if case .failure(let failure)? = last { throw failure }
    if let last, last.isLast, cause == nil { return last }
    let words = String(decoding: errors, as: UTF8.self).split(separator: "\n").suffix(4).joined(
      separator: " | ")
    throw Failure(
      stage: progress.stage, object: "worker in \(name)",
      cause: (cause ?? "ended without an answer") + (words.isEmpty ? "" : ": \(words)"))
  }
}
