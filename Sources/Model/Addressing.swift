/// Addresses of a case's network, by position (see ``Network``).
///
/// IPv4 from 198.18.0.0/15 (RFC 2544), IPv6 from 2001:2::/48 (RFC 5180): benchmarking space, never routed.
public struct Addressing: Sendable {
  public let family: Network.Family
  public let topology: Network.Topology

  public init(_ network: Network) {
    family = network.family
    topology = network.topology
  }

  private var isIPv4: Bool { family == .ipv4 }

  /// Prefix length of every subnet.
  public var prefix: Int { isIPv4 ? 24 : 64 }
  /// Prefix length of a single address.
  public var hostPrefix: Int { isIPv4 ? 32 : 128 }

  /// Client `index`'s own address.
  public func client(_ index: Int) -> String {
    isIPv4 ? "198.18.\(index).2" : "2001:2:0:\(hex(index))::2"
  }

  /// The far end of client `index`'s link: the hop's, the router's, or in `direct` the server's.
  public func gateway(_ index: Int) -> String {
    isIPv4 ? "198.18.\(index).1" : "2001:2:0:\(hex(index))::1"
  }

  /// Server `index`'s own address: on a link of its own, or on the LAN behind the router.
  public func server(_ index: Int) -> String {
    switch topology {
    case .direct: gateway(index)
    case .ipvsDR, .ipvsTun: lan(10 + index)
    case .snat, .ipvsNAT, .ipvsFullNAT:
      isIPv4 ? "198.19.\(index).2" : "2001:2:0:\(hex(0xffff - index))::2"
    }
  }

  /// The hop's address on server `index`'s link.
  public func hop(towards index: Int) -> String {
    isIPv4 ? "198.19.\(index).1" : "2001:2:0:\(hex(0xffff - index))::1"
  }

  /// The hop's first address towards the servers: the source that they see where it hides the clients.
  public var hop: String { hop(towards: 0) }

  /// The router's address on the LAN.
  public var routerOnLAN: String { lan(254) }

  /// The director's virtual address.
  public var virtual: String {
    topology == .ipvsDR || topology == .ipvsTun
      ? lan(100) : isIPv4 ? "198.19.255.1" : "2001:2:0:fe00::1"
  }

  /// The address that client `index` connects to.
  public func target(of index: Int) -> String {
    switch topology {
    case .direct: gateway(index)
    case .snat: server(0)
    case .ipvsNAT, .ipvsFullNAT, .ipvsDR, .ipvsTun: virtual
    }
  }

  private func lan(_ host: Int) -> String { isIPv4 ? "198.19.0.\(host)" : "2001:2:0:ffff::\(hex(host))" }

  private func hex(_ number: Int) -> String { String(number, radix: 16) }
}
