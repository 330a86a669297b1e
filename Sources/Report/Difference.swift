import Judging
import Model

/// Cases that behave in the same way on each of several kernels, and not the same on all.
public struct Difference: Sendable {
  public var scenario: String
  /// Names of the cases, with the seed where there is one.
  public var cases: [String]
  /// What they do, kernel by kernel; the first is what the others are compared with.
  public var behaviours: [(kernel: String, behaviour: Behaviour)]

  /// What a case did, without what chance or time decides.
  public struct Behaviour: Codable, Sendable, Hashable {
    public var verdict: Verdict
    /// Label to what its attempts did and by which mechanism.
    public var outcomes: [String: String]
    /// Counters that moved and that only move when something is refused, dropped or skipped: `server PAWSEstab`.
    public var counters: Set<String>
    /// The lab file's reason for what it did, or why it was skipped; nil where it did something else, and in records of before.
    /// A reason that is told otherwise is no other behaviour.
    public var because: String?

    public static func == (left: Self, right: Self) -> Bool {
      left.verdict == right.verdict && left.outcomes == right.outcomes && left.counters == right.counters
    }

    public func hash(into hasher: inout Hasher) {
      hasher.combine(verdict)
      hasher.combine(outcomes)
      hasher.combine(counters)
    }

    init(_ entry: Results.Entry) {
      if let recorded = entry.recorded {
        self = recorded
        return
      }
      verdict = entry.verdict
      if [.pass, .skip].contains(verdict), !entry.reason.isEmpty { because = entry.reason }
      var outcomes: [String: Set<String>] = [:]
      for attempt in entry.attempts {
        let label = attempt.attempt.label
        let expected = entry.expected[label] ?? ""
        let mechanism = attempt.holds ? attempt.expected.mechanism.map { " by \($0.rawValue)" } ?? "" : ""
        // A prediction's outcome is the dice's.
        outcomes[label, default: []].insert(
          expected.hasPrefix("predicted") ? expected : attempt.word + mechanism)
      }
      self.outcomes = outcomes.mapValues { $0.sorted().joined(separator: ", ") }
      counters = []
      guard !entry.expected.values.contains(where: { $0.hasPrefix("predicted") }) else { return }
      for witness in entry.witnesses {
        // How many were rate-limited is a matter of milliseconds.
        guard case .counter(let node, let name) = witness.subject, witness.seen != .number(0),
          !name.contains("ACKSkipped")
        else { continue }
        // An emulation counts what a counter of the kernel's counted.
        let stood = Emulation.genuine(name)
        let isPlain = ["TcpExt.", "conntrack."].contains(where: stood.hasPrefix)
        counters.insert("\(node) \(isPlain ? String(stood.drop { $0 != "." }.dropFirst()) : stood)")
      }
    }

    private enum CodingKeys: String, CodingKey { case verdict, outcomes, counters, because }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      verdict = try container.decode(Verdict.self, forKey: .verdict)
      outcomes = try container.decodeIfPresent([String: String].self, forKey: .outcomes) ?? [:]
      counters = try container.decodeIfPresent(Set<String>.self, forKey: .counters) ?? []
      because = try container.decodeIfPresent(String.self, forKey: .because)
    }

    /// Counters are written sorted, and what there is none of is not.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(verdict, forKey: .verdict)
      if !outcomes.isEmpty { try container.encode(outcomes, forKey: .outcomes) }
      if !counters.isEmpty { try container.encode(counters.sorted(), forKey: .counters) }
      try container.encodeIfPresent(because, forKey: .because)
    }

    /// What differs from another, in words.
    func words(unlike others: [Behaviour]) -> String {
      var words: [String] = []
      if others.contains(where: { $0.verdict != verdict }) { words.append(verdict.rawValue) }
      guard verdict != .skip else { return words.joined() }
      for (label, outcome) in outcomes.sorted(by: { $0.key < $1.key })
      where others.contains(where: { $0.outcomes[label] != outcome }) {
        words.append("\(label) \(outcome)")
      }
      let own = counters.filter { counter in others.contains { !$0.counters.contains(counter) } }
      if !own.isEmpty { words.append(own.sorted().joined(separator: ", ")) }
      return words.isEmpty ? "no such counter" : words.joined(separator: "; ")
    }
  }

  /// Whether a kernel does something else than the first.
  public func isUnlikeFirst(_ kernel: String) -> Bool {
    guard let first = behaviours.first else { return false }
    return behaviours.contains { $0.kernel == kernel && $0.behaviour != first.behaviour }
  }

  /// What differs between kernels, in the order of the cases; cases that differ alike are one.
  ///
  /// - Parameter skips: whether a kernel that cannot run a case differs from one that does.
  public static func all(
    _ entries: [Results.Entry], between kernels: [String], skips: Bool = false
  ) -> [Difference] {
    var byCase: [String: [String: Results.Entry]] = [:]
    var order: [String] = []
    for entry in entries where skips || entry.verdict != .skip {
      if byCase[entry.key] == nil { order.append(entry.key) }
      byCase[entry.key, default: [:]][entry.kernel] = entry
    }
    var found: [Difference] = []
    for id in order {
      let behaviours = kernels.compactMap { kernel in
        byCase[id]?[kernel].map { (kernel: kernel, behaviour: Behaviour($0)) }
      }
      guard let first = behaviours.first, behaviours.contains(where: { $0.behaviour != first.behaviour }),
        let scenario = byCase[id]?[first.kernel]?.scenario
      else { continue }
      let same = found.firstIndex { difference in
        difference.scenario == scenario
          && difference.behaviours.map(\.kernel) == behaviours.map(\.kernel)
          && difference.behaviours.map(\.behaviour) == behaviours.map(\.behaviour)
      }
      if let same {
        found[same].cases.append(id)
      } else {
        found.append(Difference(scenario: scenario, cases: [id], behaviours: behaviours))
      }
    }
    return found
  }

  /// A block for each: which cases, then what each kernel does, and why, as far as that is known.
  public static func lines(_ differences: [Difference], kernels: [String: Kernel]) -> [String] {
    guard !differences.isEmpty else { return ["the kernels do not differ"] }
    let count = differences.reduce(0) { $0 + $1.cases.count }
    var lines = ["the kernels differ in \(count) \(count == 1 ? "case" : "cases")"]
    for difference in differences {
      let cases = difference.cases
      lines.append(cases.count == 1 ? cases[0] : "\(cases[0]) and \(cases.count - 1) more")
      let all = difference.behaviours.map(\.behaviour)
      let groups = difference.grouped { _, behaviour in behaviour.words(unlike: all) }
      let width = groups.map { $0.kernels.joined(separator: ", ").count }.max() ?? 0
      for group in groups {
        lines.append("    \(pad(group.kernels.joined(separator: ", "), width))  \(group.words)")
      }
      lines += difference.reasons(kernels).map { "      \($0)" }
    }
    return lines
  }
}
