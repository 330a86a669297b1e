import CLibNL
import Glibc
import Linux
import SystemPackage

/// Links, addresses, routes and tc filters of the namespace in which it was opened.
///
/// Verbs queue; ``commit()`` sends them all at once and names the first that the kernel refused.
public final class RouteSocket {
  let socket: Socket
  private var queue: [Socket.Message] = []
  private var broken: SystemError?

  /// Opens in the calling thread's namespace and stays there.
  public init() throws { socket = try Socket(protocol: NETLINK_ROUTE, bus: "NETLINK_ROUTE") }

  /// Sends what is queued. Throws the first refusal, with the kernel's extended ack; what came after it in
  /// the batch was carried out nevertheless.
  public func commit() throws {
    let messages = queue
    queue = []
    defer { broken = nil }
    if let broken {
      for message in messages { nlmsg_free(message.pointer) }
      throw broken
    }
    try socket.commit(messages)
  }

  /// `ip link set lo up`
  public func setLoopbackUp() { setUp(index: 1) }

  /// `ip link add NAME index I type veth peer name PEER index J netns FD`
  ///
  /// Each end is made in its own namespace. A veth's peer cannot be created up (`veth_newlink`:
  /// ENOTCONN), so both ends need ``setUp(index:)``.
  public func addVeth(name: String, index: Int, peer: String, peerIndex: Int, peerNamespace: Int32) {
    let verb = "ip link add \(name) type veth peer name \(peer)"
    guard let link = rtnl_link_veth_alloc() else { return fail(verb, .noMemory) }
    defer { rtnl_link_veth_release(link) }
    rtnl_link_set_name(link, name)
    rtnl_link_set_ifindex(link, Int32(index))
    let far = rtnl_link_veth_get_peer(link)
    defer { rtnl_link_put(far) }
    rtnl_link_set_name(far, peer)
    rtnl_link_set_ifindex(far, Int32(peerIndex))
    rtnl_link_set_ns_fd(far, peerNamespace)
    var message: OpaquePointer?
    add(verb, message: &message, rtnl_link_build_add_request(link, create, &message))
  }

  /// `ip link add NAME index I type bridge mcast_snooping 0`
  ///
  /// One that snoops says so: it joins 224.0.0.106 and reports that by IGMP (br_multicast_join_snoopers, 4.19), some
  /// milliseconds to seconds after it is up, and where conntrack is full that is one `drop` more.
  public func addBridge(name: String, index: Int) {
    var header = ifinfomsg()
    header.ifi_index = Int32(index)
    let verb = "ip link add \(name) type bridge mcast_snooping 0"
    add(verb, type: Int32(RTM_NEWLINK), flags: create, header: header) { message in
      nla_put_string(message, Int32(IFLA_IFNAME), name)
      let information = nla_nest_start(message, Int32(IFLA_LINKINFO))
      nla_put_string(message, Int32(IFLA_INFO_KIND), "bridge")
      let data = nla_nest_start(message, Int32(IFLA_INFO_DATA))
      nla_put_u8(message, Int32(IFLA_BR_MCAST_SNOOPING), 0)
      nla_nest_end(message, data)
      nla_nest_end(message, information)
    }
  }

  /// `ip link add NAME index I type ipip|ip6tnl local LOCAL remote any`
  public func addTunnel(name: String, index: Int, local: String) {
    let ipv6 = local.contains(":")
    let verb = "ip link add \(name) type \(ipv6 ? "ip6tnl" : "ipip") local \(local)"
    guard let link = ipv6 ? rtnl_link_ip6_tnl_alloc() : rtnl_link_ipip_alloc() else {
      return fail(verb, .noMemory)
    }
    defer { rtnl_link_put(link) }
    rtnl_link_set_name(link, name)
    rtnl_link_set_ifindex(link, Int32(index))
    if ipv6 {
      var near = in6_addr()
      inet_pton(AF_INET6, local, &near)
      rtnl_link_ip6_tnl_set_local(link, &near)
      rtnl_link_ip6_tnl_set_proto(link, UInt8(IPPROTO_IPV6))
    } else {
      var near = in_addr()
      inet_pton(AF_INET, local, &near)
      rtnl_link_ipip_set_local(link, near.s_addr)
    }
    var message: OpaquePointer?
    add(verb, message: &message, rtnl_link_build_add_request(link, create, &message))
  }

  /// `ip link set dev I master BRIDGE`
  public func setMaster(index: Int, bridge: Int) {
    var header = ifinfomsg()
    header.ifi_index = Int32(index)
    add("ip link set dev \(index) master \(bridge)", type: Int32(RTM_NEWLINK), header: header) { message in
      nla_put_u32(message, 10, UInt32(bridge))  // IFLA_MASTER
    }
  }

