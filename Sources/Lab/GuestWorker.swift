import Foundation
import MicroVM
import Model
import Wire

/// Runs workers in a guest, each in a process of its own beside others.
struct GuestWorker: WorkerHost {
  let guest: Guest
  /// Bundles of modules that must be loaded first.
  let bundles: [String]

  func ask(
    _ request: WorkerRequest, within patience: Patience, onEvent: @escaping @Sendable (WorkerEvent) -> Void
  ) async throws -> WorkerEvent {
    var payload = Array((bundles.joined(separator: " ") + "\n").utf8)
    payload += try WorkerProtocol.line(request)
    var answer = GuestAnswer()
    let cause = try await guest.exchange(
      .request, payload, within: patience.total, silence: patience.silence
    ) { try answer.take($0, onEvent) }
    return try answer.event(cause, in: guest.name)
  }

  /// Writes settings of the first namespace: those that are one per kernel.
  ///
  /// - Parameter bundles: of modules that must be loaded first, for some bring their settings.
  static func apply(_ settings: [String: String], bundles: [String], on guest: Guest) async throws {
    guard let payload = payload(of: settings, bundles: bundles) else { return }
    if let cause = try await guest.exchange(.settings, payload, within: 30, onFrame: { _ in }) {
      throw Failure(stage: "settings", object: guest.name, cause: cause)
    }
  }

  /// Settings as a guest takes them, `path value` per line below the bundles; nil where there are none.
  static func payload(of settings: [String: String], bundles: [String]) -> [UInt8]? {
    let lines = settings.sorted { $0.key < $1.key }.compactMap { name, value in
      Setting.named(name).map { "\($0.path) \(value)\n" }
    }
    return lines.isEmpty ? nil : Array((bundles.joined(separator: " ") + "\n" + lines.joined()).utf8)
  }
}
