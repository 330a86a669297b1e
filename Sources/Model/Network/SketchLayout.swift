extension NetworkSketch {
  /// The network, with its addresses, interfaces and routes.
  ///
  /// The `n`th link is `198.18.n.0/24` or `2001:2:0:n::/64`, its nodes in the order of the file from `.1`; an
  /// address that has a name is one of `198.19.255.0/24` or `2001:2:0:fe00::/64`. A node with one link and one way out
  /// of it has a default route; any other has a route to each network, by the fewest nodes that pass packets on.
  ///
  /// - Throws: ``SketchMistake`` where a name means nothing, or a way is missing.
  public func network(
    family: Network.Family, clients: [Client]
  ) throws(SketchMistake) -> Network {
    try SketchLayout(self, family, clients).network()
  }
}

/// Makes a network of a sketch: one part after the other, each of which needs those before.
private struct SketchLayout {
  let sketch: NetworkSketch
  let family: Network.Family
  let clients: [Client]
  private var plan: Addressing { Addressing(family) }
  /// By name.
  private let sketches: [String: NetworkSketch.Node]

  /// Group or node to its members.
  private var members: [String: [String]] = [:]
  private var hosts: [Network.Node] = []
  private var links: [Link] = []
  /// Names of addresses that are on no link.
  private var names: [String: String] = [:]
  /// Node to its ends, in the order of links: link, interface, address.
  private var ends: [String: [(link: Int, interface: String, address: String)]] = [:]

  init(_ sketch: NetworkSketch, _ family: Network.Family, _ clients: [Client]) {
    self.sketch = sketch
    self.family = family
    self.clients = clients
    sketches = Dictionary(sketch.nodes.map { ($0.name, $0) }) { first, _ in first }
  }

  func network() throws(SketchMistake) -> Network {
    guard clients.count <= Bounds.lan else {
      throw SketchMistake(nil, "at most \(Bounds.lan) clients in a network that is spelled out")
    }
    var layout = self
    layout.makeHosts()
    layout.nameAddresses()
    try layout.join()
    try layout.giveRoles()
    try layout.route()
    try layout.aim()
    return Network(
      topology: .spelledOut, family: family, hosts: layout.hosts, links: layout.links, names: layout.names)
  }

  private mutating func makeHosts() {
    for client in clients {
      var host = Network.Node(client.name, group: client.group)
      host.client = .init(clock: client.clock, isn: client.isn, target: "")
      hosts.append(host)
      members[client.group, default: []].append(client.name)
    }
    for node in sketch.nodes {
      // One that is a client too is there already.
      if members[node.name] == nil {
        members[node.name] = node.members
        hosts += node.members.map { Network.Node($0, group: node.name) }
      }
      for member in node.members where member != node.name { members[member] = [member] }
    }
  }

  private mutating func nameAddresses() {
    for name in sketch.nodes.flatMap({
      $0.services.map(\.name) + $0.has + [$0.nat?.source].compactMap(\.self)
    })
    where names[name] == nil {
      names[name] = plan.named(names.count)
    }
  }

  /// Links with their ends and addresses.
  private mutating func join() throws(SketchMistake) {
    for (number, link) in sketch.links.enumerated() {
      var joined: [String] = []
      for name in link.nodes {
        guard let members = members[name] else { throw SketchMistake(link.name, "there is no node \(name)") }
        joined += members
      }
      guard joined.count >= 2 else { throw SketchMistake(link.name, "a link joins two nodes or more") }
      guard joined.count <= Bounds.lan, number < Bounds.lan else {
        throw SketchMistake(link.name, "at most \(Bounds.lan) nodes and links")
      }
      guard Set(joined).count == joined.count else {
        throw SketchMistake(link.name, "a node stands twice on it")
      }
      var made: [Link.End] = []
      for (position, name) in joined.enumerated() {
        let interface = "eth\(ends[name]?.count ?? 0)"
        let address = plan.link(number, host: position + 1)
        ends[name, default: []].append((number, interface, address))
        made.append(Link.End(name, interface, address))
      }
      capture(link, &made)
      try impair(link, &made)
      if made.count == 2 {
        links.append(Link(link.name, made))
      } else {
        // The bridge is in a namespace of its own: nobody's node.
        var bridge = Network.Node("\(link.name)-switch")
        bridge.isSwitch = true
        hosts.append(bridge)
        links.append(Link(link.name, made, bridge: Link.End(bridge.name, "br")))
      }
    }
    for host in hosts where !host.isSwitch && ends[host.name] == nil && !isAlone(host) {
      throw SketchMistake(host.group, "no link joins it")
    }
  }

