extension Scenario {
  /// Every case of the matrix, the last axis changing fastest, without the excluded points. None where the matrix is
  /// beyond the bounds (``excess()``), which a lab file that was read is not.
  public func cases() -> [Case] {
    guard excess() == nil else { return [] }
    let grid = grid
    let names = axes.map { shortName(of: $0.name) }
    let tests = Tests(
      overrides: overrides.map { grid.test($0.when) }, workload: workload.map { grid.test($0.when) },
      rules: rules.map { grid.test($0.when) })
    var cases: [Case] = []
    grid.forEachPoint { cases.append(makeCase($0, grid, tests, names)) }
    return cases
  }

  private struct Tests {
    var overrides, workload, rules: [Grid.Test]
  }

  private func makeCase(_ point: [Int], _ grid: Grid, _ tests: Tests, _ names: [String]) -> Case {
    let axisValues = zip(axes, point).map { AxisValue(axis: $0.name, value: $0.values[$1].text) }
    let parameters = parameters(at: point, grid, tests.overrides)
    let steps = zip(workload, tests.workload).filter { grid.holds($1, at: point) }.map(\.0.step)
    var rules: [Rule] = []
    for (guarded, test) in zip(self.rules, tests.rules) where grid.holds(test, at: point) {
      rules.append(guarded.rule)
      if guarded.rule.kernel.isEmpty { break }
    }
    let network = parameters.network
    // `rfc1337=1,clock=behind`: the last part of each axis, without `tcp_`, where that is unambiguous.
    let name = zip(names, axisValues).map { "\($0)=\($1.value)" }.joined(separator: ",")
    var test = Case(
      id: "\(self.name)/" + (name.isEmpty ? "default" : name), scenario: self.name,
      title: title, why: why, axes: axisValues, network: network,
      settings: parameters.settingsByNode(network),
      workload: steps.flatMap { parameters.perNode($0, in: network) }, rules: rules)
    test.source = file.map { Place(file: $0) }
    return test
  }

  /// What a case's name calls an axis.
  public func shortName(of axis: String) -> String {
    func last(_ name: String) -> String { name.split(separator: ".").last.map(String.init) ?? name }
    func bare(_ name: String) -> String {
      let name = last(name)
      return name.hasPrefix("tcp_") ? String(name.dropFirst(4)) : name
    }
    for shorten in [bare, last] where axes.count(where: { shorten($0.name) == shorten(axis) }) == 1 {
      return shorten(axis)
    }
    return axis
  }

  /// The cases of scenarios that match all of `settings` (`axis=value`) and any of `patterns`.
  /// An axis or value that no scenario has is an error that names the nearest one.
  public static func select(
    from scenarios: [Scenario], settings: [String], patterns: [String]
  ) throws(SelectionError) -> [Case] {
    var wanted: [(axis: String, value: String)] = []
    for setting in settings {
      let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw SelectionError("--set \(setting): it takes AXIS=VALUE") }
      wanted.append((parts[0], parts[1]))
      let named = scenarios.flatMap { scenario in
        scenario.axes.filter { $0.name == parts[0] || scenario.shortName(of: $0.name) == parts[0] }
      }
      guard !named.isEmpty else {
        let all = Set(scenarios.flatMap { scenario in scenario.axes.map { scenario.shortName(of: $0.name) } })
        throw SelectionError("--set \(setting): no axis \(parts[0])" + hint(parts[0], all))
      }
      let values = Set(named.flatMap { $0.values.map(\.text) })
      guard values.contains(parts[1]) else {
        throw SelectionError(
          "--set \(setting): \(parts[0]) is one of \(values.sorted().joined(separator: ", "))")
      }
    }
    let globs = patterns.map(Glob.init)
    var used = globs.map { _ in false }
    var selected: [Case] = []
    var withValues = 0
    for scenario in scenarios {
      let names = Dictionary(scenario.axes.map { ($0.name, scenario.shortName(of: $0.name)) }) { first, _ in
        first
      }
      for test in scenario.cases() {
        let matching = globs.indices.filter { globs[$0].matches(test.id) }
        for index in matching { used[index] = true }
        guard
          wanted.allSatisfy({ wish in
            test.axes.contains {
              ($0.axis == wish.axis || names[$0.axis] == wish.axis) && $0.value == wish.value
            }
          })
        else { continue }
        withValues += 1
        if globs.isEmpty || !matching.isEmpty { selected.append(test) }
      }
      guard selected.count <= Bounds.selection else {
        throw SelectionError(
          "these lab files have more than \(Bounds.selection) cases together: name fewer, or narrow by --case and --set"
        )
      }
    }
    for (pattern, used) in zip(patterns, used) where !used {
      throw SelectionError("--case \(pattern): no case is called so" + hint(pattern: pattern, scenarios))
    }
    let all = settings.map { "--set \($0)" }
    if withValues == 0, !settings.isEmpty {
      throw SelectionError("no case has all of \(all.joined(separator: ", "))")
    }
    if selected.isEmpty, !patterns.isEmpty, !settings.isEmpty {
      let filters = patterns.map { "--case \($0)" } + all
      throw SelectionError("no case matches \(filters.joined(separator: ", ")) together")
    }
    return selected
  }

  /// The nearest lab file's name, or the nearest case's.
  private static func hint(pattern: String, _ scenarios: [Scenario]) -> String {
    let file = pattern.split(separator: "/").first.map(String.init) ?? ""
    if !scenarios.contains(where: { $0.name == file }) {
      if let nearest = Nearest.to(file, among: scenarios.map(\.name)) {
        return "; did you mean \(nearest)\(pattern.dropFirst(file.count))?"
      }
      let names = scenarios.map(\.name).joined(separator: ", ")
      return names.count > 400 ? "; pawslab list has them all" : "; the lab files are \(names)"
    }
    let cases = scenarios.filter { $0.name == file }.flatMap { $0.cases().map(\.id) }
    return hint(pattern, Set(cases))
  }

  private static func hint(_ word: String, _ candidates: Set<String>) -> String {
    Nearest.to(word, among: candidates.sorted()).map { "; did you mean \($0)?" } ?? ""
  }
}

