import Judging
import Model

/// Who is hurt by what, and under which smallest set of settings: what a matrix of cases comes to, as one sentence.
///
/// Computed from what was seen, and from no expectation: a condition names the fewest axes whose values no case has that
/// is not hurt so. Axes that decide nothing (families, backends, controls) are in none. Of several conditions any one is
/// enough. It speaks of the cases that ran, and of no others.
public struct Finding: Sendable {
  public var scenario: String
  /// Whose connections: a label of the lab file's.
  public var label: String
  /// `dropped by tw-paws`, `dropped or delayed by tw-paws`; nil where nobody was hurt.
  public var effect: String?
  /// Which of an axis' values makes which of the effects, where one mechanism has several.
  public var split: [Share] = []
  /// Any one of them is enough, and there is no case without one; a condition that is empty holds in every case. None
  /// where no condition tells those cases from the others.
  public var conditions: [Condition]
  /// Where: in the results' order.
  public var kernels: [String]
  /// Cases in which it was so on the first of the kernels, and all that were judged there.
  public var cases: (hurt: Int, all: Int)
  /// Attempts of the label that it was so for in those cases, where it was not so for all.
  public var share: (hurt: Int, all: Int)?
  /// The first case that shows it, at its worst, with its seed where there is one.
  public var proof: String
  /// `tw-paws`; nil where none is known.
  public var mechanism: String?
  /// Whether a case has more than one connection of the label.
  public var isMany = false

  /// One of several outcomes of a mechanism, and the values of one axis with which it is that one.
  public struct Share: Sendable, Equatable {
    public var outcome: String
    public var part: Condition.Part
  }

  /// Values of axes that come together.
  public struct Condition: Sendable, Equatable {
    public var axes: [Part]

    /// An axis, and which of its values.
    public struct Part: Sendable, Equatable {
      public var axis: String
      public var values: [String]

      /// `late.clock=behind|far-behind`
      public var text: String { "\(axis)=\(values.joined(separator: "|"))" }
    }

    /// `server.tcp_rfc1337=1 and late.clock=behind|far-behind`
    public var text: String { axes.map(\.text).listed("and") }
  }

  /// More conditions than that are a table, and no sentence.
  private static let most = 4

  private func isLike(_ other: Finding) -> Bool {
    scenario == other.scenario && label == other.label && effect == other.effect
      && conditions == other.conditions && split == other.split
  }

  /// `late is dropped by tw-paws where server.tcp_rfc1337=1 and late.clock=behind`: a sentence without its stop.
  public var text: String {
    guard let effect else { return "nobody is hurt, in \(cases.all) cases" }
    return "\(subject) \(verb(effect))\(place)"
  }

  /// `late is`, `all of late are`, `5 of 24 of late are`.
  private var subject: String {
    if let share { return "\(share.hurt) of \(share.all) of \(label) \(share.hurt == 1 ? "is" : "are")" }
    return isMany ? "all of \(label) are" : "\(label) is"
  }

  /// `dropped (server.tcp_rfc1337=1) or delayed (server.tcp_rfc1337=0) by tw-paws`
  private func verb(_ effect: String) -> String {
    guard !split.isEmpty else { return effect }
    let outcomes = split.map { "\($0.outcome) (\($0.part.text))" }.listed("or")
    return outcomes + (mechanism.map { " by \($0)" } ?? "")
  }

  /// ` where a=1 and either b=2 or c=3`: what all conditions have in common comes first, once.
  private var place: String {
    if conditions.count > Self.most { return " under more than \(Self.most) conditions" }
    if conditions.contains(where: \.axes.isEmpty) { return cases.all > 1 ? " in every case" : "" }
    guard let first = conditions.first else { return "" }
    let common = first.axes.filter { part in conditions.allSatisfy { $0.axes.contains(part) } }
    // What the outcomes in brackets say already.
    let said = Set(split.flatMap(\.part.values))
    let words = common.filter { $0.axis != split.first?.part.axis || Set($0.values) != said }.map(\.text)
    let rest = conditions.map { condition in
      condition.axes.filter { !common.contains($0) }.map(\.text).joined(separator: " with ")
    }
    let either = conditions.count > 1 ? ["either " + rest.listed("or")] : []
    return words.isEmpty && either.isEmpty ? "" : " where " + (words + either).listed("and")
  }

  /// The words of ``effect`` before its mechanism.
  var outcomes: [String] {
    guard let effect else { return [] }
    return split.isEmpty ? [String(effect.prefix { $0 != " " })] : split.map(\.outcome)
  }

  /// `12 of 84 cases`
  public var extent: String { "\(cases.hurt) of \(cases.all) \(cases.all == 1 ? "case" : "cases")" }

  /// `, on debian-12`; nothing where there is one kernel.
  func place(among kernels: [String]) -> String {
    kernels.count > 1 ? ", on \(self.kernels.joined(separator: ", "))" : ""
  }

  /// Scenario by scenario; of several kernels each where it is so.
  public static func lines(_ findings: [Finding], kernels: [String]) -> [String] {
    var lines: [String] = []
    var scenario: String?
    for finding in findings {
      if finding.scenario != scenario { lines.append(finding.scenario) }
      scenario = finding.scenario
      let place = finding.place(among: kernels)
      lines.append("  \(finding.text)" + (finding.effect == nil ? place : ""))
      if finding.effect != nil { lines.append("    \(finding.extent)\(place), as in \(finding.proof)") }
    }
    return lines
  }

  // MARK: from cases

