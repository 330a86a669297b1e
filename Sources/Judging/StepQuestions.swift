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

  /// Who sends the first FIN on its connections; nil where it makes none.
  var closer: Closer? { action.closes }
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

  /// Who sends the first FIN on a step's connections.
  func closer(inStep index: Int) -> Step.Closer? {
    workload.indices.contains(index) ? workload[index].closer : nil
  }
}
