extension Network {
  /// A network that has a name of its own.
  public init(
    topology: Topology, family: Family, clients: [Client], serverPorts: Int = 1, listening: Bool = true,
    hop: Hop? = nil, servers: Int = 1
  ) {
    let parameters = PresetParameters(
      family: family, clients: clients, serverPorts: serverPorts, servers: servers, hop: hop ?? Hop())
    self =
      topology.preset?.network(parameters)
      ?? Network(topology: topology, family: family, hosts: [], links: [])
    if !listening { self.listening = false }
  }
}

extension Network: Codable {
  private enum CodingKeys: String, CodingKey { case topology, family, hosts, links, names }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let topology = try container.decode(Topology.self, forKey: .topology)
    let family = try container.decode(Family.self, forKey: .family)
    self.init(
      topology: topology, family: family, hosts: try container.decode([Network.Node].self, forKey: .hosts),
      links: try container.decode([Link].self, forKey: .links),
      names: try container.decodeIfPresent([String: String].self, forKey: .names) ?? [:])
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(topology, forKey: .topology)
    try container.encode(family, forKey: .family)
    try container.encode(hosts, forKey: .hosts)
    try container.encode(links, forKey: .links)
    if !names.isEmpty { try container.encode(names, forKey: .names) }
  }
}

/// What is as with most nodes is not written, and what a later version of the lab adds is not asked for.
extension Network.Node {
  private enum CodingKeys: String, CodingKey {
    case name, group, client, server, forwards, nat, rules, backend, services, addresses, routes, settings
    case capturesLoopback, isSwitch, alwaysTracks
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func decode<Value: Decodable>(_ key: CodingKeys, _ byDefault: Value) throws -> Value {
      try container.decodeIfPresent(Value.self, forKey: key) ?? byDefault
    }
    name = try container.decode(String.self, forKey: .name)
    group = try decode(.group, name)
    client = try container.decodeIfPresent(ClientRole.self, forKey: .client)
    server = try container.decodeIfPresent(ServerRole.self, forKey: .server)
    nat = try container.decodeIfPresent(SourceNAT.self, forKey: .nat)
    forwards = try decode(.forwards, false)
    rules = try decode(.rules, [])
    backend = try decode(.backend, .auto)
    services = try decode(.services, [])
    addresses = try decode(.addresses, [])
    routes = try decode(.routes, [])
    settings = try decode(.settings, [:])
    capturesLoopback = try decode(.capturesLoopback, false)
    isSwitch = try decode(.isSwitch, false)
    alwaysTracks = try decode(.alwaysTracks, false)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    func encode<Value: Encodable & Equatable>(_ value: Value, _ key: CodingKeys, unless byDefault: Value)
      throws
    {
      if value != byDefault { try container.encode(value, forKey: key) }
    }
    try container.encode(name, forKey: .name)
    try encode(group, .group, unless: name)
    try container.encodeIfPresent(client, forKey: .client)
    try container.encodeIfPresent(server, forKey: .server)
    try container.encodeIfPresent(nat, forKey: .nat)
    try encode(forwards, .forwards, unless: false)
    try encode(rules, .rules, unless: [])
    try encode(backend, .backend, unless: .auto)
    try encode(services, .services, unless: [])
    try encode(addresses, .addresses, unless: [])
    try encode(routes, .routes, unless: [])
    try encode(settings, .settings, unless: [:])
    try encode(capturesLoopback, .capturesLoopback, unless: false)
    try encode(isSwitch, .isSwitch, unless: false)
    try encode(alwaysTracks, .alwaysTracks, unless: false)
  }
}
