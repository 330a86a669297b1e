import Scenario
import Yams

/// What only the expanded matrix shows: axes without effect, rules without a case, cases without a rule.
struct Checks {
  let reader: Reader

  init(_ reader: Reader) { self.reader = reader }

  func check(_ placed: PlacedScenario) {
    let scenario = placed.scenario
    let cases = scenario.cases()
    guard !cases.isEmpty else {
      reader.report("the matrix is empty: exclude leaves no case", at: placed.matrix)
      return
    }
    for axis in scenario.axes {
      let node = placed.axisNodes[axis.name]
      if axis.values.allSatisfy({ $0.assignment == nil }), !placed.usedAxes.contains(axis.name) {
        reader.report(
          "nothing uses the axis \(axis.name): it is no parameter, and no step or override depends on it",
          at: node)
        continue
      }
      let changes = changesExpectation(axis.name, cases)
      if scenario.controls.contains(axis.name), changes {
        reader.report(
          "\(axis.name) is declared a control, but it changes an expectation",
          at: placed.controlNodes[axis.name])
      } else if !scenario.controls.contains(axis.name), !changes, axis.values.count > 1 {
        reader.report(
          "the axis \(axis.name) changes no expectation; drop it, or declare it under controls", at: node)
      }
    }
    checkRules(placed, cases)
    _ = cases.first { !checkPins($0, at: placed.matrix) }
    for test in cases where test.network.servers > 1 && !test.network.topology.isIPVS {
      reader.report(
        "\(test.id) has several servers and no director: topology ipvs-nat has one", at: placed.matrix)
      break
    }
    for test in cases where test.network.clients.count > 250 {
      reader.report("\(test.id) has \(test.network.clients.count) clients; at most 250", at: placed.matrix)
      break
    }
  }

  /// Sequence numbers are pinned 65,536 apart on either side of the middle: so many fit, and no more.
  private static let pinnable = 16_000

  private func checkPins(_ test: Case, at node: Node) -> Bool {
    let pinned = Set(test.network.clients.filter { $0.isn != .natural }.map(\.group))
    func members(_ group: String) -> Int { test.network.clients.count { $0.group == group } }
    var attempts = 0
    var any = false
    for step in test.workload {
      switch step {
      case .connect(let step):
        attempts += max(members(step.client), test.network.serverPorts) * step.times
        any = any || pinned.contains(step.client)
      case .churn(let step):
        attempts += step.clients.reduce(0) { $0 + members($1) } * step.connections
        any = any || !pinned.isDisjoint(with: step.clients)
      default: break
      }
    }
    guard any, attempts > Self.pinnable else { return true }
    reader.report(
      "\(test.id) makes \(attempts) attempts; sequence numbers can be pinned for \(Self.pinnable): isn: natural",
      at: node)
    return false
  }

  /// Whether two cases that differ on this axis alone expect different things.
  private func changesExpectation(_ axis: String, _ cases: [Case]) -> Bool {
    var seen: [[AxisValue]: [Rule]] = [:]
    for test in cases {
      let others = test.axes.filter { $0.axis != axis }
      let plain = test.rules.map { rule in
        var rule = rule
        rule.because = ""
        rule.line = nil
        return rule
      }
      if let known = seen[others] {
        if known != plain { return true }
      } else {
        seen[others] = plain
      }
    }
    return false
  }

  private func checkRules(_ placed: PlacedScenario, _ cases: [Case]) {
    var reached: Set<Int> = []
    for test in cases {
      for (index, guarded) in placed.scenario.rules.enumerated() where guarded.when.holds(test.axes) {
        reached.insert(index)
        if guarded.rule.kernel.isEmpty { break }
      }
      if let gap = uncovered(test) {
        reader.report(
          "no expectation for \(test.id)" + (gap.isEmpty ? "" : " on a kernel with \(gap)")
            + "; an otherwise at the end covers the rest", at: placed.ruleNodes.last ?? placed.matrix)
        return
      }
    }
    for (index, node) in placed.ruleNodes.enumerated() where !reached.contains(index) {
      reader.report(
        "no case reaches this expectation: an earlier one takes them all, or none matches", at: node)
    }
  }

  /// A combination of capabilities under which no rule counts; nil if there is none, empty if all.
  private func uncovered(_ test: Case) -> String? {
    if test.rules.isEmpty { return "" }
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
