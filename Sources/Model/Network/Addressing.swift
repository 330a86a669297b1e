/// Addresses of the networks that have a name of their own (``Preset``), by position.
///
/// IPv4 from 198.18.0.0/15 (RFC 2544), IPv6 from 2001:2::/48 (RFC 5180): benchmarking space, never routed. A subnet for
/// each client: those beyond the first 250 are carriers' customers, 100.64.0.0/10 (RFC 6598), for the rest of
/// 198.18.0.0/15 is what stands between and the servers.
public struct Addressing: Sendable {
  public let family: Network.Family

  public init(_ family: Network.Family) { self.family = family }

  private var isIPv4: Bool { family == .ipv4 }

  /// Client `index`'s own address.
  public func client(_ index: Int) -> String {
    link(Self.subnet(ofClient: index), host: 2)
  }

  /// The far end of client `index`'s link.
  public func gateway(_ index: Int) -> String {
    link(Self.subnet(ofClient: index), host: 1)
  }

  /// The address of server `index` on a link of its own.
  public func server(_ index: Int) -> String {
    isIPv4 ? "198.19.\(index).2" : "2001:2:0:\(hex(0xffff - index))::2"
  }

  /// The far end of server `index`'s link; of the first the source that servers see where clients are hidden.
  public func hop(towards index: Int) -> String {
    isIPv4 ? "198.19.\(index).1" : "2001:2:0:\(hex(0xffff - index))::1"
  }

  /// A director's virtual address, which is on no link.
  public var virtual: String { isIPv4 ? "198.19.255.1" : "2001:2:0:fe00::1" }

  /// A host of the LAN that director and servers share.
  public func lan(_ host: Int) -> String {
    isIPv4 ? "198.19.0.\(host)" : "2001:2:0:ffff::\(hex(host))"
  }

  /// Node `host` of the `subnet`th link of a network that a lab file spells out.
  public func link(_ subnet: Int, host: Int) -> String {
    guard isIPv4 else { return "2001:2:\(self.subnet(subnet)):\(hex(host))" }
    return subnet < 256 ? "198.18.\(subnet).\(host)" : "100.\(63 + subnet >> 8).\(subnet & 255).\(host)"
  }

  /// The subnet between two nodes that stand between clients and servers, which is no client's.
  static let between = 251

  /// The last of 198.18.0.0/16 are no client's.
  private static func subnet(ofClient index: Int) -> Int { index < 250 ? index : index + 6 }

  /// The `index`th address of such a network that is on no link.
  public func named(_ index: Int) -> String {
    isIPv4 ? "198.19.255.\(index + 1)" : "2001:2:0:fe00::\(hex(index + 1))"
  }

  /// Of `2001:2:0:SUBNET::`, as captures have it: RFC 5952 leaves out the longest row of zeros.
  private func subnet(_ number: Int) -> String { number == 0 ? "" : "0:\(hex(number)):" }

  private func hex(_ number: Int) -> String { String(number, radix: 16) }
}

extension Network.Family {
  /// Prefix length of every subnet.
  public var prefix: Int { self == .ipv4 ? 24 : 64 }
  /// Prefix length of a single address.
  public var hostPrefix: Int { self == .ipv4 ? 32 : 128 }
}
