import Model
import Yams

/// What only the expanded matrix shows: what is beyond the bounds, axes without effect, conditions without a case, cases
/// without a rule, names that mean nothing in the case that they are in.
struct Checks {
  let reader: Reader

  init(_ reader: Reader) { self.reader = reader }

  func check(_ placed: PlacedScenario) {
    let scenario = placed.scenario
    // Before anything is made of it.
    if let excess = scenario.excess() {
      reader.report(excess, at: placed.matrix)
      return
    }
    let cases = scenario.cases()
    guard !cases.isEmpty else {
      reader.report("the matrix is empty: exclude leaves no case", at: placed.matrix)
      return
    }
    if let test = cases.first(where: { $0.network.hosts.isEmpty }) {
      reader.report("there is no network that \(short(test.id)) could have", at: placed.matrix)
      return
    }
    let points = Points(scenario)
    checkConditions(placed, points)
    checkAxes(placed, points)
    checkRules(placed, points, cases)
    _ = cases.first { !checkSize(of: $0, at: placed.matrix) }
    checkNames(placed, points, cases)
    var ids: Set<String> = []
    if let twice = cases.first(where: { !ids.insert($0.id).inserted }) {
      reader.report("two cases are called \(short(twice.id)): values with \",\" and \"=\"", at: placed.matrix)
    }
    for test in cases
    where test.network.serverNames.count > 1 && test.network.directorNodes.isEmpty
      && test.network.topology != .spelledOut
    {
      reader.report(
        "\(test.id) has several servers and no director: topology ipvs-nat has one", at: placed.matrix)
      break
    }
    for test in cases where test.network.clients.count > Bounds.clients {
      reader.report(
        "\(test.id) has \(test.network.clients.count) clients; at most \(Bounds.clients)", at: placed.matrix)
      break
    }
  }

  /// The points of the matrix that are cases, in order, and which conditions hold at each.
  private struct Points {
    let grid: Grid
    var points: [[Int]] = []
    /// For each point the places of the rules that hold there, until one without kernel conditions.
    var rules: [[Int]] = []
    /// For each point the places of the steps that happen.
    var steps: [[Int]] = []
    /// Places of overrides and steps that some case has, and of rules that count in some case.
    var usedOverrides: Set<Int> = []
    var usedSteps: Set<Int> = []
    var usedRules: Set<Int> = []

    init(_ scenario: Scenario) {
      grid = scenario.grid
      let (overrides, steps, rules) = (
        scenario.overrides.map { [grid] in grid.test($0.when) },
        scenario.workload.map { [grid] in grid.test($0.when) },
        scenario.rules.map { [grid] in grid.test($0.when) }
      )
      var points = [[Int]]()
      grid.forEachPoint { points.append($0) }
      self.points = points
      for point in points {
        usedOverrides.formUnion(overrides.indices.filter { grid.holds(overrides[$0], at: point) })
        self.steps.append(steps.indices.filter { grid.holds(steps[$0], at: point) })
        usedSteps.formUnion(self.steps.last ?? [])
        var holding: [Int] = []
        for index in rules.indices where grid.holds(rules[index], at: point) {
          holding.append(index)
          if scenario.rules[index].rule.kernel.isEmpty { break }
        }
        self.rules.append(holding)
        usedRules.formUnion(holding)
      }
    }
  }

  // MARK: conditions

  private func checkConditions(_ placed: PlacedScenario, _ points: Points) {
    for (node, used) in zip(placed.excludeNodes, points.grid.usedExcludes()) where !used {
      reader.report("this excludes nothing that those before it have not excluded", at: node)
    }
    for (index, node) in placed.overrideNodes.enumerated() where !points.usedOverrides.contains(index) {
      reader.report("no case has what this override depends on", at: node)
    }
    for (index, node) in placed.steps.map(\.node).enumerated() where !points.usedSteps.contains(index) {
      reader.report("no case has what this step depends on", at: node)
    }
  }

  private func checkAxes(_ placed: PlacedScenario, _ points: Points) {
    let scenario = placed.scenario
    // Rules that expect the same are one, whatever their reason.
    var distinct: [Rule] = []
    let kinds = scenario.rules.map { guarded in
      var rule = guarded.rule
      rule.because = ""
      rule.line = nil
      if let known = distinct.firstIndex(of: rule) { return known }
      distinct.append(rule)
      return distinct.count - 1
    }
    let expected = points.rules.map { $0.map { kinds[$0] } }
    for (place, axis) in scenario.axes.enumerated() {
      let node = placed.axisNodes[axis.name]
      if axis.values.allSatisfy({ $0.assignment == nil }), !placed.usedAxes.contains(axis.name) {
        reader.report(
          "nothing uses the axis \(axis.name): it is no parameter, and no step or override depends on it",
          at: node)
        continue
      }
      // Whether two cases that differ on this axis alone expect different things.
      var seen: [Int: [Int]] = [:]
      let changes = zip(points.points, expected).contains { point, rules in
        let known = seen.updateValue(rules, forKey: points.grid.number(of: point, without: place))
        return known != nil && known != rules
      }
      if scenario.controls.contains(axis.name), changes {
        reader.report(
          "\(axis.name) is declared a control, but it changes an expectation",
          at: placed.controlNodes[axis.name])
      } else if !scenario.controls.contains(axis.name), !changes, axis.values.count > 1 {
        reader.report(
          "the axis \(axis.name) changes no expectation; drop it, or declare it under controls", at: node)
      }
    }
  }

  // MARK: size

