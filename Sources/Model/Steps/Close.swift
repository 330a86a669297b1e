/// Ends connections that were left open, at one end: by a FIN of close(2) or shutdown(2), or by a RST.
public struct Close: StepAction {
  /// Which end.
  public var end: Step.End
  /// Whose connections, by a group of clients or a label; nil for all that are open.
  public var on: String?
  /// Only the writing half: a FIN, and what the other end sends is still read (shutdown(2), SHUT_WR).
  public var half: Bool?
  /// By a RST (SO_LINGER of 0 s).
  public var aborts: Bool?
  /// What the other end does with the FIN; nil is ``Peer/closes`` of a whole close, ``Peer/stays`` of a half one.
  public var peer: Peer?

  /// What the other end does when it has read the FIN.
  public enum Peer: String, Codable, Sendable, CaseIterable {
    /// It closes too.
    case closes
    /// It never does: CLOSE_WAIT there, FIN_WAIT2 here.
    case stays
  }

  enum CodingKeys: String, CodingKey { case end, on, half, aborts = "abort", peer }

  public init(
    _ end: Step.End, on: String? = nil, half: Bool? = nil, aborts: Bool? = nil, peer: Peer? = nil
  ) {
    (self.end, self.on, self.half, self.aborts, self.peer) = (end, on, half, aborts, peer)
  }

  /// Whether the other end leaves the FIN without one of its own.
  public var staysOpen: Bool { (peer ?? (half == true ? .stays : .closes)) == .stays }

  public static let verb = Verb(
    "close", "one end closes connections that were left open",
    subject: .word(Step.End.allCases.map(\.rawValue)),
    options: [
      Field(
        "on", .either([.name(.client), .name(.label)]), byDefault: "all that are open",
        "whose connections, by group or by label"),
      Field("half", .flag, byDefault: "false", "only the writing half: shutdown(SHUT_WR)"),
      Field("abort", .flag, byDefault: "false", "by a RST: SO_LINGER 0"),
      Field(
        "peer", .word(Peer.allCases.map(\.rawValue)), byDefault: "closes; stays where only half is closed",
        "what the other end does with the FIN"),
    ],
    example: "{close: server, on: late, peer: stays}")

  public static func read(_ words: StepWords) -> [Close] {
    guard let end = words.subject.text.flatMap(Step.End.init) else { return [] }
    return [
      Close(
        end, on: words["on"]?.text, half: words["half"]?.flag, aborts: words["abort"]?.flag,
        peer: words.word("peer"))
    ]
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    let what = on.map { "\($0)'s connections" } ?? "all open connections"
    if aborts == true { return "the \(end.rawValue) resets \(what)" }
    return "the \(end.rawValue) closes \(half == true ? "its half of " : "")\(what)"
      + (staysOpen ? ", the other end stays" : "")
  }

  public var groups: [String] { [] }
  public var names: [String] { [] }
  public var refersTo: [String] { on.map { [$0] } ?? [] }
  public var closes: Step.Closer? { aborts == true ? nil : end == .client ? .client : .server }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs() }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    let opened = test.opened(before: index, by: on)
    return Step.Limits(
      attempt: Deadlines.settling, whole: max(1, opened).multiplied(by: 2 * Deadlines.settling))
  }
  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? {
    if aborts == true, half == true || peer != nil {
      return StepMistake("a RST leaves nothing to stay or to be half", at: half == true ? "half" : "peer")
    }
    return test.unknownOpener(on)
  }
  public func perNode(_ members: (String) -> [String]) -> [Close] { [self] }
}
