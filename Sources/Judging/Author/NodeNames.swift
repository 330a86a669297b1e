import Evidence
import Model

/// Which addresses the nodes of a case have, so that a pattern may name a node.
struct NodeNames {
  private var addresses: [String: Set<String>]
  private var groups: [String: [String]] = [:]

  init(_ test: Case, _ observation: Observation, _ segments: [Segment]) {
    addresses = (observation.addresses ?? [:]).mapValues(Set.init)
    for client in test.network.clients { groups[client.group, default: []].append(client.name) }
    groups[Network.server] = test.network.serverNames
    guard addresses.isEmpty else { return }
    // A recording of a version that did not keep them tells them by what passed: an end's own links, and whom the
    // servers saw where that is no client.
    for attempt in observation.attempts {
      if let local = attempt.local?.host { addresses[attempt.client, default: []].insert(String(local)) }
    }
    let ends = Set(test.network.clients.map(\.name) + test.network.serverNames)
    for segment in segments where segment.outgoing && ends.contains(segment.node) {
      addresses[segment.node, default: []].insert(segment.source)
    }
    let known = addresses.values.reduce(into: Set<String>()) { $0.formUnion($1) }
    for node in test.network.natNodes {
      addresses[node] = Set(observation.attempts.compactMap { $0.peer.map { String($0.host) } }).subtracting(
        known)
    }
  }

  /// The nodes that a name means: one, or the members of a group.
  func nodes(_ name: String) -> [String] { groups[name] ?? [name] }

  /// Whether an address and port are what a pattern says.
  func matches(_ end: EndPattern, _ address: String, _ port: Int) -> Bool {
    if let wanted = end.port, wanted != port { return false }
    return matches(host: end.host, address)
  }

  /// Whether an address is what a pattern says; `address:port` is read as that.
  func matches(_ end: EndPattern, _ text: String) -> Bool {
    matches(end, String(text.host), Int(text[text.host.endIndex...].dropFirst()) ?? -1)
  }

  /// Whether an address is a node's, or that one.
  func matches(host: String?, _ address: String) -> Bool {
    guard let host else { return true }
    let address = address.first == "[" ? String(address.dropFirst().dropLast()) : address
    return host == address || nodes(host).contains { addresses[$0]?.contains(address) == true }
  }
}

extension String {
  /// The address of `address:port`.
  var host: Substring { self[..<(lastIndex(of: ":") ?? endIndex)] }
}
