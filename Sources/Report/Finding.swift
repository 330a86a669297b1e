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
  /// `dropped by tw-paws`; nil where nobody was hurt.
  public var effect: String?
  /// Any one of them is enough, and there is no case without one; a condition that is empty holds in every case. None
  /// where no condition tells those cases from the others.
  public var conditions: [Condition]
  /// Where: in the results' order.
  public var kernels: [String]
  /// Cases in which it was so on the first of the kernels, and all that were judged there.
  public var cases: (hurt: Int, all: Int)
  /// Attempts of the label that it was so for in those cases, where it was not so for all.
  public var share: (hurt: Int, all: Int)?
  /// The first case that shows it, with its seed where there is one.
  public var proof: String

  /// Values of axes that come together.
  public struct Condition: Sendable, Equatable {
    public var axes: [Part]

    /// An axis, and which of its values.
    public struct Part: Sendable, Equatable {
      public var axis: String
      public var values: [String]
    }

    /// `server.tcp_rfc1337=1, late.clock=behind|far-behind`
    public var text: String {
      axes.map { "\($0.axis)=\($0.values.joined(separator: "|"))" }.joined(separator: ", ")
    }
  }

  /// More conditions than that are a table, and no sentence.
  private static let most = 4

  private func isLike(_ other: Finding) -> Bool {
    scenario == other.scenario && label == other.label && effect == other.effect
      && conditions == other.conditions
  }

  /// `late: dropped by tw-paws where server.tcp_rfc1337=1, late.clock=behind`
  public var text: String {
    guard let effect else { return "nobody is hurt, in \(cases.all) cases" }
    var text = "\(label): \(effect)"
    if conditions.count > Self.most {
      text += " under more than \(Self.most) conditions"
    } else if conditions.contains(where: \.axes.isEmpty) {
      text += cases.all > 1 ? " in every case" : ""
    } else if !conditions.isEmpty {
      text += " where " + conditions.map(\.text).joined(separator: "; or where ")
    }
    if let share { text += " (\(share.hurt) of \(share.all) connections there)" }
    return text
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
      if finding.effect != nil { lines.append("    \(finding.extent)\(place)") }
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
        guard let effect = effect(of: attempt) else { continue }
        let label = attempt.attempt.label
        let index =
          hurt.firstIndex { $0.label == label && $0.effect == effect }
          ?? {
            hurt.append(Hurt(label: label, effect: effect))
            return hurt.count - 1
          }()
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
    return hurt.map { hurt in
      let all = hurt.cases.reduce(0) { sum, number in
        sum + entries[number].attempts.count { $0.attempt.label == hurt.label }
      }
      return Finding(
        scenario: first.scenario, label: hurt.label, effect: hurt.effect,
        conditions: matrix.conditions(of: hurt.cases), kernels: [kernel],
        cases: (hurt.cases.count, entries.count), share: hurt.attempts == all ? nil : (hurt.attempts, all),
        proof: entries[hurt.cases[0]].key)
    }.sorted { ($1.cases.hurt, $0.label, $0.effect ?? "") < ($0.cases.hurt, $1.label, $1.effect ?? "") }
  }

  private struct Hurt {
    var label: String
    var effect: String
    var cases: [Int] = []
    var attempts = 0
  }

  /// `dropped by tw-paws`; nil for what anybody wants.
  private static func effect(of attempt: JudgedAttempt) -> String? {
    guard let outcome = attempt.outcome, ![.connected, .served, .delivered].contains(outcome) else {
      return nil
    }
    // What only the author knows has no name.
    let mechanism = attempt.holds ? attempt.expected.mechanism.flatMap { $0 == "witnesses" ? nil : $0 } : nil
    return outcome.rawValue + (mechanism.map { " by \($0.rawValue)" } ?? "")
  }
}

/// Cases as numbers: which value each has of each axis.
private struct Matrix {
  private let axes: [String]
  private var values: [[String]]
  private var rows: [[Int]] = []

  /// Conditions are sought among so many axes, the first: a set of axes is a bit pattern, and all of them are tried.
  private static let axesForAllSets = 12

  init(_ entries: [Results.Entry]) {
    axes = entries.first?.axisOrder ?? []
    values = axes.map { _ in [] }
    for entry in entries {
      var row: [Int] = []
      for (place, axis) in axes.enumerated() {
        let value = entry.axes[axis] ?? ""
        if !values[place].contains(value) { values[place].append(value) }
        row.append(values[place].firstIndex(of: value) ?? 0)
      }
      rows.append(row)
    }
  }

  /// Of the fewest axes, and few of them: greedily the one that says most of what is not said yet.
  func conditions(of hurt: [Int]) -> [Finding.Condition] {
    let isHurt = Set(hurt)
    let others = rows.indices.filter { !isHurt.contains($0) }
    // No case twice with the same values and not the same effect, or nothing tells them apart.
    guard !others.isEmpty else { return [Finding.Condition(axes: [])] }
    let sets = (0..<(1 << min(axes.count, Self.axesForAllSets))).sorted {
      ($0.nonzeroBitCount, $0) < ($1.nonzeroBitCount, $1)
    }
    var left = hurt
    var found: [Finding.Condition] = []
    while let conjunction = best(for: left, against: others, sets) {
      let wide = widened(conjunction, hurt, against: others)
      left.removeAll { row in matches(row, wide) }
      found.append(
        Finding.Condition(
          axes: wide.map { place, allowed in
            .init(axis: axes[place], values: allowed.sorted().map { values[place][$0] })
          }))
    }
    return left.isEmpty ? found : []
  }

  private typealias Conjunction = [(place: Int, allowed: Set<Int>)]

  private func matches(_ row: Int, _ conjunction: Conjunction) -> Bool {
    conjunction.allSatisfy { $0.allowed.contains(rows[row][$0.place]) }
  }

  /// Of the smallest sets of axes that tell one of the cases from all others: that which tells most of them.
  private func best(for left: [Int], against others: [Int], _ sets: [Int]) -> Conjunction? {
    var best: (size: Int, covered: Int, conjunction: Conjunction)?
    for row in left {
      // Axes on which the two have the same value.
      let alike = others.map { other in
        rows[row].indices.reduce(0) { $0 | (rows[row][$1] == rows[other][$1] ? 1 << $1 : 0) }
      }
      for set in sets {
        let size = set.nonzeroBitCount
        if let best, size > best.size { break }
        guard !alike.contains(where: { $0 & set == set }) else { continue }
        let conjunction = axes.indices.filter { set >> $0 & 1 == 1 }.map {
          (place: $0, allowed: Set([rows[row][$0]]))
        }
        let covered = left.count { matches($0, conjunction) }
        if let known = best, known.size == size, known.covered >= covered { continue }
        best = (size, covered, conjunction)
      }
    }
    return best?.conjunction
  }

  /// With the further values of each axis with which it is still true of no other case, and of one that is hurt.
  private func widened(_ conjunction: Conjunction, _ hurt: [Int], against others: [Int]) -> Conjunction {
    var wide = conjunction
    for index in wide.indices {
      for value in values[wide[index].place].indices where !wide[index].allowed.contains(value) {
        var wider = wide
        wider[index].allowed.insert(value)
        var only = wide
        only[index].allowed = [value]
        if hurt.contains(where: { matches($0, only) }), !others.contains(where: { matches($0, wider) }) {
          wide = wider
        }
      }
    }
    return wide
  }
}