  /// Of all scenarios, in their order, and of each the widest first.
  public static func all(_ entries: [Results.Entry], on kernels: [String]) -> [Finding] {
    let judged = entries.filter { [.pass, .fail].contains($0.verdict) && $0.over == nil }
    let places = Dictionary(grouping: judged) { [$0.scenario, $0.kernel] }
    return Results.scenarios(of: entries).flatMap { scenario in
      var found: [Finding] = []
      for kernel in kernels {
        for finding in of(places[[scenario, kernel]] ?? [], kernel) {
          if let index = found.firstIndex(where: { $0.isLike(finding) }) {
            found[index].kernels.append(kernel)
          } else {
            found.append(finding)
          }
        }
      }
      return found
    }
  }

  /// On one kernel.
  private static func of(_ entries: [Results.Entry], _ kernel: String) -> [Finding] {
    guard let first = entries.first else { return [] }
    let matrix = Matrix(entries)
    var hurt: [Hurt] = []
    for (number, entry) in entries.enumerated() {
      for attempt in entry.attempts {
        guard let outcome = attempt.harm else { continue }
        let (label, mechanism) = (attempt.attempt.label, attempt.mechanism)
        let known = hurt.firstIndex {
          $0.label == label && $0.outcomes == [outcome] && $0.mechanism == mechanism
        }
        if known == nil { hurt.append(Hurt(label: label, mechanism: mechanism, outcomes: [outcome])) }
        let index = known ?? hurt.count - 1
        if hurt[index].cases.last != number { hurt[index].cases.append(number) }
        hurt[index].attempts += 1
      }
    }
    guard !hurt.isEmpty else {
      return [
        Finding(
          scenario: first.scenario, label: "", effect: nil, conditions: [], kernels: [kernel],
          cases: (0, entries.count), proof: first.key)
      ]
    }
    for index in hurt.indices { hurt[index].conditions = matrix.conditions(of: hurt[index].cases) }
    return merged(hurt, in: matrix).map { hurt in
      let own = hurt.cases.map { number in entries[number].attempts.count { $0.attempt.label == hurt.label } }
      let all = own.reduce(0, +)
      return Finding(
        scenario: first.scenario, label: hurt.label, effect: hurt.effect, split: hurt.split,
        conditions: hurt.conditions, kernels: [kernel],
        cases: (hurt.cases.count, entries.count), share: hurt.attempts == all ? nil : (hurt.attempts, all),
        proof: entries[hurt.proof ?? hurt.cases[0]].key, mechanism: hurt.mechanism,
        isMany: own.contains { $0 > 1 })
    }.sorted { ($1.cases.hurt, $0.label, $0.effect ?? "") < ($0.cases.hurt, $1.label, $1.effect ?? "") }
  }

  private struct Hurt {
    var label: String
    var mechanism: String?
    /// Worst first; one for each of ``split`` where there are several.
    var outcomes: [Outcome]
    var cases: [Int] = []
    /// The case that shows it, where that is not the first.
    var proof: Int?
    var attempts = 0
    var conditions: [Condition] = []
    var split: [Share] = []

    var effect: String {
      outcomes.map(\.rawValue).listed("or") + (mechanism.map { " by \($0)" } ?? "")
    }

    /// How many words the conditions take.
    var length: Int { conditions.reduce(0) { $0 + $1.axes.count } }
  }

  /// With what one mechanism does to one label as one, where a single axis decides which of its outcomes it is, and the
  /// sentence is not longer for it than the several were.
  private static func merged(_ hurt: [Hurt], in matrix: Matrix) -> [Hurt] {
    var rest = hurt
    var result: [Hurt] = []
    while !rest.isEmpty {
      let first = rest.removeFirst()
      let others = rest.filter { $0.label == first.label && $0.mechanism == first.mechanism }
      if first.mechanism != nil, !others.isEmpty, let one = merged([first] + others, matrix) {
        result.append(one)
        rest.removeAll { $0.label == first.label && $0.mechanism == first.mechanism }
      } else {
        result.append(first)
      }
    }
    return result
  }

  private static func merged(_ parts: [Hurt], _ matrix: Matrix) -> Hurt? {
    let parts = parts.sorted { $0.outcomes[0].severity < $1.outcomes[0].severity }
    let cases = parts.flatMap(\.cases).sorted()
    guard Set(cases).count == cases.count, let axis = matrix.axis(telling: parts.map(\.cases)) else {
      return nil
    }
    var one = parts[0]
    one.proof = one.cases.first
    one.cases = cases
    one.outcomes = parts.flatMap(\.outcomes)
    one.attempts = parts.reduce(0) { $0 + $1.attempts }
    one.conditions = matrix.conditions(of: cases)
    one.split = zip(parts, axis.values).map { Share(outcome: $0.outcomes[0].rawValue, part: $1) }
    let alone = parts.reduce(0) { $0 + $1.length }
    let isTold = parts.allSatisfy { (1...Self.most).contains($0.conditions.count) }
    guard (1...Self.most).contains(one.conditions.count), !isTold || one.length <= alone else { return nil }
    return one
  }
}

extension JudgedAttempt {
  /// What nobody wants; nil for what anybody does.
  var harm: Outcome? {
    outcome.flatMap { [.connected, .served, .delivered].contains($0) ? nil : $0 }
  }

  /// By which mechanism, where it is known and has a name: what only the author knows has none.
  var mechanism: String? {
    holds ? expected.mechanism.flatMap { $0 == "witnesses" ? nil : $0.rawValue } : nil
  }
}

extension Outcome {
  /// The less the worse.
  var severity: Int {
    let order: [Outcome] = [
      .dropped, .lost, .refused, .unreachable, .reset, .exhausted, .unacknowledged, .delayed,
    ]
    return order.firstIndex(of: self) ?? order.count
  }
}

extension [String] {
  /// `a, b and c`
  func listed(_ word: String) -> String {
    guard count > 1, let last else { return first ?? "" }
    return dropLast().joined(separator: ", ") + " \(word) \(last)"
  }
}
