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
  /// The lab file, as it was named; nil where there was none, or a version of the lab that did not say.
  public var source: Place?

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

  /// Numbers that no lab file can have made are an error, so that nothing behind this need look for them.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    id = try container.decode(String.self, forKey: .id)
    scenario = try container.decode(String.self, forKey: .scenario)
    title = try container.decode(String.self, forKey: .title)
    why = try container.decode(String.self, forKey: .why)
    axes = try container.decode([AxisValue].self, forKey: .axes)
    network = try container.decode(Network.self, forKey: .network)
    settings = try container.decode([String: [String: String]].self, forKey: .settings)
    workload = try container.decode([Step].self, forKey: .workload)
    rules = try container.decode([Rule].self, forKey: .rules)
    source = try container.decodeIfPresent(Place.self, forKey: .source)
    if let excess {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: excess))
    }
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
  /// Whose address the servers see as the client's, by accept(2); nil where the rule does not say.
  public var source: Source?
  /// Label to the label of an earlier step by whose server it is served, or is not.
  public var served: [String: ServedBy]
  /// How long the servers' TIME_WAIT sockets have left after the last step; nil where the rule does not say.
  public var timeWait: TimeWaitLength?
  /// Label whose outcome is a prediction to the percent of its attempts that are refused. One case of few attempts cannot
  /// show that, nor both branches: they are asked over all seeds that a run has, and only there. nil for nothing.
  public var shares: [String: Int]?
  /// What its author says that must be seen besides; nil for nothing.
  public var witnesses: AuthorWitnesses?
  /// The reason: kernel function, commit or RFC.
  public var because: String
  /// Its line in the lab file; nil where that is not known.
  public var line: Int?

  /// How long TIME_WAIT lasts.
  public enum TimeWaitLength: String, Codable, Sendable, CaseIterable {
    /// 3.5 RTO: less than 2 s in this lab's networks.
    case recycled
    /// TCP_TIMEWAIT_LEN: more than 50 s are left.
    case full
  }

  /// Whose address a server sees.
  public enum Source: String, Codable, Sendable, CaseIterable {
    case client, hop
  }

  /// Makes a rule.
  public init(
    kernel: [KernelCondition], outcomes: [String: Expectation], source: Source? = nil,
    served: [String: ServedBy] = [:], timeWait: TimeWaitLength? = nil, witnesses: AuthorWitnesses? = nil,
    because: String
  ) {
    self.kernel = kernel
    self.outcomes = outcomes
    self.source = source
    self.served = served
    self.timeWait = timeWait
    self.witnesses = witnesses
    self.because = because
  }
}

/// By which real server an attempt is served. Written `same as LABEL` or `other than LABEL`.
public struct ServedBy: Codable, Sendable, Hashable, CustomStringConvertible {
  /// The label of the step to compare with.
  public var label: String
  /// Whether it is the same server.
  public var same: Bool

  /// Reads `same as LABEL` or `other than LABEL`.
  public init?(text: String) {
    for (words, same) in [("same as ", true), ("other than ", false)] where text.hasPrefix(words) {
      label = String(text.dropFirst(words.count))
      self.same = same
      return
    }
    return nil
  }

  public var description: String { (same ? "same as " : "other than ") + label }
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

extension Rule {
  /// Whether something else is expected, whatever the reason.
  package func expects(otherThan rule: Rule) -> Bool {
    outcomes != rule.outcomes || source != rule.source || served != rule.served || timeWait != rule.timeWait
      || witnesses != rule.witnesses || shares != rule.shares
  }
}

extension Case {
  /// What a worker is told of it: not where it is written, and none of the words that are for people. What a guest in its own
  /// time sees is a function of its request, and neither moves a packet.
  public var forWorker: Case {
    var test = self
    (test.title, test.why, test.source) = ("", "", nil)
    for index in test.rules.indices {
      (test.rules[index].because, test.rules[index].line, test.rules[index].shares) = ("", nil, nil)
    }
    return test
  }

  /// The first rule whose kernel conditions hold; nil if there is none.
  public func rule(on kernel: Kernel) -> Rule? {
    rules.first { rule in
      rule.kernel.allSatisfy { kernel.capabilities.contains($0.capability) == $0.present }
    }
  }

  /// Whether a node's `tcp_timestamps` is 0 when a step begins.
  package func timestampsAreOff(on node: String, before step: Int) -> Bool {
    var value = settings[node]?["tcp_timestamps"]
    for write in workload.prefix(max(0, step)).compactMap(\.action.writes)
    where write.setting == "tcp_timestamps" && write.node == node {
      value = write.value
    }
    return value == "0"
  }
}
