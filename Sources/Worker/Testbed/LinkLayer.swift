import Linux
import Model
import Netlink

/// Links, addresses and routes of a case's network, made between its namespaces.
///
/// Interface indices are chosen, so that everything goes out in one batch per namespace without a look-up. A new
/// namespace already holds `lo` and the kernel's fallback tunnels.
final class LinkLayer {
  private let network: Network
  private let nodes: [String: Node]
  private let test: String
  /// By node and interface.
  private var indices: [String: [String: Int]] = [:]
  private var awaited: [Awaited] = []

  private static let loopback = 1
  /// Where those of links begin.
  private static let first = 100

  /// What the kernel has yet to do before packets can pass.
  private enum Awaited {
    /// A link carries packets.
    case link(Node, Int, name: String)
    /// An address is delivered here; IPv6 only, for IPv4's is at once.
    case address(Node, String)

    var node: Node {
      switch self {
      case .link(let node, _, _), .address(let node, _): node
      }
    }

    var words: String {
      switch self {
      case .link(let node, _, let name): "link \(name) of \(node.name)"
      case .address(let node, let address): "\(address) of \(node.name)"
      }
    }
  }

  /// `ip link add ... type veth peer ... netns`, addresses, routes, up.
  init(_ network: Network, nodes: [String: Node], test: String) throws {
    self.network = network
    self.nodes = nodes
    self.test = test
    do { try make() } catch { throw Failure(error, stage: "links", object: test) }
  }

  /// The index of a node's interface; nil where there is none.
  func index(of interface: String, on node: String) -> Int? {
    interface == "lo" ? Self.loopback : indices[node]?[interface]
  }

  private func make() throws {
    for node in nodes.values { node.routes.setLoopbackUp() }
    var next = Self.first
    for link in network.links {
      if let bridge = link.bridge {
        try makeBridge(bridge, link, &next)
      } else {
        try makeVeth(link, &next)
      }
    }
    // Those who make links first: the far ends are there when the others give them addresses.
    let makers = Set(network.links.map { $0.bridge?.host ?? $0.ends[0].host })
    let order =
      network.hosts.filter { makers.contains($0.name) } + network.hosts.filter { !makers.contains($0.name) }
    for host in order where makers.contains(host.name) { try nodes[host.name]?.routes.commit() }
    for link in network.links {
      for end in link.allEnds {
        guard let node = nodes[end.host], let index = indices[end.host]?[end.interface] else { continue }
        if let address = end.address { add(address, alone: false, to: node, index) }
        node.routes.setUp(index: index)
        awaited.append(.link(node, index, name: end.interface))
      }
    }
    for host in order {
      guard let node = nodes[host.name] else { continue }
      for route in host.routes {
        guard let index = index(of: route.interface, on: host.name) else {
          throw Failure(stage: "route", object: host.name, cause: "no interface \(route.interface)")
        }
        let features = host.client?.clock == .microseconds ? RouteSocket.usecTimestamps : nil
        node.routes.addRoute(to: route.to, via: route.via, index: index, features: features)
      }
      for extra in host.addresses { try add(extra, to: node, of: host.name, &next) }
      try node.routes.commit()
    }
  }

  /// A veth between two nodes. Its ends have different indices: the kernel hurries to activate a link only then
  /// (`linkwatch_urgent_event`), and takes up to a second otherwise.
  private func makeVeth(_ link: Link, _ next: inout Int) throws {
    guard link.ends.count == 2, let near = nodes[link.ends[0].host], let far = nodes[link.ends[1].host] else {
      throw Failure(stage: "link", object: link.name, cause: "a link has two ends")
    }
    let (nearIndex, farIndex) = (next, next + 1)
    next += 2
    near.routes.addVeth(
      name: link.ends[0].interface, index: nearIndex, peer: link.ends[1].interface, peerIndex: farIndex,
      peerNamespace: far.namespace.fileDescriptor)
    indices[near.name, default: [:]][link.ends[0].interface] = nearIndex
    indices[far.name, default: [:]][link.ends[1].interface] = farIndex
  }

