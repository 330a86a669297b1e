import Evidence
import Foundation
import Model
import Wire

/// What a worker or a guest says, read as a run reads it, without either. For those who hold the reading against
/// arbitrary bytes.
public enum Reading {
  /// A worker's lines; the packets that they told come with the observation.
  /// - Throws: `Failure` for what is not an event, or no packets.
  public static func events(_ bytes: [UInt8]) throws -> (events: [WorkerEvent], packets: [Packet]) {
    var lines = EventLines()
    let packets = Packets()
    let progress = Progress()
    var events: [WorkerEvent] = []
    // As it comes out of a pipe.
    for start in stride(from: 0, to: bytes.count, by: 4096) {
      let piece = bytes[start..<min(start + 4096, bytes.count)]
      events += try piece.withUnsafeBytes { try lines.add($0) }
    }
    for event in events {
      progress.note(event)
      packets.add(event)
    }
    return (events, try packets.all())
  }

  /// A guest's frames, then the lines that they carry.
  public static func frames(_ bytes: [UInt8]) throws -> Int {
    var reader = Frame.Reader()
    var count = 0
    for start in stride(from: 0, to: bytes.count, by: 1000) {
      guard let frames = reader.add(bytes[start..<min(start + 1000, bytes.count)]) else { return count }
      for frame in frames where frame.kind == .output { _ = try events(frame.payload) }
      count += frames.count
    }
    return count
  }
}
