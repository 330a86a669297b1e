import Evidence
import Model

/// One way in which a connection or a byte comes to an end that is not the plain one: its name, what it explains, the
/// witnesses that show it and no other, what is said beside its packets, what takes it away.
///
/// A mechanism costs one file: `Mechanisms/TimeWaitPaws.swift` holds `struct TimeWaitPaws: MechanismRule`, and nothing
/// else names it. The build lists the folder (the plugin `Registry`), and from that list come
/// - ``Model/Expectation/all`` and ``Model/Expectation/init(text:)``: what a lab file may expect, so its schema too,
/// - ``Model/Mechanism/all``: names, outcomes, summaries and sources for a printed reference,
/// - the judge's witnesses, the remarks beside packets, the mutants of `bench mutate`.
///
/// The witnesses of a mechanism must be enough: whatever else gives the same symptom must fail one of them. Each has a
/// test that passes, and one where another cause did the same.
package protocol MechanismRule: Sendable {
  init()

  /// As a lab file writes it behind `by`: `tw-paws`.
  var name: Mechanism { get }
  /// What it explains, in the order in which a reference prints it.
  var outcomes: [Outcome] { get }
  /// What happens, in one line without a full stop.
  var summary: String { get }
  /// Where that is so: kernel functions, commits, RFCs.
  var source: String { get }

  /// Adds to the book what one attempt must have moved, and what its packets must show.
  func expect(_ book: inout Book)

  /// For a mechanism that explains `predicted`: what an attempt does by the rule, from what was captured.
  func predict(_ book: Book) -> Expectation?
  /// Whether of all that it predicts in such a case some must be plain and some not; else it would not be known whether
  /// it was ever asked.
  func branches(in test: Case) -> Bool

  /// What is said beside a SYN that reached a server and was not answered.
  ///
  /// - Parameter counts: whether the whole case holds, so that each counter moved by just so much and may be named.
  func refusal(_ book: Book, counts: Bool) -> String?
  /// What is said beside a SYN that reached no server.
  func loss(_ book: Book, counts: Bool) -> String?
  /// What else is worth a word.
  func remarks(_ book: Book, counts: Bool) -> [Remark]

  /// What takes the cause away: under the same expectation the case must fail.
  var mutations: [Mutation] { get }
}

/// A word beside a packet.
package struct Remark {
  /// The packet.
  var segment: Segment
  var text: String
  /// Whether the kernel's own reason for a drop, where it gave one, belongs to it.
  var dropped = true
}

extension MechanismRule {
  package func predict(_ book: Book) -> Expectation? { nil }
  package func branches(in test: Case) -> Bool { true }
  package func refusal(_ book: Book, counts: Bool) -> String? { nil }
  package func loss(_ book: Book, counts: Bool) -> String? { nil }
  package func remarks(_ book: Book, counts: Bool) -> [Remark] { [] }
}

extension Mechanism {
  /// What a mechanism is, for a reference.
  public struct Description: Sendable {
    public var name: Mechanism
    /// What a lab file may expect of it.
    public var expectations: [Expectation]
    /// One line.
    public var summary: String
    /// Kernel functions, commits, RFCs.
    public var source: String
  }

  /// Every mechanism, by name.
  public static let all: [Description] = registeredMechanisms.map { rule in
    Description(
      name: rule.name, expectations: rule.outcomes.map { Expectation($0, by: rule.name) },
      summary: rule.summary,
      source: rule.source)
  }.sorted { $0.name.rawValue < $1.name.rawValue }

  private static let rules: [Mechanism: any MechanismRule] = Dictionary(
    uniqueKeysWithValues: registeredMechanisms.map { ($0.name, $0) })

  /// What there is to the name; nil for one that this version of the lab does not know.
  package var rule: (any MechanismRule)? { Self.rules[self] }
}

extension Expectation {
  /// Those that need no mechanism.
  public static let plain: [Expectation] = [
    Expectation(.connected), Expectation(.delivered), Expectation(.refused),
  ]

  /// Every expectation that a lab file may name; any other pair is a mistake.
  public static let all: [Expectation] = plain + Mechanism.all.flatMap(\.expectations)

  private static let byText = Dictionary(uniqueKeysWithValues: all.map { ($0.description, $0) })

  /// Reads `outcome` or `outcome by mechanism`; nil unless it is in ``all``.
  public init?(text: String) {
    guard let found = Self.byText[text] else { return nil }
    self = found
  }
}
