import Evidence
import Model

/// The ladder of a case that is still running: each line once, as soon as both ends have seen the packet, or
/// another has followed.
public struct LiveLadder {
  private let lanes: Lanes
  private let ticksPerSecond: Int
  private let width: Int
  private var packets: [Packet] = []
  private var shown = 0

  /// - Parameters:
  ///   - lanes: the links that are drawn.
  ///   - ticksPerSecond: of the kernel's TSvals.
  ///   - width: characters that a line may have.
  public init(lanes: Lanes, ticksPerSecond: Int = 1000, width: Int = .max) {
    (self.lanes, self.ticksPerSecond, self.width) = (lanes, ticksPerSecond, width)
  }

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
    let ladder = Ladder(
      observation, lanes: lanes, limit: .max, marks: false, ticksPerSecond: ticksPerSecond)
    let lines = ladder.lines(width: width)
    let ready = all || ladder.lastIsComplete ? lines.count : lines.count - ladder.lastLines(width: width)
    guard ready > max(shown, 1) else { return [] }
    defer { shown = ready }
    return Array(lines[shown..<ready])
  }
}
