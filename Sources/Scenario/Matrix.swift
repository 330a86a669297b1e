extension Scenario {
  /// Every case of the matrix, the last axis changing fastest, without the excluded points.
  public func cases() -> [Case] {
    points().filter { point in !exclude.contains { $0.holds(point.map(\.axisValue)) } }.map(makeCase)
  }

  private struct Coordinate {
    var axis: Axis
    var value: Axis.Value
    var axisValue: AxisValue { AxisValue(axis: axis.name, value: value.text) }
  }

  private func points() -> [[Coordinate]] {
    axes.reduce([[]]) { points, axis in
      points.flatMap { point in axis.values.map { point + [Coordinate(axis: axis, value: $0)] } }
    }
  }

  private func makeCase(_ point: [Coordinate]) -> Case {
    let axisValues = point.map(\.axisValue)
    var parameters = base
    for coordinate in point {
      if let assignment = coordinate.value.assignment { parameters.apply(assignment) }
    }
    for override in overrides where override.when.holds(axisValues) {
      override.set.forEach { parameters.apply($0) }
    }
    let steps = workload.filter { $0.when.holds(axisValues) }.map(\.step)
    var rules: [Rule] = []
    for guarded in self.rules where guarded.when.holds(axisValues) {
      rules.append(guarded.rule)
      if guarded.rule.kernel.isEmpty { break }
    }
    let network = parameters.network
    var test = Case(
      id: "\(name)/" + (axisValues.isEmpty ? "default" : shortened(axisValues)), scenario: name,
      title: title, why: why, axes: axisValues, network: network,
      settings: parameters.settingsByNode(network),
      workload: steps.flatMap { parameters.perNode($0) }, rules: rules)
    test.source = file.map { Place(file: $0) }
    return test
  }

  /// `rfc1337=1,clock=behind`: the last part of each axis, without `tcp_`, where that is unambiguous.
  private func shortened(_ point: [AxisValue]) -> String {
    point.map { "\(shortName(of: $0.axis))=\($0.value)" }.joined(separator: ",")
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
    return scenarios.flatMap { scenario in
      scenario.cases().filter { test in
        wanted.allSatisfy { wish in
          test.axes.contains {
            ($0.axis == wish.axis || scenario.shortName(of: $0.axis) == wish.axis) && $0.value == wish.value
          }
        } && (globs.isEmpty || globs.contains { $0.matches(test.id) })
      }
    }
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
    Network(
      topology: topology, family: family,
      clients: groups.flatMap { group in
        group.members.map { Client(name: $0, group: group.name, clock: group.clock, isn: group.isn) }
      },
      serverPorts: serverPorts, hop: topology == .direct ? nil : hop, servers: servers)
  }

  /// What the file sets, with the `tcp_timestamps` that each client's clock needs, and no client port among the few
  /// that a hop gives: where the only port of a range is the client's own, the kernel looks no further and evicts
  /// nothing (get_unique_tuple, net/netfilter/nf_nat_core.c), which one client in 28,232 would meet by chance.
  func settingsByNode(_ network: Network) -> [String: [String: String]] {
    var byNode: [String: [String: String]] = [:]
    for client in network.clients {
      let timestamps =
        switch client.clock {
        case .offset: "2"
        case .natural: "1"
        case .off: "0"
        }
      byNode[client.name] = ["tcp_timestamps": timestamps]
    }
    if network.topology.hidesClients, let ports = network.hop?.ports, ports.count <= 256 {
      for client in network.clients {
        byNode[client.name]?["ip_local_reserved_ports"] =
          ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
      }
    }
    if network.topology == .ipvsFullNAT { byNode[Network.hop] = ["vs.conntrack": "1"] }
    if network.topology.hasRouter {
      // The servers have the VIP too, and must not answer for it (Documentation/networking/ip-sysctl.rst).
      for server in network.serverNames { byNode[server] = ["arp_ignore": "1", "arp_announce": "2"] }
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
    switch node {
    case "all": network.nodes
    case Network.server: network.serverNames
    default: groups.first { $0.name == node }?.members ?? [node]
    }
  }

  /// A setting of a group is one of each of its nodes.
  func perNode(_ step: Step) -> [Step] {
    guard case .set(let node, let name, let value) = step else { return [step] }
    return members(of: node, in: network).map { .set(node: $0, setting: name, value: value) }
  }
}
