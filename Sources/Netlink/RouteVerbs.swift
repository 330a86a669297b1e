import CLibNL
import Glibc
import Linux
import SystemPackage

extension RouteSocket {
  /// `ip link set dev I down`: the peer of a veth loses its carrier, routes by this interface go, and an IPv6 address
  /// too unless `net.ipv6.conf.all.keep_addr_on_down` is set.
  public func setDown(index: Int) {
    var header = ifinfomsg()
    header.ifi_index = Int32(index)
    header.ifi_change = UInt32(IFF_UP)
    add("ip link set dev \(index) down", type: Int32(RTM_NEWLINK), header: header) { _ in }
  }

  /// A line of `ip link show`.
  public struct Link: Sendable, Equatable {
    public var name: String
    /// Whether it was set up: `<UP>`.
    public var isUp: Bool
    /// Whether the other end is up too: not `NO-CARRIER`. Never of a link that is down itself.
    public var hasCarrier: Bool
    /// As `ip` writes it behind `state`: `UP`, `DOWN`, `UNKNOWN` (loopback), ... Without carrier it is `LOWERLAYERDOWN`,
    /// and `DOWN` on later kernels where the peer is in another namespace (`default_operstate`). A work item sets it
    /// some time after the flags.
    public var state: String
    /// `noqueue`, `netem`, `noop` (down since it was made), ...
    public var qdisc: String
    /// Link-layer address, 6 bytes for Ethernet.
    public var address: [UInt8]
  }

  /// `ip link show dev I`
  /// - Throws: ENODEV where there is no such interface.
  public func link(index: Int) throws -> Link {
    var header = ifinfomsg()
    header.ifi_index = Int32(index)
    var link: Link?
    let request = try Socket.message(Int32(RTM_GETLINK), header: header, name: "ip link show dev \(index)")
    try socket.get(request) { link = Self.link(in: $0) }
    guard let link else {
      throw SystemError(stage: "netlink", object: "ip link show dev \(index)", errno: .badMessage)
    }
    return link
  }

