import Model

/// Changes of somebody's network that may end a loss: settings of the servers, the clients or what stands between, how a
/// NAT chooses ports, a firewall's rules, another layout that the lab file has.
public struct Cure: Codable, Sendable, Hashable {
  /// All of them are needed: one, or two neither of which is enough.
  public var changes: [Change]

  public init(_ changes: [Change]) { self.changes = changes }

  /// `server tcp_rfc1337=0, hop random=fully`
  public var text: String { changes.map(\.text).joined(separator: ", ") }

  /// One change, on all nodes that have a role.
  public enum Change: Codable, Sendable, Hashable {
    /// `sysctl -w`
    case setting(Role, name: String, value: String)
    /// How a NAT chooses a port: `--random`, `--random-fully`.
    case random(Hop.Randomness)
    /// A NAT has all ports that are nobody's by right: `--to-source ADDRESS:1024-65535`.
    case ports
    /// A node has no rules of its own besides NAT: `iptables -F`.
    case withoutRules(node: String)
    /// The same case on another layout of its lab file's: the axis `topology`.
    case layout(String)

    /// As it is named in a table.
    public var text: String {
      switch self {
      case .setting(let role, let name, let value): "\(role.rawValue) \(name)=\(value)"
      case .random(let random): "NAT random=\(random.rawValue)"
      case .ports: "NAT ports=\(Cure.ports.lowerBound)-\(Cure.ports.upperBound)"
      case .withoutRules(let node): "\(node) without its rules"
      case .layout(let layout): "topology=\(layout)"
      }
    }

    /// What an administrator types; nil where that is no one command.
    public var command: String? {
      switch self {
      case .setting(_, let name, let value):
        Setting.named(name).map {
          let words = $0.path.split(separator: "/").joined(separator: ".")
          return "sysctl -w \(words)=" + (value.contains(" ") ? "\"\(value)\"" : value)
        }
      case .random(.none): nil
      case .random(.random): "iptables -t nat ... -j SNAT|MASQUERADE --random"
      case .random(.fully): "iptables -t nat ... -j SNAT|MASQUERADE --random-fully"
      case .ports: "iptables -t nat ... --to-source ADDRESS:\(Cure.ports.lowerBound)-\(Cure.ports.upperBound)"
      case .withoutRules, .layout: nil
      }
    }
  }

  /// Who changes it. A node that is several of them belongs to each.
  public enum Role: String, Codable, Sendable, CaseIterable {
    case server, hop, client

    func has(_ host: Network.Node) -> Bool {
      switch self {
      case .server: host.server != nil
      case .client: host.client != nil
      case .hop: !host.isEnd && !host.isSwitch
      }
    }
  }

  static let ports = 1024...65535

  /// How badly somebody is hurt, worse ones last.
  public enum Harm: Int, Codable, Sendable, Comparable {
    case none, delayed, lost

    public static func < (left: Harm, right: Harm) -> Bool { left.rawValue < right.rawValue }

    /// How badly who met it is hurt.
    public init(_ outcome: Outcome?) {
      switch outcome {
      case .connected, .served, .delivered: self = .none
      case .delayed: self = .delayed
      default: self = .lost
      }
    }
  }

  /// The worst that each label's attempts met.
  public static func harm(in attempts: [JudgedAttempt]) -> [String: Harm] {
    attempts.reduce(into: [:]) { harm, judged in
      harm[judged.attempt.label] = max(harm[judged.attempt.label] ?? .none, Harm(judged.outcome))
    }
  }

  /// What a change comes to.
  public enum Effect: String, Codable, Sendable {
    /// Nobody is hurt any more.
    case ends
    /// Whoever was hurt most is hurt less, and nobody more.
    case softens
    case nothing
    /// Somebody is hurt who was not, or more than before.
    case worsens
  }

  /// Holds what was seen with a change against what was seen without.
  public static func effect(of after: [String: Harm], instead before: [String: Harm]) -> Effect {
    if after.contains(where: { $0.value > before[$0.key] ?? .none }) { return .worsens }
    if after.values.allSatisfy({ $0 == .none }) {
      return before.values.contains { $0 > .none } ? .ends : .nothing
    }
    return (after.values.max() ?? .none) < (before.values.max() ?? .none) ? .softens : .nothing
  }
}

// MARK: what can be tried

extension Cure {
  /// Settings that are no cure: what only this lab has pinned, how long a caller has patience, and what decides whether
  /// packets are passed on at all.
  private static let untried: Set<String> = [
    "tcp_congestion_control", "tcp_no_metrics_save", "tcp_syn_retries", "tcp_syn_linear_timeouts",
    "ip_forward", "ipv6_forwarding", "ipv6_addr_gen_mode", "ipv6_accept_ra", "ip_local_reserved_ports",
  ]

  /// Every single change of a case that is one, servers first.
  ///
  /// Of a setting with few values each is tried; of another its baseline, a tenth and ten times what it is.
  ///
  /// - Parameter scenario: the cases of the same lab file, for other layouts.
  public static func changes(for test: Case, among scenario: [Case] = []) -> [Change] {
    var changes: [Change] = []
    for role in Role.allCases {
      for setting in Setting.all where !untried.contains(setting.name) {
        let hosts = test.network.hosts.filter { role.has($0) && setting.applies(to: $0) }
        let values = Set(hosts.map { test.value(of: setting, on: $0) })
        guard !hosts.isEmpty else { continue }
        for value in setting.alternatives(to: values.count == 1 ? values.first ?? nil : nil, of: role)
        where values != [value] {
          changes.append(.setting(role, name: setting.name, value: value))
        }
      }
    }
    let nats = test.network.hosts.compactMap(\.nat)
    if !nats.isEmpty {
      for random in Hop.Randomness.allCases where nats.contains(where: { $0.random != random }) {
        changes.append(.random(random))
      }
      if nats.contains(where: { $0.ports != ports }) { changes.append(.ports) }
    }
    for host in test.network.hosts where !host.rules.isEmpty {
      changes.append(.withoutRules(node: host.name))
    }
    changes += layouts(of: test, among: scenario).map { .layout($0.layout) }
    return changes
  }

