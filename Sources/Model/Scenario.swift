/// One lab file: a network, what varies, what happens, what is expected and why.
public struct Scenario: Sendable {
  /// The lab file's name, without folder and extension.
  public var name: String
  public var title: String
  public var why: String
  /// The network and settings before any axis or override.
  public var base: Parameters
  /// What varies, in the file's order.
  public var axes: [Axis]
  /// Axes that must not change any expectation.
  public var controls: Set<String>
  /// Points that are left out.
  public var exclude: [Condition]
  /// Parameters that depend on axes.
  public var overrides: [Override]
  public var workload: [GuardedStep]
  public var rules: [GuardedRule]
  /// The lab file, as it was named; nil where there is none.
  public var file: String?

  /// Parameters that are set where a condition holds.
  public struct Override: Sendable {
    public var when: Condition
    public var set: [Assignment]

    public init(when: Condition, set: [Assignment]) {
      self.when = when
      self.set = set
    }
  }

  /// A step that happens where a condition holds.
  public struct GuardedStep: Sendable {
    public var when: Condition
    public var step: Step

    public init(when: Condition, step: Step) {
      self.when = when
      self.step = step
    }
  }

  /// A rule that counts where a condition holds.
  public struct GuardedRule: Sendable {
    public var when: Condition
    public var rule: Rule

    public init(when: Condition, rule: Rule) {
      self.when = when
      self.rule = rule
    }
  }

  public init(
    name: String, title: String, why: String, base: Parameters, axes: [Axis], controls: Set<String>,
    exclude: [Condition], overrides: [Override], workload: [GuardedStep], rules: [GuardedRule]
  ) {
    self.name = name
    self.title = title
    self.why = why
    self.base = base
    self.axes = axes
    self.controls = controls
    self.exclude = exclude
    self.overrides = overrides
    self.workload = workload
    self.rules = rules
  }
}

/// One dimension of the matrix.
public struct Axis: Sendable {
  /// A parameter's path (`server.tcp_rfc1337`) or a name of its own, which conditions refer to.
  public var name: String
  public var values: [Value]

  /// One value, as written, and the parameter that it sets; nil on an axis with a name of its own.
  public struct Value: Sendable {
    public var text: String
    public var assignment: Assignment?

    public init(text: String, assignment: Assignment?) {
      self.text = text
      self.assignment = assignment
    }
  }

  public init(name: String, values: [Value]) {
    self.name = name
    self.values = values
  }
}

/// A set of points of the matrix: axis to the values that qualify. An axis that is not named may have any.
public struct Condition: Sendable, Equatable {
  public var axes: [String: Set<String>]

  public init(_ axes: [String: Set<String>] = [:]) { self.axes = axes }

  /// Whether a point is in the set.
  public func holds(_ point: [AxisValue]) -> Bool {
    axes.allSatisfy { axis, values in
      point.contains { $0.axis == axis && values.contains($0.value) }
    }
  }
}

/// Everything about a case's world that an axis or override may set.
public struct Parameters: Sendable {
  public var topology: Network.Topology
  public var family: Network.Family
  public var serverPorts: Int
  public var servers: Int
  public var hop: Hop
  public var groups: [Group]
  /// In place of all that has to do with a topology of a name: a network that the file spells out.
  public var sketch: NetworkSketch?
  /// Node (`server`, `hop`, `all` or a group), setting, value, in the order of the file.
  public var settings: [(node: String, setting: String, value: String)]

  /// Clients that are alike.
  public struct Group: Sendable {
    public var name: String
    public var clock: Clock
    public var isn: SequencePin
    public var count: Int
    /// What it connects to: a node or a named address; nil is what its network has for clients.
    public var target: String?

    public init(name: String, clock: Clock, isn: SequencePin, count: Int) {
      self.name = name
      self.clock = clock
      self.isn = isn
      self.count = count
    }

    /// Names of its nodes.
    public var members: [String] { count == 1 ? [name] : (1...count).map { "\(name).\($0)" } }
  }

  public init(
    topology: Network.Topology, family: Network.Family, serverPorts: Int, servers: Int = 1, hop: Hop,
    groups: [Group],
    settings: [(node: String, setting: String, value: String)]
  ) {
    self.topology = topology
    self.family = family
    self.serverPorts = serverPorts
    self.servers = servers
    self.hop = hop
    self.groups = groups
    self.settings = settings
  }

  /// Sets one parameter.
  public mutating func apply(_ assignment: Assignment) {
    func group(_ name: String, _ change: (inout Group) -> Void) {
      for index in groups.indices where groups[index].name == name { change(&groups[index]) }
    }
    switch assignment {
    case .topology(let value): topology = value
    case .family(let value): family = value
    case .serverPorts(let value): serverPorts = value
    case .servers(let value): servers = value
    case .scheduler(let value): hop.scheduler = value
    case .ports(let value): hop.ports = value
    case .random(let value): hop.random = value
    case .nat(let value): hop.nat = value
    case .backend(let value): hop.backend = value
    case .dropInvalid(let value): hop.dropInvalid = value
    case .clock(let name, let value): group(name) { $0.clock = value }
    case .isn(let name, let value): group(name) { $0.isn = value }
    case .count(let name, let value): group(name) { $0.count = value }
    case .target(let name, let value): group(name) { $0.target = value }
    case .node(let name, let change): sketch?.change(name, change)
    case .setting(let node, let name, let value): settings.append((node, name, value))
    }
  }
}

/// One parameter at one value.
public enum Assignment: Sendable {
  case topology(Network.Topology)
  case family(Network.Family)
  case serverPorts(Int)
  case servers(Int)
  case scheduler(Network.Scheduler)
  case ports(ClosedRange<Int>)
  case random(Hop.Randomness)
  case nat(Hop.NAT)
  case backend(Hop.Backend)
  case dropInvalid(Bool)
  case clock(group: String, Clock)
  case isn(group: String, SequencePin)
  case count(group: String, Int)
  case target(group: String, String)
  /// A part of a node of a network that the file spells out.
  case node(String, NetworkSketch.Change)
  case setting(node: String, name: String, value: String)
}
