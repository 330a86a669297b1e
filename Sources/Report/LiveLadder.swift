import Evidence
import Model

/// The ladder of a case that is still running: each line once, as soon as both ends have seen the packet, or
/// another has followed.
public struct LiveLadder {
  private let hop: Bool
  private let around: Bool
  private var packets: [Packet] = []
  private var shown = 0

  /// - Parameters:
  ///   - hop: whether there is one between the clients and the server.
  ///   - around: whether the answers go round it.
  public init(hop: Bool, around: Bool = false) { (self.hop, self.around) = (hop, around) }

  /// The lines that these packets add, the heading first.
  public mutating func add(_ new: [Packet]) -> [String] {
    packets += new
    packets.sort { $0.time < $1.time }
    return lines(all: false)
  }

  /// The lines that were held back.
  public mutating func end() -> [String] { lines(all: true) }

  private mutating func lines(all: Bool) -> [String] {
    var observation = Observation(caseID: "")
    observation.packets = packets
    let ladder = Ladder(observation, hop: hop, around: around, limit: .max, marks: false)
    let lines = ladder.lines
    let ready = all || ladder.lastIsComplete ? lines.count : lines.count - 1
    guard ready > max(shown, 1) else { return [] }
    defer { shown = ready }
    return Array(lines[shown..<ready])
  }
}