  /// `ip link set dev I up`
  public func setUp(index: Int) {
    var header = ifinfomsg()
    header.ifi_index = Int32(index)
    header.ifi_flags = UInt32(IFF_UP)
    header.ifi_change = UInt32(IFF_UP)
    add("ip link set dev \(index) up", type: Int32(RTM_NEWLINK), header: header) { _ in }
  }

  /// `ip addr add ADDRESS/PREFIX dev I nodad`
  ///
  /// Without `nodad` the first SYN would wait for duplicate address detection.
  ///
  /// - Parameter preferred: false adds `preferred_lft 0`: no packet takes it as its source unless told to.
  public func addAddress(_ address: String, prefix: Int, index: Int, preferred: Bool = true) {
    let verb = "ip addr add \(address)/\(prefix) dev \(index)"
    guard let object = rtnl_addr_alloc() else { return fail(verb, .noMemory) }
    defer { rtnl_addr_put(object) }
    withAddress(address, verb) { local in
      rtnl_addr_set_ifindex(object, Int32(index))
      rtnl_addr_set_local(object, local)
      rtnl_addr_set_prefixlen(object, Int32(prefix))
      if nl_addr_get_family(local) == AF_INET6 { rtnl_addr_set_flags(object, UInt32(IFA_F_NODAD)) }
      if !preferred {
        rtnl_addr_set_valid_lifetime(object, .max)
        rtnl_addr_set_preferred_lifetime(object, 0)
      }
      var message: OpaquePointer?
      add(verb, message: &message, rtnl_addr_build_add_request(object, create, &message))
    }
  }

  /// `ip route add DESTINATION|default via GATEWAY dev I [features F]`
  ///
  /// - Parameter features: RTAX_FEATURES of `linux/rtnetlink.h`, e.g. ``usecTimestamps``; nil is none.
  public func addRoute(to destination: String?, via gateway: String, index: Int, features: UInt32? = nil) {
    let verb = "ip route add \(destination ?? "default") via \(gateway)"
    guard let route = rtnl_route_alloc() else { return fail(verb, .noMemory) }
    defer { rtnl_route_put(route) }
    withAddress(gateway, verb) { via in
      let family = nl_addr_get_family(via)
      withAddress(destination ?? "default", verb, family: family) { to in
        rtnl_route_set_family(route, UInt8(family))
        rtnl_route_set_dst(route, to)
        // rtnl_route_add_nexthop takes the hop over.
        guard let hop = rtnl_route_nh_alloc() else { return fail(verb, .noMemory) }
        rtnl_route_nh_set_ifindex(hop, Int32(index))
        rtnl_route_nh_set_gateway(hop, via)
        rtnl_route_add_nexthop(route, hop)
        if let features { rtnl_route_set_metric(route, Self.featuresMetric, features) }
        var message: OpaquePointer?
        add(verb, message: &message, rtnl_route_build_add_request(route, create, &message))
      }
    }
  }

  /// Interface index of a name, in the calling thread's namespace: `ip link show dev NAME`.
  public func index(of name: String) throws -> Int {
    let index = if_nametoindex(name)
    guard index > 0 else {
      throw SystemError(stage: "if_nametoindex", object: name, errno: .current)
    }
    return Int(index)
  }

  /// Whether a link carries packets: `ip link show dev I` says `state UP` and a qdisc other than `noop`.
  ///
  /// The end of a veth that was set up first is activated by a work item (`linkwatch_do_dev`) some time after
  /// its peer is up; until then everything that it sends is dropped by `noop_qdisc`.
  public func isReady(index: Int) throws -> Bool {
    var header = ifinfomsg()
    header.ifi_index = Int32(index)
    var ready = false
    let request = try Socket.message(Int32(RTM_GETLINK), header: header, name: "ip link show dev \(index)")
    nla_put_u32(request.pointer, 29, 1 << 3)  // IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS
    try socket.get(request) { ready = Self.saysReady($0) }
    return ready
  }

  /// Indices of all links of the namespace that do: one answer for many.
  public func readyLinks() throws -> Set<Int> {
    let request = try Socket.message(
      Int32(RTM_GETLINK), flags: Int32(NLM_F_DUMP), header: ifinfomsg(), name: "ip link show")
    nla_put_u32(request.pointer, 29, 1 << 3)  // IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS
    var ready: Set<Int> = []
    try socket.dump(request) { answer in
      guard Self.saysReady(answer), let link = answer.structure(ifinfomsg.self) else { return }
      ready.insert(Int(link.ifi_index))
    }
    return ready
  }

