import Scenario

/// Addresses of a case's network, by position (see ``Network``).
///
/// IPv4 from 198.18.0.0/15 (RFC 2544), IPv6 from 2001:2::/48 (RFC 5180): benchmarking space, never routed.
struct Addressing {
  let family: Network.Family
  let topology: Network.Topology

  init(_ network: Network) {
    family = network.family
    topology = network.topology
  }

  /// Prefix length of every subnet.
  var prefix: Int { family == .ipv4 ? 24 : 64 }

  /// Client `index`'s own address.
  func client(_ index: Int) -> String {
    family == .ipv4 ? "198.18.\(index).2" : "2001:2:0:\(hex(index))::2"
  }

  /// The far end of client `index`'s link: the hop's address, or in `direct` the server's.
  func gateway(_ index: Int) -> String {
    family == .ipv4 ? "198.18.\(index).1" : "2001:2:0:\(hex(index))::1"
  }

  /// The hop's address on the server's link: the source that the server sees.
  var hop: String { family == .ipv4 ? "198.19.0.1" : "2001:2:0:ffff::1" }

  /// The server's address behind a hop.
  var serverBehindHop: String { family == .ipv4 ? "198.19.0.2" : "2001:2:0:ffff::2" }

  /// The address that client `index` connects to.
  func server(for index: Int) -> String { topology == .direct ? gateway(index) : serverBehindHop }

  private func hex(_ index: Int) -> String { String(index, radix: 16) }
}