  /// Whether a node needs no link: its own client and server.
  private func isAlone(_ host: Network.Node) -> Bool {
    host.client != nil && sketch.targets[host.group] == NetworkSketch.loopback
  }

  /// Where clients and servers are; else at the first end.
  private func capture(_ link: NetworkSketch.Link, _ made: inout [Link.End]) {
    guard link.isCaptured else { return }
    for index in made.indices {
      let host = hosts.first { $0.name == made[index].host }
      made[index].isCaptured = host?.client != nil || host.flatMap { sketches[$0.group]?.listens } != nil
    }
    if !made.contains(where: \.isCaptured) { made[0].isCaptured = true }
  }

  /// What happens to packets on a link: what is said of one end adds to what is said of all.
  private func impair(_ link: NetworkSketch.Link, _ made: inout [Link.End]) throws(SketchMistake) {
    if let mistake = link.packets.mistake {
      throw SketchMistake("\(link.name).\(mistake.key)", mistake.message)
    }
    var (sent, received) = (made.map { _ in link.packets }, made.map { _ in Impairment() })
    for (key, said) in [("from", link.from), ("to", link.to)] {
      for (name, packets) in said.sorted(by: { $0.key < $1.key }) {
        let own = made.indices.filter { members[name]?.contains(made[$0].host) == true }
        guard !own.isEmpty else { throw SketchMistake("\(link.name).\(key)", "\(name) is not on it") }
        for index in own {
          if key == "from" {
            sent[index].add(packets)
          } else if made.count == 2 {
            // Of two, what one gets is what the other sends.
            sent[1 - index].add(packets)
          } else {
            received[index].add(packets)
          }
        }
        if let mistake = (sent + received).lazy.compactMap(\.mistake).first {
          throw SketchMistake("\(link.name).\(key)", mistake.message)
        }
      }
    }
    for index in made.indices {
      made[index].sent = sent[index].isPlain ? nil : sent[index]
      made[index].received = received[index].isPlain ? nil : received[index]
    }
  }

  private func interface(of host: String, on link: String) -> String? {
    guard let number = sketch.links.firstIndex(where: { $0.name == link }) else { return nil }
    return ends[host]?.first { $0.link == number }?.interface
  }

  /// The first address of a name: one that has it, or a node's own.
  private func address(_ name: String) -> String? {
    names[name] ?? members[name]?.first.flatMap { ends[$0]?.first?.address }
  }

  private mutating func giveRoles() throws(SketchMistake) {
    for index in hosts.indices {
      guard let node = sketches[hosts[index].group] else { continue }
      var host = hosts[index]
      host.forwards = node.isForwarding
      host.backend = node.backend
      if let count = node.listens {
        host.server = .init(ports: Network.serverPort...Network.serverPort + max(1, count) - 1)
      }
      for name in node.has + node.services.map(\.name) {
        guard let address = names[name] else { continue }
        host.addresses.append(.init(address, on: "lo"))
      }
      // Who has a VIP that another balances must not answer for it (Documentation/networking/ip-sysctl.rst).
      if !node.has.isEmpty { host.settings = ["arp_ignore": "1", "arp_announce": "2"] }
      if let nat = node.nat { host.nat = try sourceNAT(nat, of: host.name, named: node.name) }
      for rule in node.rules { host.rules.append(try packetRule(rule, of: host.name, named: node.name)) }
      for service in node.services {
        var servers: [String] = []
        for name in service.servers {
          guard let members = members[name],
            sketches[name]?.listens != nil || sketches[group(of: name)]?.listens != nil
          else { throw SketchMistake(node.name, "\(name) is no node that listens") }
          servers += members
        }
        let ports = service.ports ?? service.servers.first.flatMap { sketches[group(of: $0)]?.listens } ?? 1
        host.services.append(
          VirtualService(
            address: names[service.name] ?? "",
            ports: Network.serverPort...Network.serverPort + max(1, ports) - 1,
            scheduler: service.scheduler, forwarding: service.forwarding, servers: servers,
            persistence: service.persistence))
      }
      // Else conntrack takes the ACK that a client answers the cookie with for a connection (iptables-extensions(8)).
      if host.proxies { host.settings["nf_conntrack_tcp_loose"] = "0" }
      // Else ip_vs_notrack takes its packets out of conntrack's sight, and NAT is never asked.
      if host.nat != nil, !host.services.isEmpty { host.settings["vs.conntrack"] = "1" }
      hosts[index] = host
    }
    // In a tunnel the VIP is on its end, so that what comes out is taken.
    let tunnelled = sketch.nodes.flatMap { node in node.services.filter { $0.forwarding == .tunnel } }
    for service in tunnelled {
      for name in service.servers.flatMap({ members[$0] ?? [] }) {
        guard let index = hosts.firstIndex(where: { $0.name == name }),
          let local = ends[name]?.first?.address, let address = names[service.name]
        else { continue }
        hosts[index].addresses.removeAll { $0.address == address }
        hosts[index].addresses.append(.init(address, on: "tun0", tunnel: local))
      }
    }
  }