  /// Sequence numbers are pinned 65,536 apart on either side of the middle: so many fit, and no more.
  private static let pinnable = 16_000

  private func checkSize(of test: Case, at node: Node) -> Bool {
    let pinned = Set(test.network.clients.filter { $0.isn != .natural }.map(\.group))
    var attempts = 0
    var milliseconds = 0
    var any = false
    // Each factor is bounded as it is read.
    for action in test.workload.map(\.action) {
      let size = action.size(in: test)
      attempts = attempts.adding(size.attempts)
      milliseconds = milliseconds.adding(size.givesUp)
      any = any || action.makes == .connections && !pinned.isDisjoint(with: action.groups)
    }
    if any, attempts > Self.pinnable {
      reader.report(
        "\(test.id) makes \(attempts) attempts; sequence numbers can be pinned for \(Self.pinnable): isn: natural",
        at: node)
      return false
    }
    if attempts > Bounds.attempts {
      reader.report("\(test.id) makes \(attempts) attempts; at most \(Bounds.attempts)", at: node)
      return false
    }
    if milliseconds > Bounds.giveUp {
      reader.report(
        "\(test.id) takes \(milliseconds / 1000) s if no SYN is answered; at most \(Bounds.giveUp / 1000)",
        at: node)
      return false
    }
    return true
  }

  // MARK: names

  /// What a case names is there in that case: else the worker would do nothing, without a word.
  private func checkNames(_ placed: PlacedScenario, _ points: Points, _ cases: [Case]) {
    var told: Set<Int> = []
    let sends = placed.steps.contains { $0.step.step.action.makes == .bytes }
    for (test, steps) in zip(cases, points.steps) {
      var open: Set<String> = []
      for index in steps {
        let step = placed.steps[index]
        let action = step.step.step.action
        if sends { open.formUnion(action.size(in: test).opens.filter { $0.value > 0 }.keys) }
        guard !told.contains(index) else { continue }
        if let mistake = action.mistake(in: test) {
          told.insert(index)
          reader.report("\(mistake) in \(short(test.id))", at: step.place(of: mistake))
        } else if action.makes == .bytes, let group = action.groups.first(where: { !open.contains($0) }) {
          told.insert(index)
          reader.report(
            "\(group) has no open connection here; connect it with closes: nobody in \(short(test.id))",
            at: step.subject)
        }
      }
    }
    for written in placed.settingNodes {
      guard let setting = Setting.named(written.setting) else { continue }
      let applies = cases.contains { test in
        test.network.hosts.contains(where: setting.applies)
      }
      if !applies {
        reader.report(
          "no case has a node that has \(written.setting), \(written.node) or other", at: written.place)
      }
    }
  }

  // MARK: rules

  private func checkRules(_ placed: PlacedScenario, _ points: Points, _ cases: [Case]) {
    var labels: Set<Int> = []
    for (test, rules) in zip(cases, points.rules) {
      if let gap = uncovered(test) {
        reader.report(
          "no expectation for \(test.id)" + (gap.isEmpty ? "" : " on a kernel with \(gap)")
            + "; an otherwise at the end covers the rest", at: placed.ruleNodes.last ?? placed.matrix)
        return
      }
      let made = Set(test.workload.compactMap(\.label))
      for index in rules where !labels.contains(index) {
        let rule = placed.scenario.rules[index].rule
        let named =
          rule.outcomes.keys.sorted() + rule.served.flatMap { [$0.key, $0.value.label] }.sorted()
          + (rule.witnesses?.packets.flatMap(\.labels) ?? [])
        if let missing = named.first(where: { !made.contains($0) }) {
          labels.insert(index)
          reader.report(
            "no step has the label \"\(missing)\" in \(short(test.id))", at: placed.ruleNodes[index])
        } else if let node = rule.witnesses?.nodes.sorted().first(where: { !isThere($0, in: test) }) {
          labels.insert(index)
          reader.report(
            "there is no \(node) in \(short(test.id)), of which something is expected",
            at: placed.ruleNodes[index])
        } else if rule.timeWait != nil, !test.workload.contains(where: { $0.action.closes == .server }) {
          labels.insert(index)
          reader.report(
            "time_wait is the servers', and none closes first in \(short(test.id))",
            at: placed.ruleNodes[index])
        }
      }
    }
    for (index, node) in placed.ruleNodes.enumerated() where !points.usedRules.contains(index) {
      reader.report(
        "no case reaches this expectation: an earlier one takes them all, or none matches", at: node)
    }
  }

  /// Whether a witness may name it.
  private func isThere(_ name: String, in test: Case) -> Bool {
    !test.network.members(of: name).isEmpty || test.network.names[name] != nil
  }

  /// A combination of capabilities under which no rule counts; nil if there is none, empty if all.
  private func uncovered(_ test: Case) -> String? {
    guard let last = test.rules.last else { return "" }
    if last.kernel.isEmpty { return nil }
    let named = Array(Set(test.rules.flatMap { $0.kernel.map(\.capability) })).sorted()
    guard named.count <= 8 else { return nil }
    for bits in 0..<(1 << named.count) {
      let has = Set(named.indices.filter { bits >> $0 & 1 == 1 }.map { named[$0] })
      let counts = test.rules.contains { rule in
        rule.kernel.allSatisfy { has.contains($0.capability) == $0.present }
      }
      if !counts {
        return named.map { (has.contains($0) ? "" : "no ") + $0.description }.joined(separator: ", ")
      }
    }
    return nil
  }
}