  private static func layouts(of test: Case, among scenario: [Case]) -> [(layout: String, test: Case)] {
    guard let index = test.axes.firstIndex(where: { $0.axis == "topology" }) else { return [] }
    return scenario.compactMap { other in
      guard other.axes.count == test.axes.count, other.axes[index].axis == "topology" else { return nil }
      var axes = test.axes
      axes[index] = other.axes[index]
      return axes == other.axes && axes != test.axes ? (other.axes[index].value, other) : nil
    }
  }

  /// The case with all changes made before it begins, and what a lab file writes of the same settings later left out.
  ///
  /// Nothing is expected of it but that everybody connects: what it comes to is what its attempts met.
  public func applied(to test: Case, among scenario: [Case] = []) -> Case {
    var changed = test
    for change in changes {
      guard case .layout(let layout) = change,
        let other = Self.layouts(of: test, among: scenario).first(where: { $0.layout == layout })?.test
      else { continue }
      (changed.network, changed.settings, changed.workload) = (other.network, other.settings, other.workload)
    }
    for change in changes { changed.apply(change) }
    return changed.named(text)
  }

  /// The case with all changes made by `sysctl -w` before a step, as on a machine that runs; nil where one of them is none
  /// that can be made so.
  public func applied(to test: Case, before step: Int) -> Case? {
    var changed = test
    var writes: [Step] = []
    for change in changes {
      guard case .setting(let role, let name, let value) = change, let setting = Setting.named(name),
        // A client's clock is there when it is made.
        !(role == .client && name == "tcp_timestamps")
      else { return nil }
      for host in test.network.hosts where role.has(host) && setting.applies(to: host) {
        writes.append(.set(node: host.name, setting: name, value: value))
      }
    }
    changed.workload.insert(contentsOf: writes, at: min(max(0, step), changed.workload.count))
    return changed.named("\(text), at once")
  }

  /// The case with nothing changed, and nothing expected.
  public static func unchanged(_ test: Case) -> Case { test.named("as it is") }

  /// Whether a case of another lab file would be another with it: it has the role, does not itself say otherwise, and is
  /// about nothing that the change does.
  public func concerns(_ test: Case) -> Bool {
    changes.allSatisfy { change in
      switch change {
      case .setting(let role, let name, let value):
        guard let setting = Setting.named(name) else { return false }
        let hosts = test.network.hosts.filter { role.has($0) && setting.applies(to: $0) }
        return hosts.contains { test.value(of: setting, on: $0) != value }
          && !hosts.contains { test.settings[$0.name]?[name] != nil && name != "tcp_timestamps" }
          && !test.axes.contains { $0.axis.hasSuffix(name) }
      case .random(let random): return test.network.hosts.compactMap(\.nat).contains { $0.random != random }
      case .ports: return test.network.hosts.compactMap(\.nat).contains { $0.ports != Self.ports }
      case .withoutRules, .layout: return false
      }
    }
  }
}

extension Setting {
  /// Values that may be tried instead of one.
  fileprivate func alternatives(to value: String?, of role: Cure.Role) -> [String] {
    let all: [String]
    switch values {
    case .flag: all = ["0", "1"]
    case .number(let range, _) where range.count <= 6: all = range.map { "\($0)" }
    case .number(let range, _):
      let number = value.flatMap { Int($0) }
      let others = number.map { [$0 / 10, $0.multipliedReportingOverflow(by: 10).partialValue] } ?? []
      all = [baseline].compactMap { $0 } + others.filter(range.contains).map { "\($0)" }
    case .text: all = name == "ip_local_port_range" ? ["1024 65535"] : []
    }
    // A client's clock is its case's; what is left is to have none.
    let own = role == .client && name == "tcp_timestamps" ? ["0"] : all
    var seen: Set<String> = value.map { [$0] } ?? []
    return own.filter { seen.insert($0).inserted }
  }
}

extension Case {
  /// A setting of a node, as the case begins.
  fileprivate func value(of setting: Setting, on host: Network.Node) -> String? {
    settings[host.name]?[setting.name] ?? host.settings[setting.name] ?? setting.baseline
  }

  fileprivate func named(_ change: String) -> Case {
    var test = self
    test.id += " ~ \(change)"
    test.rules = [Rule(kernel: [], outcomes: [:], because: "what it comes to is asked")]
    return test
  }

  fileprivate mutating func apply(_ change: Cure.Change) {
    switch change {
    case .setting(let role, let name, let value):
      guard let setting = Setting.named(name) else { return }
      for host in network.hosts where role.has(host) && setting.applies(to: host) {
        settings[host.name, default: [:]][name] = value
        workload.removeAll { $0.action.writes.map { $0.node == host.name && $0.setting == name } == true }
        guard role == .client, name == "tcp_timestamps" else { continue }
        for index in network.clients.indices where network.clients[index].name == host.name {
          network.clients[index].clock = .off
        }
        workload.removeAll { ($0.action as? SetClock)?.client == host.group }
      }
    case .random(let random):
      for index in network.hosts.indices { network.hosts[index].nat?.random = random }
    case .ports:
      for index in network.hosts.indices { network.hosts[index].nat?.ports = Cure.ports }
    case .withoutRules(let node):
      for index in network.hosts.indices where network.hosts[index].name == node {
        network.hosts[index].rules = []
      }
    case .layout: break
    }
  }
}
