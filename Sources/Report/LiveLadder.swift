import Evidence
import Model

/// The ladder of a case that is still running: each line once, as soon as both ends have seen the packet, or
/// another has followed.
public struct LiveLadder {
  private let lanes: Lanes
  private var packets: [Packet] = []
  private var shown = 0

  /// - Parameter lanes: the links that are drawn.
  public init(lanes: Lanes) { self.lanes = lanes }

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
    let ladder = Ladder(observation, lanes: lanes, limit: .max, marks: false)
    let lines = ladder.lines
    let ready = all || ladder.lastIsComplete ? lines.count : lines.count - 1
    guard ready > max(shown, 1) else { return [] }
    defer { shown = ready }
    return Array(lines[shown..<ready])
  }
}
