/// One point of a scenario's matrix: every setting fixed, ready to run.
///
/// A case is a pure value. The worker runs it, ``judge(_:on:seen:)`` holds what it saw against ``rules``.
public struct Case: Codable, Sendable, Equatable, Identifiable {
  /// Stable name: the scenario's, a slash, the axes in the file's order,
  /// e.g. `time-wait-clash/rfc1337=1,clock=behind,isn=ahead`.
  public var id: String
  /// Name of the lab file, without folder and extension.
  public var scenario: String
  /// What the scenario shows, one line.
  public var title: String
  /// What it rests on: kernel functions, commits, RFCs, and the reasoning.
  public var why: String
  /// The axes of the matrix in the file's order, with this case's values as written in the file.
  public var axes: [AxisValue]
  /// Nodes, links, the NAT hop, the clients' clocks.
  public var network: Network
  /// Settings that differ from ``Setting/baseline``: node name to setting name to value.
  public var settings: [String: [String: String]]
  /// What happens, in order.
  public var workload: [Step]
  /// Rules whose axis conditions hold here, in the file's order. The first whose kernel conditions hold counts.
  public var rules: [Rule]

  /// Makes a case.
  public init(
    id: String, scenario: String, title: String, why: String, axes: [AxisValue], network: Network,
    settings: [String: [String: String]], workload: [Step], rules: [Rule]
  ) {
    self.id = id
    self.scenario = scenario
    self.title = title
    self.why = why
    self.axes = axes
    self.network = network
    self.settings = settings
    self.workload = workload
    self.rules = rules
  }
}

/// One axis of the matrix at one value.
public struct AxisValue: Codable, Sendable, Hashable {
  /// Name as in the file, e.g. `server.tcp_rfc1337`.
  public var axis: String
  /// Value as in the file, e.g. `1` or `behind`.
  public var value: String

  /// Makes an axis value.
  public init(axis: String, value: String) {
    self.axis = axis
    self.value = value
  }
}

/// What a case's attempts are expected to do, and why.
public struct Rule: Codable, Sendable, Equatable {
  /// What the kernel must have or lack for this rule to count.
  public var kernel: [KernelCondition]
  /// Label of a workload step (its `as`, else the client's name) to what its attempts do.
  /// A label that no rule names is expected `connected` or `delivered`.
  public var outcomes: [String: Expectation]
  /// The reason: kernel function, commit or RFC.
  public var because: String

  /// Makes a rule.
  public init(kernel: [KernelCondition], outcomes: [String: Expectation], because: String) {
    self.kernel = kernel
    self.outcomes = outcomes
    self.because = because
  }
}

/// A probed capability that a rule hangs on.
public struct KernelCondition: Codable, Sendable, Hashable {
  /// What is probed.
  public var capability: Capability
  /// Whether the kernel must have it or must lack it.
  public var present: Bool

  /// Makes a condition.
  public init(capability: Capability, present: Bool) {
    self.capability = capability
    self.present = present
  }
}
