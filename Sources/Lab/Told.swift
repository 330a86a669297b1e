import Evidence
import Foundation
import Model
import Synchronization
import Wire

/// What one worker has told of a case so far, so that it is kept when the worker, its guest or the lab breaks.
final class Told: Sendable {
  private let packets: Packets
  private let state = Mutex(State())

  private struct State {
    var attempts: [Attempt] = []
    var seen: Observation?
  }

  /// - Parameter onPackets: as of ``Packets``.
  init(_ onPackets: (@Sendable ([Packet]) -> Void)? = nil) { packets = Packets(onPackets) }

  /// Takes an event, in order.
  @Sendable func add(_ event: WorkerEvent) {
    packets.add(event)
    switch event {
    case .attempt(let attempt): state.withLock { $0.attempts.append(attempt) }
    case .seen(let observation): state.withLock { $0.seen = observation }
    default: break
    }
  }

  /// An observation with the packets that were told before it.
  func complete(_ observation: Observation) throws -> Observation {
    var observation = observation
    observation.packets = try packets.all()
    return observation
  }

  /// What was seen until something broke: as the worker told it in the end; where it could not any more, its attempts
  /// and packets. Nil where it told neither.
  func soFar(of id: String, until broke: String) -> Observation? {
    var observation = state.withLock { state in
      guard state.seen == nil else { return state.seen }
      var observation = Observation(caseID: id)
      observation.attempts = state.attempts
      return observation
    }
    // Packets that cannot be read are what broke, or broke too.
    observation?.packets = (try? packets.all()) ?? []
    observation?.broke = broke
    guard let observation, !observation.packets.isEmpty || !observation.attempts.isEmpty else { return nil }
    return observation
  }
}
