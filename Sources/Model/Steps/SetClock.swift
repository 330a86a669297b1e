/// Changes the timestamp clock of a client's group while its connections are open. Both must be offsets.
public struct SetClock: StepAction {
  public var client: String
  public var to: Clock

  public init(client: String, to: Clock) {
    self.client = client
    self.to = to
  }

  public static let verb = Verb(
    "clock", "the timestamp clock of a group jumps while its connections are open",
    subject: .entries(key: .name(.client), .clock(onlyOffsets: true)), options: [],
    example: "{clock: {late: -600000}}")

  public static func read(_ words: StepWords) -> [SetClock] {
    (words.subject.entries ?? []).compactMap { client, value in
      value.clock.map { SetClock(client: client, to: $0) }
    }
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    if case .offset(let milliseconds) = to {
      "\(client)'s clock jumps to \(milliseconds) ms"
    } else {
      "\(client)'s clock changes"
    }
  }

  public var groups: [String] { [client] }
  public var names: [String] { [client] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netAdmin) { $0.movesClocks = [client] } }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? {
    guard case .offset(let milliseconds) = to else { return nil }
    return outside("clock", milliseconds, -Bounds.offset...Bounds.offset)
  }
  public func mistake(in test: Case) -> StepMistake? {
    let isOffset = test.network.clients.filter { $0.group == client }.allSatisfy {
      if case .offset = $0.clock { true } else { false }
    }
    return isOffset
      ? nil : StepMistake("\(client)'s clock is no offset, so it cannot step", at: Self.verb.name)
  }
  public func perNode(_ members: (String) -> [String]) -> [SetClock] { [self] }
}

extension Step {
  public static func clock(client: String, to clock: Clock) -> Step {
    Step(SetClock(client: client, to: clock))
  }
}