  private func group(of name: String) -> String {
    hosts.first { $0.name == name }?.group ?? name
  }

  private func sourceNAT(
    _ nat: NetworkSketch.NAT, of host: String, named name: String
  ) throws(SketchMistake) -> Network.Node.SourceNAT {
    var out: [String] = []
    for link in nat.out {
      guard let interface = interface(of: host, on: link) else {
        throw SketchMistake(name, "it is not on the link \(link)")
      }
      out.append(interface)
    }
    let own = ends[host]?.first { $0.interface == out.first }?.address
    guard let address = nat.source.flatMap({ names[$0] }) ?? own else {
      throw SketchMistake(name, "its NAT has no address to give")
    }
    return .init(target: nat.target, out: out, address: address, ports: nat.ports, random: nat.random)
  }

  private func packetRule(
    _ rule: NetworkSketch.Rule, of host: String, named name: String
  ) throws(SketchMistake) -> PacketRule {
    var made = PacketRule(rule.verdict, rule.kind, nth: rule.nth)
    made.proxy = rule.proxy
    if let link = rule.in {
      guard let interface = interface(of: host, on: link) else {
        throw SketchMistake(name, "it is not on the link \(link)")
      }
      made.in = interface
    }
    if let link = rule.out {
      guard let interface = interface(of: host, on: link) else {
        throw SketchMistake(name, "it is not on the link \(link)")
      }
      made.out = interface
    }
    if let from = rule.from {
      guard let address = address(from) else { throw SketchMistake(name, "there is no \(from)") }
      made.from = address
    }
    if let to = rule.to {
      guard let address = address(to) else { throw SketchMistake(name, "there is no \(to)") }
      made.to = address
    }
    if let host = hosts.first(where: { $0.name == host }), made.places(on: host).isEmpty {
      throw SketchMistake(
        name,
        rule.verdict.isBeforeConntrack
          ? "\(rule.verdict.rawValue) is by the link that packets come by: in, and not out"
          : "only what a node passes on comes in and goes out, and it passes nothing on")
    }
    return made
  }

  // MARK: routes

