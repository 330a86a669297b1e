import Model

extension ReachedFunctions {
  /// One rule of a lab file, as it is written there. Two of one file that say the same are one.
  public struct Written: Sendable, Equatable {
    public var scenario: String
    public var because: String
    public var place: Place
    /// What a kernel must have or lack to come to it, as the file says it: `no tw-recycle-unstamped`. Its own conditions,
    /// and the contrary of those that stand before it; none where some case comes to it on every kernel.
    public var conditions: [String]

    public init(scenario: String, because: String, place: Place, conditions: [String]) {
      (self.scenario, self.because, self.place) = (scenario, because, place)
      self.conditions = conditions
    }

    /// The rules of some files, in their order.
    public static func all(in scenarios: [Scenario]) -> [Written] {
      scenarios.flatMap { scenario in
        let conditions = Self.conditions(in: scenario.cases())
        var seen: Set<String> = []
        return scenario.rules.map(\.rule).compactMap { rule -> Written? in
          guard seen.insert(rule.because).inserted else { return nil }
          return Written(
            scenario: scenario.name, because: rule.because,
            place: Place(file: scenario.file ?? scenario.name, line: rule.line),
            conditions: conditions[rule.because] ?? [])
        }
      }
    }

    /// For each rule's words the fewest conditions under which a case comes to it.
    static func conditions(in cases: [Case]) -> [String: [String]] {
      var found: [String: [String]] = [:]
      for test in cases {
        var before: [KernelCondition] = []
        for rule in test.rules {
          let words = (before + rule.kernel).map { ($0.present ? "" : "no ") + $0.capability.description }
          if found[rule.because].map({ words.count < $0.count }) ?? true { found[rule.because] = words }
          before += rule.kernel.map { KernelCondition(capability: $0.capability, present: !$0.present) }
        }
      }
      return found
    }
  }

  /// Functions that some kernel here has: a word with an underscore can be anything.
  private var known: Set<String> {
    Set(Self.everywhere).union(entries.flatMap(\.calls.keys))
  }

  /// The entry of a rule; nil where none of its cases was run.
  private func entry(of rule: Written) -> Entry? {
    entries.first { $0.scenario == rule.scenario && $0.because == rule.because }
  }

  /// What is wrong with what a rule says, and what mends it; nil for nothing. Each `because` names at least one
  /// function that the kernel has and that was called in the rule's case, and none that it has and that was not.
  ///
  /// The one excuse is that the file asks for another kernel (``Written/conditions``): what no kernel here is cannot be
  /// called here. It names a function all the same.
  public func complaint(about rule: Written) -> String? {
    guard let entry = entry(of: rule) else {
      // Who names nothing need not wait for a guest to hear it.
      guard rule.conditions.isEmpty, !Self.names(in: rule.because).isEmpty else {
        return complaint(aboutNamesOf: rule)
      }
      return "\(rule.place): bench functions has not run what it says since it was written: "
        + "pawslab bench functions \(rule.place.file) --emulate tw_recycle --keep lab/functions.json"
    }
    let called = entry.calls.filter { $0.value > 0 }.keys.sorted().joined(separator: ", ")
    let mend = "name what decides it, for example of what \(entry.id) calls: \(called)"
    if !entry.missed.isEmpty {
      let missed = entry.missed.joined(separator: ", ")
      return "\(rule.place): `because` names \(missed), which is never called; \(mend)"
    }
    guard entry.named.isEmpty else { return nil }
    return "\(rule.place): `because` names no function that \(entry.kernel) has; \(mend)"
  }

  /// The same of a rule that is not run here: whether it names a function at all.
  public func complaint(aboutNamesOf rule: Written) -> String? {
    guard known.isDisjoint(with: Self.names(in: rule.because)) else { return nil }
    return "\(rule.place): `because` names no function that bench functions has found on any kernel; "
      + "name what decides it"
  }

  /// Rules for kernels that none of those here is, and what each asks of one.
  private func excused(of rules: [Written]) -> [(rule: Written, conditions: String)] {
    rules.filter { entry(of: $0) == nil && !$0.conditions.isEmpty }
      .map { ($0, $0.conditions.map { "`\($0)`" }.joined(separator: " and ")) }
  }

  /// How many rules were held against which kernel, and how many could not be, a sentence each.
  public func sentences(on rules: [Written]) -> [String] {
    let found = rules.compactMap(entry)
    let kernels = Dictionary(grouping: found, by: \.kernel).mapValues(\.count)
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) on \($0.key)" }
    let right = found.count { !$0.misleads }
    let excused = excused(of: rules).count
    return [
      "\(right) of \(found.count) rules name what was called in a case of theirs, and nothing that was not: "
        + kernels.joined(separator: ", "),
      excused == 0
        ? "No rule is for other kernels only"
        : "\(excused) are for other kernels only, and name a function unproven",
    ]
  }

  /// What a reader is told: ``sentences(on:)``, the rules that are excused and why, and ``table``.
  public func document(of rules: [Written]) -> String {
    let excused = Dictionary(grouping: excused(of: rules), by: \.conditions)
      .sorted { $0.key < $1.key }
      .map { [$0.key, "\($0.value.count)", LabIndex.links($0.value.map(\.rule.scenario))] }
    return sentences(on: rules).joined(separator: ". ") + ".\n\n"
      + (excused.isEmpty ? "" : Markdown.table(["asks for a kernel with", "rules", "files"], excused) + "\n")
      + table
  }

  /// What was counted before, with what was counted now in its place, and without what no rule says any more.
  ///
  /// - Parameter rules: of the files that were run.
  public func merged(into before: ReachedFunctions, rules: [Written]) -> ReachedFunctions {
    let files = Set(rules.map(\.scenario))
    let kept = before.entries.filter { old in
      !files.contains(old.scenario)
        || rules.contains { $0.scenario == old.scenario && $0.because == old.because }
          && !entries.contains { $0.scenario == old.scenario && $0.because == old.because }
    }
    return ReachedFunctions(entries: (kept + entries).sorted { ($0.scenario, $0.id) < ($1.scenario, $1.id) })
  }
}
