import Model

/// A lab file that does again what a diagnosis has named, with what was brought.
public struct Enactment: Sendable {
  /// As the lab calls it, `tw-paws`.
  public let mechanism: String
  /// What they saw, as an expectation says it: `dropped by tw-paws`.
  public let expected: String
  /// The label of the attempt that theirs is.
  public let label: String
  /// The lab file.
  public let text: String
  /// What nothing that was brought tells.
  public let untold: [String]
  /// What is otherwise in the lab file than it was there.
  public let changed: [String]
  /// Their kernel's release, where it was brought.
  public let kernel: String?
  /// A release from which on the kernel no longer does so: `4.12`.
  public let before: (major: Int, minor: Int)?
  /// Where their packets were seen, and the lab's are looked at.
  public let vantage: Vantage
  let story: Story

  /// Why there is none.
  public struct Refusal: Error, CustomStringConvertible {
    public var description: String
  }

  /// The capture that tells of it, by its number among those that were added.
  public var capture: Int { story.reading.capture }

  init(_ story: Story) throws(Refusal) {
    guard let plot = Plot(story) else {
      throw Refusal(description: "no packet tells enough of \(story.mechanism) to do it again")
    }
    self.story = story
    mechanism = story.mechanism
    expected = "\(plot.outcome) by \(story.mechanism)"
    label = plot.label
    (untold, changed) = (plot.untold, plot.changed)
    kernel = story.facts.kernel
    before = plot.before.map { ($0.0, $0.1) }
    vantage =
      switch story.view {
      case .client: .client
      case .hop: .hop
      case .server, .between, .unknown: .server
      }
    text = EnactText(story, plot, expected: expected).text
  }
}

extension Incident {
  /// What a lab file does that shows the same.
  ///
  /// - Parameter suspect: the mechanism, one that fits; nil for the surest that was named.
  /// - Throws: `Enactment.Refusal`: nothing is named, or no packet tells enough of it.
  public func enacted(_ suspect: String? = nil) throws(Enactment.Refusal) -> Enactment {
    let answer = self.answer()
    let named = answer.suspects.filter { $0.isMechanism && (suspect != nil || $0.certainty >= .likely) }
    let chosen = named.filter { suspect == nil || $0.name == suspect }
    guard !chosen.isEmpty else {
      let fitting = answer.fitting.sorted().joined(separator: ", ")
      if let suspect {
        throw Enactment.Refusal(
          description: "\(suspect) does not fit what was brought; "
            + (fitting.isEmpty ? "no mechanism does" : "these do: \(fitting)"))
      }
      throw Enactment.Refusal(
        description: "no mechanism is named"
          + (fitting.isEmpty ? "" : "; --suspect takes one that fits and asks: \(fitting)"))
    }
    let readings = Reasoner(self).readings()
    var refusal: Enactment.Refusal?
    for suspect in chosen {
      let own = readings.filter { $0.fits.contains { $0.cause.name == suspect.name } }
      guard let best = own.max(by: { Self.tells($0, suspect.name) < Self.tells($1, suspect.name) }) else {
        refusal =
          refusal
          ?? Enactment.Refusal(
            description:
              "\(suspect.name) is named by counters and settings alone: a capture has who, by which ports, and when"
          )
        continue
      }
      let capture = captures[best.capture]
      let story = Story(
        mechanism: suspect.name, certainty: suspect.certainty, reading: best, view: capture.view,
        facts: facts,
        traffic: capture.traffic, evidence: best.fits.first { $0.cause.name == suspect.name }?.evidence ?? [])
      return try Enactment(story)
    }
    throw refusal ?? Enactment.Refusal(description: "no mechanism is named")
  }

  /// How much an attempt tells of a cause: how sure it is, then what lay before it, then how often it asked.
  private static func tells(_ reading: Reading, _ cause: String) -> Int {
    let certainty = reading.fits.first { $0.cause.name == cause }?.certainty ?? .possible
    let life = reading.life
    let sure = certainty == .shown ? 4000 : certainty == .likely ? 2000 : 0
    let past =
      (life.past != nil ? 400 : 0) + (life.oldAck != nil ? 200 : 0) + (life.past?.wasWhole == true ? 100 : 0)
    return sure + past + min(90, life.syns * 10)
  }
}