  /// Every node's way to every network and named address that it is not on itself.
  private mutating func route() throws(SketchMistake) {
    let forwarding = Set(hosts.filter(\.forwards).map(\.name))
    let ends = ends
    for index in hosts.indices where !hosts[index].isSwitch {
      let name = hosts[index].name
      let own = ends[name] ?? []
      let overrides = sketches[hosts[index].group]?.routes ?? []
      let neighbours = own.flatMap { end in
        ends.filter { $0.key != name && forwarding.contains($0.key) }
          .flatMap { node, others in others.filter { $0.link == end.link }.map { (node, end, $0.address) } }
      }.sorted { $0.0 < $1.0 }
      var routes: [Network.Node.Route] = []
      if own.count == 1, neighbours.count == 1, let (_, end, via) = neighbours.first {
        if !overrides.contains(where: { $0.to == "default" }) {
          routes.append(.init(via: via, interface: end.interface))
        }
      } else {
        for link in sketch.links.indices where !own.contains(where: { $0.link == link }) {
          let there = Set(ends.filter { $0.value.contains { $0.link == link } }.keys)
          guard let (via, interface) = way(from: name, to: there, through: forwarding) else { continue }
          routes.append(
            .init(to: "\(plan.link(link, host: 0))/\(family.prefix)", via: via, interface: interface))
        }
        for (address, holders) in holders where !holders.contains(name) {
          guard let (via, interface) = way(from: name, to: [holders[0]], through: forwarding) else {
            continue
          }
          routes.append(.init(to: address, via: via, interface: interface))
        }
      }
      for override in overrides {
        guard let members = members[override.via],
          let (via, interface) = step(from: name, toAnyOf: members)
        else {
          throw SketchMistake(hosts[index].group, "\(override.via) is on no link of it")
        }
        guard override.to != "default" else {
          routes.append(.init(via: via, interface: interface))
          continue
        }
        guard let to = address(override.to) else {
          throw SketchMistake(hosts[index].group, "there is no \(override.to)")
        }
        routes.removeAll { $0.to == to }
        routes.append(.init(to: to, via: via, interface: interface))
      }
      hosts[index].routes = routes
    }
  }

  /// Named addresses, each with the nodes that have it: who balances it before who only has it.
  private var holders: [(address: String, nodes: [String])] {
    names.sorted { $0.key < $1.key }.compactMap { name, address in
      let directors = hosts.filter { $0.services.contains { $0.address == address } }.map(\.name)
      let others = hosts.filter { host in
        host.addresses.contains { $0.address == address } || host.nat?.address == address
      }.map(\.name)
      let all = directors + others.filter { !directors.contains($0) }
      return all.isEmpty ? nil : (address, all)
    }
  }

  /// The address and own interface by which a neighbour is reached; nil where they share no link.
  private func step(from name: String, to neighbour: String) -> (via: String, interface: String)? {
    for end in ends[name] ?? [] {
      if let other = ends[neighbour]?.first(where: { $0.link == end.link }) {
        return (other.address, end.interface)
      }
    }
    return nil
  }

  private func step(from name: String, toAnyOf neighbours: [String]) -> (via: String, interface: String)? {
    for neighbour in neighbours {
      if let found = step(from: name, to: neighbour) { return found }
    }
    return nil
  }

  /// The first step of the way that passes the fewest nodes, each of which passes packets on.
  private func way(
    from name: String, to goals: Set<String>, through forwarding: Set<String>
  ) -> (via: String, interface: String)? {
    var first: [String: String] = [name: name]
    var edge = [name]
    while !edge.isEmpty {
      var next: [String] = []
      for node in edge {
        for end in ends[node] ?? [] {
          let others = ends.filter { $0.value.contains { $0.link == end.link } }.keys.sorted()
          for other in others where first[other] == nil {
            first[other] = node == name ? other : first[node]
            if goals.contains(other), let hop = first[other] { return step(from: name, to: hop) }
            if forwarding.contains(other) { next.append(other) }
          }
        }
      }
      edge = next
    }
    return nil
  }

  // MARK: targets

  /// What each client connects to.
  private mutating func aim() throws(SketchMistake) {
    let services = sketch.nodes.flatMap { $0.services.map(\.name) }
    let servers = sketch.nodes.filter { $0.listens != nil }.map(\.name)
    for index in hosts.indices where hosts[index].client != nil {
      let group = hosts[index].group
      let name =
        sketch.targets[group]
        ?? (services.count == 1 ? services[0] : services.isEmpty && servers.count == 1 ? servers[0] : nil)
      guard let name else {
        throw SketchMistake(group, "what it connects to: \((services + servers).joined(separator: ", "))")
      }
      if name == NetworkSketch.loopback {
        hosts[index].client?.target = family == .ipv4 ? "127.0.0.1" : "::1"
        hosts[index].capturesLoopback = true
        continue
      }
      guard let address = address(name) else { throw SketchMistake(group, "there is no \(name)") }
      hosts[index].client?.target = address
      // Its own address is reached by `lo`.
      if names[name] == nil, members[name]?.contains(hosts[index].name) == true {
        hosts[index].capturesLoopback = true
      }
    }
  }
}
