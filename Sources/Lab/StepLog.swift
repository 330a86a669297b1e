import Evidence
import Model
import Wire

/// What steps of a kept network have done, for whoever asked for them.
public struct StepTold: Sendable {
  /// What was asked, and how far the case is.
  public var asked: Stepped
  /// That ended since then.
  public var attempts: [Attempt]
  /// That passed since then.
  public var packets: [Packet]
  /// All since the first step, these among them.
  public var all: [Packet]
  /// Everything, once the last step is done.
  public var observation: Observation?
}

/// Gathers what the worker of a kept network tells, until somebody is to be answered.
struct StepLog {
  /// The lines of an answer, and the status that its program ends with.
  typealias Answer = @Sendable (StepTold) -> (lines: [String], status: Int)

  private let answer: Answer
  private var reader = Pcapng.Reader()
  private var attempts: [Attempt] = []
  private var packets: [Packet] = []
  /// Of all steps.
  private var all: [Packet] = []
  private var observation: Observation?
  private var hasBegun = false
  /// More are kept by nobody: a shell may stay open for days.
  private static let most = 200_000
  /// What a pipe takes at once, with room for the last line.
  private static let longest = 60_000

  init(_ answer: @escaping Answer) { self.answer = answer }

  /// What the worker is to pass on because of this event; nil for most.
  mutating func take(_ event: WorkerEvent) throws -> [UInt8]? {
    switch event {
    case .packets(let piece):
      let new = try reader.add(piece)
      if packets.count < Self.most { packets += new }
      if hasBegun, all.count < Self.most { all += new }
    case .step:
      // What passed before was not the case's.
      if !hasBegun { packets = [] }
      hasBegun = true
    case .attempt(let attempt): attempts.append(attempt)
    case .observation(let seen): observation = seen
    case .asked(let asked):
      let all = all.sorted { $0.time < $1.time }
      var seen = observation
      seen?.packets = all
      let told = StepTold(
        asked: asked, attempts: attempts, packets: packets, all: all, observation: seen)
      (attempts, packets, observation) = ([], [], nil)
      let (lines, status) = answer(told)
      var text = "= \(asked.asker)\n"
      for line in lines {
        guard text.utf8.count + line.utf8.count < Self.longest else {
          text += "...\n"
          break
        }
        // No line of ours is taken for the last.
        text += (line.hasPrefix(". ") ? " " : "") + line + "\n"
      }
      return Array("\(text). \(asked.asker) \(status)\n".utf8)
    default: break
    }
    return nil
  }
}
