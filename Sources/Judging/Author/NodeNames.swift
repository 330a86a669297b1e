import Evidence
import Model

/// Which addresses the nodes of a case have, so that a pattern may name a node.
struct NodeNames {
  private let addresses: [String: Set<String>]
  private let network: Network

  init(_ network: Network, _ observation: Observation) {
    self.network = network
    var addresses = network.names.mapValues { Set([$0]) }
    for end in network.links.flatMap(\.allEnds) {
      if let address = end.address { addresses[end.host, default: []].insert(address) }
    }
    for host in network.hosts { addresses[host.name, default: []].formUnion(host.addresses.map(\.address)) }
    // Where a connection goes that a node makes to itself.
    for host in network.hosts where host.capturesLoopback {
      addresses[host.name, default: []].formUnion(["127.0.0.1", "::1"])
    }
    for attempt in observation.attempts {
      if let local = attempt.local?.host {
        addresses[attempt.client, default: []].insert(Self.bare(String(local)))
      }
    }
    self.addresses = addresses
  }

  /// The nodes that a name means: one, or the members of a group.
  func nodes(_ name: String) -> [String] {
    let members = network.members(of: name)
    return members.isEmpty ? [name] : members
  }

  /// Whether an address and port are what a pattern says.
  func matches(_ end: EndPattern, _ address: String, _ port: Int) -> Bool {
    if let wanted = end.port, wanted != port { return false }
    return matches(host: end.host, address)
  }

  /// Whether an address is what a pattern says; `address:port` is read as that.
  func matches(_ end: EndPattern, _ text: String) -> Bool {
    matches(end, String(text.host), Int(text[text.host.endIndex...].dropFirst()) ?? -1)
  }

  /// `2001:2::2` of `[2001:2::2]`.
  private static func bare(_ address: String) -> String {
    address.first == "[" ? String(address.dropFirst().dropLast()) : address
  }

  /// Whether an address is a node's, or that one.
  func matches(host: String?, _ address: String) -> Bool {
    guard let host else { return true }
    let address = Self.bare(address)
    return host == address || nodes(host).contains { addresses[$0]?.contains(address) == true }
  }
}

extension String {
  /// The address of `address:port`.
  var host: Substring { self[..<(lastIndex(of: ":") ?? endIndex)] }
  /// The same without the brackets that stand around one of IPv6.
  var bareHost: String { host.first == "[" ? String(host.dropFirst().dropLast()) : String(host) }
}