  /// Whether an answer about a link says so.
  static func saysReady(_ payload: UnsafeRawBufferPointer) -> Bool {
    var (up, active) = (false, false)
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<ifinfomsg>.size) {
      if type == 16 { up = value.first == 6 }  // IFLA_OPERSTATE, IF_OPER_UP
      if type == 6 { active = !value.starts(with: Array("noop\0".utf8)) }  // IFLA_QDISC
    }
    return up && active
  }

  /// Whether packets to an address are delivered here: `ip route get ADDRESS` says `local`.
  ///
  /// An IPv6 address gets its route from a work item (`addrconf_dad_work`), `nodad` or not; what arrives before
  /// is refused by `ip6_forward`.
  public func isLocal(_ address: String) throws -> Bool {
    var parsed: OpaquePointer?
    let result = nl_addr_parse(address, AF_UNSPEC, &parsed)
    guard result >= 0, let parsed else {
      throw SystemError(
        stage: "nl_addr_parse", object: address, errno: .invalidArgument,
        detail: String(cString: nl_geterror(result)))
    }
    defer { nl_addr_put(parsed) }
    var header = rtmsg()
    header.rtm_family = UInt8(nl_addr_get_family(parsed))
    let request = try Socket.message(Int32(RTM_GETROUTE), header: header, name: "ip route get \(address)")
    nla_put_addr(request.pointer, Int32(RTA_DST.rawValue), parsed)
    var local = false
    do {
      try socket.get(request) { local = Self.saysLocal($0) }
    } catch let error as SystemError where error.errno == .networkUnreachable {
      return false
    }
    return local
  }

  /// Whether an answer about a route says so.
  static func saysLocal(_ payload: UnsafeRawBufferPointer) -> Bool {
    payload.structure(rtmsg.self)?.rtm_type == 2  // RTN_LOCAL
  }

  /// Which way a packet passes an interface.
  public enum Direction: String, Sendable {
    case ingress, egress
  }

  /// `tc qdisc add dev I clsact`
  public func addClsact(index: Int) {
    var header = tcmsg()
    header.tcm_ifindex = Int32(index)
    header.tcm_parent = 0xffff_fff1  // TC_H_CLSACT
    header.tcm_handle = 0xffff_0000
    add("tc qdisc add dev \(index) clsact", type: Int32(RTM_NEWQDISC), header: header) { message in
      nla_put_string(message, Int32(TCA_KIND), "clsact")
    }
  }

  /// `tc filter add dev I egress|ingress bpf da fd PROGRAM`
  public func addBPF(index: Int, _ direction: Direction, program: Int32, name: String) {
    var header = tcmsg()
    header.tcm_ifindex = Int32(index)
    header.tcm_parent = direction == .egress ? 0xffff_fff3 : 0xffff_fff2  // clsact's two minors
    header.tcm_info = 1 << 16 | UInt32(UInt16(ETH_P_ALL).bigEndian)  // priority, protocol
    add("tc filter add dev \(index) \(direction.rawValue) bpf", type: Int32(RTM_NEWTFILTER), header: header) {
      message in
      nla_put_string(message, Int32(TCA_KIND), "bpf")
      let options = nla_nest_start(message, Int32(TCA_OPTIONS))
      nla_put_u32(message, Int32(TCA_BPF_FD), UInt32(program))
      nla_put_string(message, Int32(TCA_BPF_NAME), name)
      nla_put_u32(message, Int32(TCA_BPF_FLAGS), UInt32(TCA_BPF_FLAG_ACT_DIRECT))
      nla_nest_end(message, options)
    }
  }

  // MARK: building

  let create = Int32(NLM_F_CREATE | NLM_F_EXCL)

  func add(_ verb: String, message: inout OpaquePointer?, _ result: Int32) {
    guard result >= 0, let message else {
      return fail(verb, .invalidArgument, detail: String(cString: nl_geterror(result)))
    }
    queue.append(Socket.Message(pointer: message, name: verb))
  }

  func add<Header: BitwiseCopyable>(
    _ verb: String, type: Int32, flags: Int32? = nil, header: Header, _ fill: (OpaquePointer) -> Void
  ) {
    do {
      let message = try Socket.message(
        type, flags: flags ?? (type == Int32(RTM_NEWLINK) ? 0 : create), header: header, name: verb)
      fill(message.pointer)
      queue.append(message)
    } catch {
      broken = broken ?? (error as? SystemError)
    }
  }

  func withAddress(
    _ text: String, _ verb: String, family: Int32 = AF_UNSPEC, _ body: (OpaquePointer?) -> Void
  ) {
    var address: OpaquePointer?
    let result = nl_addr_parse(text, family, &address)
    guard result >= 0 else {
      return fail(verb, .invalidArgument, detail: String(cString: nl_geterror(result)))
    }
    defer { nl_addr_put(address) }
    body(address)
  }

  func fail(_ verb: String, _ errno: Errno, detail: String? = nil) {
    broken = broken ?? SystemError(stage: "build", object: verb, errno: errno, detail: detail)
  }
}
