import Model

/// What judging asks of steps: all of it, so that a change of ``Step`` touches this file only.
extension Step {
  /// Whether it writes a setting.
  var isSet: Bool { if case .set = self { true } else { false } }

  /// Whether it writes this setting, on whatever node.
  func isSet(_ setting: String) -> Bool { if case .set(_, setting, _) = self { true } else { false } }

  /// What it writes to a node's setting; nil where it does not.
  func value(of setting: String, on node: String) -> String? {
    if case .set(node, setting, let value) = self { value } else { nil }
  }

  /// Whether a client's clock is another one from here on.
  var changesClock: Bool { if case .clock = self { true } else { false } }

  /// The real server that it takes out of the director's table; nil where it takes none.
  var removedServer: String? { if case .remove(let server) = self { server } else { nil } }

  /// Whether servers forget the timestamps that they remember.
  var forgetsStamps: Bool { if case .flush(.tcpMetrics) = self { true } else { false } }

  /// Whether they do so again and again while it runs.
  var forgetsStampsWithin: Bool {
    if case .churn(let step) = self { step.flush == .tcpMetrics } else { false }
  }

  /// Whether a hop forgets its connections.
  var forgetsConnections: Bool { if case .flush(.conntrack) = self { true } else { false } }

  /// Whether it does so again and again while it runs.
  var forgetsConnectionsWithin: Bool {
    if case .churn(let step) = self { step.flush == .conntrack } else { false }
  }

  /// By how much it sets the wall clock forward.
  var secondsForward: Int { if case .advance(let seconds) = self { seconds } else { 0 } }

  /// Who sends the first FIN on its connections; nil where it makes none.
  var closer: Closer? {
    switch self {
    case .connect(let step): step.closes
    case .churn(let step): step.closes
    case .send, .flush, .set, .remove, .advance, .clock: nil
    }
  }
}

extension Case {
  /// What a case pins a node's setting to; nil where it leaves it, or changes it in the middle.
  func pinned(_ setting: String, on node: String) -> String? {
    workload.contains { $0.value(of: setting, on: node) != nil } ? nil : settings[node]?[setting]
  }

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