  /// What an answer about a link tells; nil for what is none.
  static func link(in payload: UnsafeRawBufferPointer) -> Link? {
    guard let header = payload.structure(ifinfomsg.self) else { return nil }
    var link = Link(
      name: "", isUp: header.ifi_flags & UInt32(IFF_UP) != 0,
      hasCarrier: header.ifi_flags & 0x10000 != 0 /* IFF_LOWER_UP */, state: "UNKNOWN", qdisc: "", address: []
    )
    func text(_ value: UnsafeRawBufferPointer) -> String {
      String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
    }
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<ifinfomsg>.size) {
      switch type {
      case 1: link.address = Array(value)  // IFLA_ADDRESS
      case 3: link.name = text(value)  // IFLA_IFNAME
      case 6: link.qdisc = text(value)  // IFLA_QDISC
      case 16:  // IFLA_OPERSTATE
        if let first = value.first, states.indices.contains(Int(first)) { link.state = states[Int(first)] }
      default: break
      }
    }
    return link
  }

  /// RFC 2863, as `ip` writes them.
  private static let states = [
    "UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP",
  ]

  /// `ip addr del ADDRESS/PREFIX dev I`
  public func removeAddress(_ address: String, prefix: Int, index: Int) {
    let verb = "ip addr del \(address)/\(prefix) dev \(index)"
    guard let object = rtnl_addr_alloc() else { return fail(verb, .noMemory) }
    defer { rtnl_addr_put(object) }
    withAddress(address, verb) { local in
      rtnl_addr_set_ifindex(object, Int32(index))
      rtnl_addr_set_local(object, local)
      rtnl_addr_set_prefixlen(object, Int32(prefix))
      var message: OpaquePointer?
      add(verb, message: &message, rtnl_addr_build_delete_request(object, 0, &message))
    }
  }

  /// Where packets to a destination go.
  public enum RouteTarget: Sendable, Hashable {
    /// `via GATEWAY dev I`; without a gateway the destination is on the link itself.
    case via(String?, index: Int)
    /// Dropped, and the sender told: ICMP host unreachable; a program of the node gets EHOSTUNREACH.
    case unreachable
    /// Dropped in silence; a program of the node gets EINVAL.
    case blackhole
    /// Dropped, and the sender told: ICMP administratively prohibited; a program of the node gets EACCES.
    case prohibit
  }

  /// `ip route add DESTINATION|default via GATEWAY dev I`, `ip route add unreachable|blackhole|prohibit DESTINATION`
  ///
  /// - Parameters:
  ///   - destination: `198.51.100.0/24`; nil for the default route.
  ///   - ipv6: the family of a default route; taken from `destination` or the gateway where there is one.
  ///   - source: the address that packets of the node itself take (`src`).
  ///   - features: RTAX_FEATURES of `linux/rtnetlink.h`, e.g. ``usecTimestamps``; nil is none.
  public func addRoute(
    to destination: String?, _ target: RouteTarget, ipv6: Bool = false, source: String? = nil,
    features: UInt32? = nil
  ) {
    route("add", destination, target, ipv6, source) { route, message in
      if let features { rtnl_route_set_metric(route, Self.featuresMetric, features) }
      return rtnl_route_build_add_request(route, create, &message)
    }
  }

  /// `ip route add ... features tcp_usec_ts`: timestamps in microseconds (RTAX_FEATURE_TCP_USEC_TS, 6.7).
  public static let usecTimestamps: UInt32 = 1 << 4
  /// RTAX_FEATURES
  static let featuresMetric: Int32 = 12

  /// `ip route replace ...`: changes the route to that destination, or adds it.
  public func replaceRoute(
    to destination: String?, _ target: RouteTarget, ipv6: Bool = false, source: String? = nil
  ) {
    route("replace", destination, target, ipv6, source) {
      rtnl_route_build_add_request($0, Int32(NLM_F_CREATE | NLM_F_REPLACE), &$1)
    }
  }

  /// `ip route del ...`, whoever has added it: the route of an interface's own network too.
  /// - Throws: by ``commit()``: ESRCH where there is no such route.
  public func deleteRoute(to destination: String?, _ target: RouteTarget, ipv6: Bool = false) {
    route("del", destination, target, ipv6, nil) { route, message in
      rtnl_route_set_protocol(route, 0)
      rtnl_route_set_scope(route, 255)  // RT_SCOPE_NOWHERE: any
      return rtnl_route_build_del_request(route, 0, &message)
    }
  }

  private func route(
    _ name: String, _ destination: String?, _ target: RouteTarget, _ ipv6: Bool, _ source: String?,
    _ build: (OpaquePointer, inout OpaquePointer?) -> Int32
  ) {
    let words =
      switch target {
      case .via(let gateway?, let index): ["via", gateway, "dev", "\(index)"]
      case .via(nil, let index): ["dev", "\(index)"]
      case .unreachable, .blackhole, .prohibit: [String]()
      }
    let kind: [String] = if case .via = target { [] } else { ["\(target)"] }
    let verb = (["ip", "route", name] + kind + [destination ?? "default"] + words).joined(separator: " ")
    guard let route = rtnl_route_alloc() else { return fail(verb, .noMemory) }
    defer { rtnl_route_put(route) }
    let isIPv6 =
      if let destination { destination.contains(":") } else if case .via(let gateway?, _) = target {
        gateway.contains(":")
      } else { ipv6 }
    let family = isIPv6 ? AF_INET6 : AF_INET
    withAddress(destination ?? "default", verb, family: family) { to in
      rtnl_route_set_family(route, UInt8(family))
      rtnl_route_set_dst(route, to)
      if let source { withAddress(source, verb, family: family) { rtnl_route_set_pref_src(route, $0) } }
      switch target {
      case .via(let gateway, let index):
        // rtnl_route_add_nexthop takes the hop over.
        guard let hop = rtnl_route_nh_alloc() else { return fail(verb, .noMemory) }
        rtnl_route_nh_set_ifindex(hop, Int32(index))
        if let gateway { withAddress(gateway, verb, family: family) { rtnl_route_nh_set_gateway(hop, $0) } }
        rtnl_route_add_nexthop(route, hop)
      case .blackhole: rtnl_route_set_type(route, 6)  // RTN_BLACKHOLE
      case .unreachable: rtnl_route_set_type(route, 7)  // RTN_UNREACHABLE
      case .prohibit: rtnl_route_set_type(route, 8)  // RTN_PROHIBIT
      }
      if case .via = target {} else { rtnl_route_set_scope(route, 0) }  // RT_SCOPE_UNIVERSE
      var message: OpaquePointer?
      add(verb, message: &message, build(route, &message))
    }
  }

  /// `ip neigh replace ADDRESS lladdr L dev I nud permanent`: nobody asks for it, and ``flushNeighbours(index:)`` leaves it.
  /// - Throws: by ``commit()``: EINVAL for what is no address.
  public func addNeighbour(_ address: String, link: [UInt8], index: Int) {
    let family = address.contains(":") ? AF_INET6 : AF_INET
    let verb = "ip neigh replace \(address) dev \(index) nud permanent"
    var bytes = [UInt8](repeating: 0, count: family == AF_INET6 ? 16 : 4)
    guard inet_pton(family, address, &bytes) == 1 else { return fail(verb, .invalidArgument) }
    var header = ndmsg()
    header.ndm_family = UInt8(family)
    header.ndm_ifindex = Int32(index)
    header.ndm_state = 0x80  // NUD_PERMANENT
    var link = link
    add(verb, type: Int32(RTM_NEWNEIGH), flags: Int32(NLM_F_CREATE | NLM_F_REPLACE), header: header) {
      message in
      nla_put(message, 1 /* NDA_DST */, Int32(bytes.count), &bytes)
      nla_put(message, 2 /* NDA_LLADDR */, Int32(link.count), &link)
    }
  }

  /// `ip neigh flush dev I`: the next packet to each neighbour asks for its link-layer address again. What was added by
  /// hand (NUD_PERMANENT) stays. How many were forgotten.
  @discardableResult public func flushNeighbours(index: Int) throws -> Int {
    var header = ndmsg()
    header.ndm_ifindex = Int32(index)
    let request = try Socket.message(
      Int32(RTM_GETNEIGH), flags: Int32(NLM_F_DUMP), header: header, name: "ip neigh show dev \(index)")
    var found: [(header: ndmsg, address: [UInt8])] = []
    try socket.dump(request) { payload in
      if let neighbour = Self.neighbour(in: payload), Int(neighbour.header.ndm_ifindex) == index {
        found.append(neighbour)
      }
    }
    // NUD_PERMANENT 0x80, NUD_NOARP 0x40; NUD_FAILED 0x20 has gone already.
    let stale = found.filter { $0.header.ndm_state & 0xe0 == 0 }
    for (header, address) in stale {
      var address = address
      add("ip neigh del dev \(index)", type: Int32(RTM_DELNEIGH), flags: 0, header: header) { message in
        nla_put(message, 1 /* NDA_DST */, Int32(address.count), &address)
      }
    }
    try commit()
    return stale.count
  }

  /// One neighbour of IP; nil for what is none (a bridge's table is told in the same way).
  static func neighbour(in payload: UnsafeRawBufferPointer) -> (header: ndmsg, address: [UInt8])? {
    guard let header = payload.structure(ndmsg.self),
      [AF_INET, AF_INET6].contains(Int32(header.ndm_family))
    else { return nil }
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<ndmsg>.size) where type == 1 {
      return (header, Array(value))
    }
    return nil
  }
}