  /// A bridge in a node's namespace with a port for each end.
  private func makeBridge(_ bridge: Link.End, _ link: Link, _ next: inout Int) throws {
    guard let node = nodes[bridge.host] else {
      throw Failure(stage: "link", object: link.name, cause: "there is no node \(bridge.host)")
    }
    let index = next
    next += 1
    node.routes.addBridge(name: bridge.interface, index: index)
    indices[node.name, default: [:]][bridge.interface] = index
    for (number, end) in link.ends.enumerated() {
      guard let far = nodes[end.host] else {
        throw Failure(stage: "link", object: link.name, cause: "there is no node \(end.host)")
      }
      let (port, farIndex) = (next, next + 1)
      next += 2
      let name = Link.port(number, of: bridge)
      node.routes.addVeth(
        name: name, index: port, peer: end.interface, peerIndex: farIndex,
        peerNamespace: far.namespace.fileDescriptor)
      node.routes.setMaster(index: port, bridge: index)
      node.routes.setUp(index: port)
      indices[node.name, default: [:]][name] = port
      awaited.append(.link(node, port, name: name))
      indices[far.name, default: [:]][end.interface] = farIndex
    }
  }

  private func add(_ extra: Network.Node.ExtraAddress, to node: Node, of host: String, _ next: inout Int)
    throws
  {
    var index = index(of: extra.interface, on: host)
    if let local = extra.tunnel, index == nil {
      index = next
      node.routes.addTunnel(name: extra.interface, index: next, local: local)
      node.routes.setUp(index: next)
      indices[host, default: [:]][extra.interface] = next
      next += 1
    }
    guard let index else {
      throw Failure(stage: "address", object: host, cause: "no interface \(extra.interface)")
    }
    add(extra.address, alone: true, to: node, index)
  }

  private func add(_ address: String, alone: Bool, to node: Node, _ index: Int) {
    let family = network.family
    if family == .ipv6, !alone {
      // A packet that is passed on asks for its neighbour from a link-local address (ndisc_solicit), and the
      // kernel's own would be seconds in coming: duplicate address detection.
      node.routes.addAddress("fe80::\(String(index, radix: 16))", prefix: 64, index: index)
    }
    // Not preferred where it is the VIP of IPv6: a director that took it for the outer source of its tunnels would
    // be refused by servers that have it too (ip6_tnl_rcv_ctl).
    node.routes.addAddress(
      address, prefix: alone ? family.hostPrefix : family.prefix, index: index,
      preferred: !(alone && family == .ipv6))
    awaited.append(.address(node, address))
  }

  /// Last, so that the kernel activates the links while the rest is set up.
  func awaitReadiness() throws {
    let deadline = SystemClock.monotonic() + 10_000_000_000
    // Of the nodes that were late: most are not.
    var monitors: [String: LinkMonitor] = [:]
    while true {
      monitors.values.forEach { $0.reset() }
      do { awaited = try late() } catch { throw Failure(error, stage: "carrier", object: test) }
      guard let first = awaited.first else { return }
      let unheard = Dictionary(awaited.map { ($0.node.name, $0.node) }) { first, _ in first }
        .filter { monitors[$0.key] == nil }
      guard unheard.isEmpty else {
        for (name, node) in unheard {
          do { monitors[name] = try node.namespace.run { try LinkMonitor() } } catch {
            throw Failure(error, stage: "carrier", object: name)
          }
        }
        // What has changed before it was listened for tells nobody.
        continue
      }
      let left = deadline - SystemClock.monotonic()
      guard left > 0 else {
        throw Failure(
          stage: "wait", object: first.words, cause: "not up within 10 s",
          mend: "fewer --jobs, if the machine is loaded")
      }
      var requests = monitors.values.map {
        Poll.Request(descriptor: $0.fileDescriptor, events: Poll.readable)
      }
      _ = try Poll.wait(&requests, timeout: Int(left / 1_000_000) + 1)
    }
  }

  /// What of the awaited is yet to come.
  private func late() throws -> [Awaited] {
    var links: [String: Int] = [:]
    for case .link(let node, _, _) in awaited { links[node.name, default: 0] += 1 }
    var ready: [String: Set<Int>] = [:]
    return try awaited.filter { awaited in
      switch awaited {
      case .link(let node, let index, _) where links[node.name, default: 0] <= 4:
        return try !node.routes.isReady(index: index)
      case .link(let node, let index, _):
        let all = try ready[node.name] ?? node.routes.readyLinks()
        ready[node.name] = all
        return !all.contains(index)
      case .address(let node, let address):
        return try network.family == .ipv6 && !node.routes.isLocal(address)
      }
    }
  }
}
