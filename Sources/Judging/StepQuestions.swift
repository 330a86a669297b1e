import Model

/// What judging asks of steps: all of it, so that a change of ``Step`` touches this file only.
extension Step {
  /// Whether it writes a setting.
  var isSet: Bool { action.writes != nil }

  /// Whether it writes this setting, on whatever node.
  func isSet(_ setting: String) -> Bool { action.writes?.setting == setting }

  /// What it writes to a node's setting; nil where it does not.
  func value(of setting: String, on node: String) -> String? {
    action.writes.flatMap { $0.node == node && $0.setting == setting ? $0.value : nil }
  }

  /// Whether a client's clock is another one from here on.
  var changesClock: Bool { !action.needs.movesClocks.isEmpty }

  /// The real server that it takes out of the director's table; nil where it takes none.
  var removedServer: String? { (action as? RemoveServer)?.server }

  /// Whether servers forget the timestamps that they remember.
  var forgetsStamps: Bool { (action as? Flush)?.table == .tcpMetrics }

  /// Whether they do so again and again while it runs.
  var forgetsStampsWithin: Bool { (action as? Churn)?.flush == .tcpMetrics }

  /// Whether a hop forgets its connections.
  var forgetsConnections: Bool { (action as? Flush)?.table == .conntrack }

  /// Whether it does so again and again while it runs.
  var forgetsConnectionsWithin: Bool { (action as? Churn)?.flush == .conntrack }

  /// Whether it names the client's own port.
  var fixesPort: Bool { (action as? Connect)?.port != nil }

  /// The same, with the kernel choosing the client's port.
  var withoutPort: Step {
    guard var connect = action as? Connect else { return self }
    connect.port = nil
    return Step(connect)
  }

  /// Whether a NAT holds its SYNs until all are there.
  var isHeld: Bool { (action as? Burst)?.held != nil }

  /// Whether its SYNs meet, or do not, as processors happen to run.
  var meetsByChance: Bool { (action as? Burst).map { $0.held == nil } ?? false }

  /// The same, one connection after the other.
  var apart: [Step] {
    guard let burst = action as? Burst else { return [self] }
    return burst.clients.map {
      .connect(
        Connect(client: $0, label: burst.name, closes: burst.closer, times: burst.connections, again: 0))
    }
  }

  /// By how much it sets the wall clock forward.
  var secondsForward: Int { (action as? Advance)?.seconds ?? 0 }

  /// Who sends the first FIN on its connections; nil where it makes none.
  var closer: Closer? { action.closes }
}

extension Case {
  /// What a case pins a node's setting to; nil where it leaves it, or changes it in the middle.
  func pinned(_ setting: String, on node: String) -> String? {
    workload.contains { $0.value(of: setting, on: node) != nil } ? nil : settings[node]?[setting]
  }

  /// Whether a step's connections are a program's.
  func isProgram(inStep index: Int) -> Bool {
    workload.indices.contains(index) && workload[index].action is Exec
  }

  /// Whether a NAT holds SYNs until all are there.
  var holdsSYNs: Bool { workload.contains(where: \.isHeld) }

  /// Whether SYNs meet, or do not, as processors happen to run.
  var meetsByChance: Bool { workload.contains(where: \.meetsByChance) }

  /// A node's setting while a step runs: what the workload has written last, else what the case says; nil where it says
  /// nothing.
  func setting(_ name: String, on node: String, inStep step: Int) -> String? {
    workload.prefix(max(0, step)).compactMap { $0.value(of: name, on: node) }.last ?? settings[node]?[name]
  }

  /// Real servers that were taken out of the director's table before a step.
  func removedServers(before step: Int) -> Set<String> {
    Set(workload.prefix(max(0, step)).compactMap(\.removedServer))
  }

  /// Whether a step empties the servers' memory of timestamps again and again.
  func forgetsStamps(within step: Int) -> Bool {
    workload.indices.contains(step) && workload[step].forgetsStampsWithin
  }

  /// Whether a step empties the hop's table of connections again and again.
  func forgetsConnections(within step: Int) -> Bool {
    workload.indices.contains(step) && workload[step].forgetsConnectionsWithin
  }

  /// Who sends the first FIN on a step's connections.
  func closer(inStep index: Int) -> Step.Closer? {
    workload.indices.contains(index) ? workload[index].closer : nil
  }
}
