import Model

/// The names that a file makes, for what comes after them in it.
struct Names {
  /// Offsets under `clocks`, in milliseconds.
  var clocks: [String: Int] = [:]
  var topology: Network.Topology = .direct {
    didSet {
      between = topology == .direct ? [] : [Network.hop] + (topology.hasRouter ? [Network.router] : [])
    }
  }
  /// Nodes between clients and servers, of a network that has a name of its own.
  private var between: [String] = []
  /// A network that the file spells out.
  var sketch: NetworkSketch?
  /// The names that such a network has, known before any of it is read.
  var spelled: Spelled?
  var groups: [String] = []
  /// As many as any case has.
  var servers = 1
  var axes: [Axis] = []
  /// What steps call their attempts, and whether those are bytes and not connections.
  var labels: [String: Bool] = [:]
  /// Whether a step could not be read, of which that is said already: it may have had any label.
  var lacksSteps = false

  /// Names that parameters of nodes begin with; as the topology and the clients make them.
  var nodes: [String] {
    if let spelled { return groups + spelled.nodes.filter { !groups.contains($0) } + ["all"] }
    return groups + between + [Network.server, "all"]
  }

  var serverNames: [String] {
    if let sketch { return sketch.nodes.filter { $0.listens != nil }.flatMap(\.members) }
    return Network(topology: .direct, family: .ipv4, clients: [], hop: nil, servers: servers).serverNames
  }

  /// Whether it is `late.2`, one of a group or of the servers.
  func isMember(_ name: String) -> Bool {
    guard let dot = name.lastIndex(of: "."), Int(name[name.index(after: dot)...]) != nil else { return false }
    return nodes.contains(String(name[..<dot]))
  }

  /// Addresses that have a name: VIPs, and what several nodes share.
  var addressNames: [String] {
    guard let sketch else { return topology.sample?.names.keys.sorted() ?? [] }
    var names: [String] = []
    for name in sketch.nodes.flatMap({ $0.services.map(\.name) + $0.has }) where !names.contains(name) {
      names.append(name)
    }
    return names
  }

  func axis(_ name: String) -> Axis? { axes.first { $0.name == name } }

  private static let parameters = Parameter.asAxes.map(\.name)

  /// Names of nodes that are no clients, and words that stand beside labels in an expectation.
  static let reserved: Set<String> = ofNodes.union(Grammar.rule.map(\.name) + ["kernel"])
  static let ofNodes: Set<String> = [Network.server, Network.hop, Network.router, "all"]

  /// The names of a kind that there are here; nil where they are not listed.
  func all(_ kind: FieldKind.Named) -> [String] {
    switch kind {
    case .client: groups
    case .server: serverNames + addressNames
    case .node: nodes
    case .link: spelled?.links ?? []
    case .end: nodes.filter { $0 != "all" } + (spelled?.addresses ?? [])
    case .label: labels.keys.sorted()
    case .setting: Setting.all.map(\.name)
    case .counter: KnownCounters.all.sorted()
    case .axis: axes.map(\.name)
    case .parameter: Self.parameters
    case .nodeSetting: []
    }
  }
}

/// The names of a network that a file spells out.
struct Spelled {
  var nodes: [String]
  var links: [String]
  /// Of addresses: services, and those that nodes have.
  var addresses: [String]
}
