import Model
import Netlink

extension Workload {
  /// The directors that balance between others and this server; there is one, or the step does nothing.
  func directors(of server: String, for verb: String) throws -> [Director] {
    let directors = testbed.directors.filter { $0.has(server) }
    guard !directors.isEmpty else { throw lacks(verb, server, "no director here") }
    return directors
  }
}

/// What steps ask of the network, in one place.
extension Testbed {
  /// The address that a client calls.
  ///
  /// - Parameter name: a node, a name that the lab file has for an address, an address; nil for whom it always calls.
  func target(of client: Int, named name: String?) throws -> String {
    let own = test.network.host(clients[client].description.name)?.client?.target
    if name == nil, let own { return own }
    // Where a server has a link for each client, the one that this client has.
    if let name, let own,
      test.network.members(of: name).contains(where: { test.network.addresses(of: $0).contains(own) })
    {
      return own
    }
    if let name, let address = test.network.address(named: name) { return address }
    throw Failure(
      stage: "connect", object: name ?? clients[client].node.name, cause: "no address is called so")
  }

  /// One end of a link, or the bridge's port at the other.
  struct Interface {
    let node: Node
    let name: String
    let index: Int
    let address: String?
  }

  /// A node's links, or the link of that name: its own end, and the other. Of a link of two its first node's is the own
  /// end; of a LAN everybody's is.
  func links(named name: String) throws -> [(own: Interface, far: Interface)] {
    var found: [(own: Interface, far: Interface)] = []
    for link in test.network.links {
      for (number, end) in link.ends.enumerated()
      where end.host == name || link.name == name && (number == 0 || link.bridge != nil) {
        let far: Link.End
        if let bridge = link.bridge {
          far = Link.End(bridge.host, Link.port(number, of: bridge))
        } else if link.ends.count == 2 {
          far = link.ends[1 - number]
        } else {
          continue
        }
        found.append((try interface(end), try interface(far)))
      }
    }
    return found
  }

  func interface(_ end: Link.End) throws -> Interface {
    guard let node = (nodes + switches).first(where: { $0.name == end.host }),
      let index = links.index(of: end.interface, on: end.host)
    else { throw Failure(stage: "link", object: end.host, cause: "no interface \(end.interface)") }
    return Interface(node: node, name: end.interface, index: index, address: end.address)
  }
}
