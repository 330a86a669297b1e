import Evidence
import Foundation
import Model
import Wire

/// Gathers the packets that one worker tells while it runs.
final class Packets: @unchecked Sendable {
  private let lock = NSLock()
  private var reader = Pcapng.Reader()
  private var packets: [Packet] = []
  private var failure: (any Error)?
  private let onPackets: (@Sendable ([Packet]) -> Void)?

  /// - Parameter onPackets: is handed each piece as it comes, about in order of time.
  init(_ onPackets: (@Sendable ([Packet]) -> Void)? = nil) { self.onPackets = onPackets }

  /// Takes the packets out of an event.
  @Sendable func add(_ event: WorkerEvent) {
    guard case .packets(let piece) = event else { return }
    let new = lock.withLock { () -> [Packet] in
      do {
        let new = try reader.add(piece)
        packets += new
        return new
      } catch {
        failure = error
        return []
      }
    }
    if !new.isEmpty { onPackets?(new) }
  }

  /// All of them, by time.
  func all() throws -> [Packet] {
    try lock.withLock {
      if let failure { throw failure }
      return packets.sorted { $0.time < $1.time }
    }
  }
}