/// A filter on the command line that nothing can match.
public struct SelectionError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

extension Parameters {
  var network: Network {
    let clients = groups.flatMap { group in
      group.members.map { Client(name: $0, group: group.name, clock: group.clock, isn: group.isn) }
    }
    if let sketch = aimed {
      // What it lacks has been said where it stands; an empty network is run by nobody.
      return (try? sketch.network(family: family, clients: clients))
        ?? Network(topology: .spelledOut, family: family, hosts: [], links: [])
    }
    var network = Network(
      topology: topology, family: family, clients: clients, serverPorts: serverPorts, hop: hop,
      servers: servers)
    for group in groups {
      guard let address = group.target.flatMap(network.address(named:)) else { continue }
      for index in network.hosts.indices where network.hosts[index].group == group.name {
        network.hosts[index].client?.target = address
      }
    }
    return network
  }

  /// The network that the file spells out, with what each group connects to.
  public var aimed: NetworkSketch? {
    var sketch = sketch
    for group in groups { sketch?.targets[group.name] = group.target }
    return sketch
  }

  /// What the file sets, with the `tcp_timestamps` that each client's clock needs, and no client port among the few
  /// that a hop gives: where the only port of a range is the client's own, the kernel looks no further and evicts
  /// nothing (get_unique_tuple, net/netfilter/nf_nat_core.c), which one client in 28,232 would meet by chance.
  func settingsByNode(_ network: Network) -> [String: [String: String]] {
    var byNode: [String: [String: String]] = [:]
    for client in network.clients {
      let timestamps =
        switch client.clock {
        case .offset, .microseconds: "2"
        case .natural: "1"
        case .off: "0"
        }
      byNode[client.name] = ["tcp_timestamps": timestamps]
    }
    let narrow = Set(network.hosts.compactMap(\.nat?.ports).filter { $0.count <= 256 })
    if !narrow.isEmpty {
      let reserved = narrow.sorted { $0.lowerBound < $1.lowerBound }.map { ports in
        ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
      }
      for client in network.clients {
        byNode[client.name]?["ip_local_reserved_ports"] = reserved.joined(separator: ",")
      }
    }
    for host in network.hosts where !host.settings.isEmpty {
      byNode[host.name, default: [:]].merge(host.settings) { _, role in role }
    }
    for (node, name, value) in settings {
      for node in members(of: node, in: network) {
        byNode[node, default: [:]][name] = value
        // Who chooses a client's ports has chosen.
        if name == "ip_local_port_range" { byNode[node]?["ip_local_reserved_ports"] = nil }
      }
    }
    return byNode
  }

  /// The nodes that a lab file's name stands for.
  private func members(of node: String, in network: Network) -> [String] {
    if node == "all" { return network.nodes }
    let members = network.members(of: node)
    return members.isEmpty ? [node] : members
  }

  /// What a step of a group is for each of its nodes.
  func perNode(_ step: Step, in network: Network) -> [Step] { step.perNode { members(of: $0, in: network) } }
}
