import Evidence
import Model

/// One thing that was held against what was expected of it.
public struct Witness: Sendable, Equatable {
  /// What was looked at.
  public var subject: Subject
  /// What was expected.
  public var expected: Reading
  /// What was seen.
  public var seen: Reading
  /// Whether the two agree.
  public var holds: Bool
  /// True where the kernel only said less often why it dropped than packets and counters show that it did.
  public var unheard: Bool?

  /// What a witness looks at.
  public enum Subject: Codable, Sendable, Hashable {
    /// How far a node's counter moved: `TcpExt.PAWSEstab`.
    case counter(node: String, name: String)
    /// Packets of an attempt, as its mechanism calls them: `old ACKs`.
    case packets(of: Title, what: String)
    /// Segments of an attempt that the kernel threw away for one of these reasons.
    case reason(of: Title, names: [String])
    /// What the server remembered of the attempt's source.
    case stamp(of: Title)
    /// A client's timestamps on the wire.
    case clock(client: String)
    /// A client's initial sequence numbers on the wire.
    case isn(client: String)
    /// Whose address a server saw; of no attempt where none was accepted.
    case source(of: Title?, server: String?)
    /// Which server served the attempts of a label.
    case served(label: String)
    /// What a prediction said of the attempts of a label.
    case branches(label: String)
    /// How many of the attempts of a label were refused over the seeds of a run.
    case share(label: String)
    /// Attempts of a label that were made.
    case attempts(label: String)
    /// How long the servers' TIME_WAIT sockets had left.
    case timeWait
    /// Sockets of a node in the end, as the lab file names them: `TIME-WAIT`.
    case sockets(node: String, named: String)
    /// Entries of a node's conntrack table in the end.
    case conntrack(node: String, named: String)
    /// Entries of a director's connection table in the end.
    case ipvs(node: String, named: String)
    /// Segments that a node threw away for a reason.
    case drops(node: String, reason: String)
    /// Packets that a lab file describes.
    case pattern(text: String)
    /// What a saved file calls by a name only.
    case text(name: String)
  }

  /// Names an attempt: `late #1`.
  public struct Title: Codable, Sendable, Hashable {
    public var label: String
    public var id: Int

    /// Makes a name.
    public init(label: String, id: Int) { (self.label, self.id) = (label, id) }

    /// The name of an attempt.
    public init(_ attempt: Attempt) { self.init(label: attempt.label, id: attempt.id) }
  }

  /// What is expected or seen.
  public enum Reading: Codable, Sendable, Hashable {
    case number(_ number: Int)
    /// At least, and at most where that is bounded.
    case range(from: Int, to: Int?)
    case words(_ words: String)

    /// Whether a number is what is expected.
    func accepts(_ number: Int) -> Bool {
      switch self {
      case .number(let wanted): number == wanted
      case .range(let from, let to): from <= number && number <= to ?? .max
      case .words: false
      }
    }

    /// `1...3`, or `2` where both ends are that.
    static func within(_ range: ClosedRange<Int>) -> Reading {
      range.count == 1 ? .number(range.lowerBound) : .range(from: range.lowerBound, to: range.upperBound)
    }
    /// That, or more.
    static func atLeast(_ number: Int) -> Reading { .range(from: number, to: nil) }
  }

  /// Makes a witness.
  public init(_ subject: Subject, expected: Reading, seen: Reading, holds: Bool, unheard: Bool? = nil) {
    self.subject = subject
    self.expected = expected
    self.seen = seen
    self.holds = holds
    self.unheard = unheard
  }

  /// A number that is as expected, or is not.
  init(_ subject: Subject, expected: Reading, seen: Int) {
    self.init(subject, expected: expected, seen: .number(seen), holds: expected.accepts(seen))
  }
}

extension Witness: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, expected, seen, holds, unheard, subject, wanted, was
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let holds = try container.decode(Bool.self, forKey: .holds)
    self.init(
      try container.decode(Subject.self, forKey: .subject),
      expected: try container.decode(Reading.self, forKey: .wanted),
      seen: try container.decode(Reading.self, forKey: .was), holds: holds,
      unheard: try container.decodeIfPresent(Bool.self, forKey: .unheard))
  }

  /// Writes the words too, for who reads them.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(expectedWords, forKey: .expected)
    try container.encode(seenWords, forKey: .seen)
    try container.encode(holds, forKey: .holds)
    try container.encodeIfPresent(unheard, forKey: .unheard)
    try container.encode(subject, forKey: .subject)
    try container.encode(expected, forKey: .wanted)
    try container.encode(seen, forKey: .was)
  }

  /// By the words of a version that had nothing else: `server TcpExt.PAWSEstab`, `+1`, `+0`.
  public init(name: String, expected: String, seen: String, holds: Bool, unheard: Bool? = nil) {
    let words = name.split(separator: " ")
    if words.count == 2, words[1].contains("."), let moved = Self.change(seen),
      let wanted = Self.changes(expected)
    {
      self.init(
        .counter(node: String(words[0]), name: String(words[1])), expected: wanted, seen: .number(moved),
        holds: holds, unheard: unheard)
    } else {
      self.init(
        .text(name: name), expected: .words(expected), seen: .words(seen), holds: holds, unheard: unheard)
    }
  }

  /// `+2`
  private static func change(_ text: some StringProtocol) -> Int? {
    text.first == "+" ? Int(text.dropFirst()) : nil
  }

  /// `+2`, `+1 to +3`
  private static func changes(_ text: String) -> Reading? {
    let ends = text.split(separator: " to ", omittingEmptySubsequences: false).map { change($0) }
    guard let first = ends.first, let from = first, ends.count <= 2, let last = ends.last, let to = last
    else { return nil }
    return from == to ? .number(from) : .range(from: from, to: to)
  }
}
