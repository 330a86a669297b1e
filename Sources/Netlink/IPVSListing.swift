import CLibNL
import Glibc
import Linux
import SystemPackage

extension IPVSSocket {
  /// A virtual service: a line of `ipvsadm -Ln` that begins with `TCP`, and those of its servers.
  public struct Service: Sendable, Equatable {
    public var address: String
    public var port: Int
    /// `rr`, `wlc`, ...
    public var scheduler: String
    /// Seconds; nil where it is not persistent.
    public var persistence: Int?
    public var flags: Flags
    /// In the order in which `ipvsadm` lists them.
    public var servers: [Server] = []
  }

  /// A real server of a service: a line of `ipvsadm -Ln` that begins with `->`.
  public struct Server: Sendable, Equatable {
    public var address: String
    public var port: Int
    /// Nil for a way that the lab does not set (local, bypass).
    public var forwarding: Forwarding?
    public var weight: Int
    /// Connections in SYN_RECV, SYN_SENT or ESTABLISHED (`tcp_state_active_table`): `ActiveConn`.
    public var active: Int
    /// All others that are not yet forgotten: `InActConn`.
    public var inactive: Int
    /// Templates of persistence.
    public var persistent: Int
  }

  /// `ipvsadm -Ln`. Without the statistics of `--stats`: an estimator adds them up every two seconds, so what they say
  /// depends on when they are read.
  public func services() throws -> [Service] {
    var services: [Service] = []
    // IPVS_CMD_GET_SERVICE
    try dump(try request(4, flags: Int32(NLM_F_DUMP), "ipvsadm -Ln")) { payload in
      if let service = Self.service(in: payload) { services.append(service) }
    }
    for index in services.indices {
      let (address, port) = (services[index].address, services[index].port)
      let message = try request(8, flags: Int32(NLM_F_DUMP), "ipvsadm -Ln")  // IPVS_CMD_GET_DEST
      let nest = nla_nest_start(message.pointer, 1)  // IPVS_CMD_ATTR_SERVICE
      try service(address, port, in: message, message.name)
      nla_nest_end(message.pointer, nest)
      var servers: [Server] = []
      try dump(message) { payload in
        if let server = Self.server(in: payload, isIPv6: address.contains(":")) { servers.append(server) }
      }
      services[index].servers = servers
    }
    return services
  }

  /// One answer of a dump; nil for what is none, and for a service that is named by a firewall mark.
  static func service(in payload: UnsafeRawBufferPointer) -> Service? {
    for (type, bytes) in NetlinkAttributes(payload, from: MemoryLayout<genlmsghdr>.size) where type == 1 {
      var service = Service(address: "", port: 0, scheduler: "", persistence: nil, flags: [])
      var (isIPv6, timeout, isPersistent) = (false, 0, false)
      var address: UnsafeRawBufferPointer?
      for (type, value) in NetlinkAttributes(bytes, from: 0) {
        switch type {
        case 1: isIPv6 = value.number(at: 0, as: UInt16.self) == UInt16(AF_INET6)
        case 3: address = value
        case 4: service.port = port(value)
        case 6: service.scheduler = String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
        case 7:
          let flags = value.number(at: 0, as: UInt32.self) ?? 0
          isPersistent = flags & 1 != 0
          service.flags = Flags(rawValue: flags & 0x18)
        case 8: timeout = Int(value.number(at: 0, as: UInt32.self) ?? 0)
        default: break
        }
      }
      guard let address, address.count == 16 else { return nil }
      service.address = SocketAddress.text(of: Array(address), isIPv4: !isIPv6)
      service.persistence = isPersistent ? timeout : nil
      return service
    }
    return nil
  }

  /// One answer of a dump; nil for what is none.
  /// - Parameter isIPv6: the service's family, for kernels that do not tell the server's (until 3.17).
  static func server(in payload: UnsafeRawBufferPointer, isIPv6: Bool) -> Server? {
    for (type, bytes) in NetlinkAttributes(payload, from: MemoryLayout<genlmsghdr>.size) where type == 2 {
      var server = Server(
        address: "", port: 0, forwarding: nil, weight: 0, active: 0, inactive: 0, persistent: 0)
      var isIPv6 = isIPv6
      var address: UnsafeRawBufferPointer?
      for (type, value) in NetlinkAttributes(bytes, from: 0) {
        let number = Int(value.number(at: 0, as: UInt32.self) ?? 0)
        switch type {
        case 1: address = value
        case 2: server.port = port(value)
        case 3: server.forwarding = Forwarding(rawValue: UInt32(number & 7))  // IP_VS_CONN_F_FWD_MASK
        case 4: server.weight = number
        case 7: server.active = number
        case 8: server.inactive = number
        case 9: server.persistent = number
        case 11: isIPv6 = value.number(at: 0, as: UInt16.self) == UInt16(AF_INET6)
        default: break
        }
      }
      guard let address, address.count == 16 else { return nil }
      server.address = SocketAddress.text(of: Array(address), isIPv4: !isIPv6)
      return server
    }
    return nil
  }

  private static func port(_ value: UnsafeRawBufferPointer) -> Int {
    Int(UInt16(bigEndian: value.number(at: 0) ?? 0))
  }

  /// Has the director forget its connections, templates of persistence too, and keep its services and real servers. In
  /// the calling thread's namespace, which must be this socket's.
  ///
  /// IPVS has no request for it, and `ipvsadm -C` leaves them. What does it, from 5.9 on (04231e52d355): with
  /// `net.ipv4.vs.expire_nodest_conn` = 1 a real server that is removed takes its connections along
  /// (`__ip_vs_del_dest`, `ip_vs_expire_nodest_conn_flush`, a work item one tick later). So each server is removed and
  /// added again, with weight and way as before, as soon as `table` is empty. Before 5.9 an entry waits for its client's next packet, which it drops; only unloading
  /// ip_vs, or the end of the namespace, empties the table.
  ///
  /// - Throws: ETIMEDOUT where the table is not empty in that time.
  public func flushConnections(_ table: IPVSConnectionTable, deadline milliseconds: Int = 5_000) throws {
    let setting = "net/ipv4/vs/expire_nodest_conn"
    let before = try Sysctl.read(setting)
    try Sysctl.write(setting, "1")
    defer { try? Sysctl.write(setting, before) }
    let services = try services()
    for service in services {
      for server in service.servers {
        try removeServer(server.address, port: server.port, from: service.address, servicePort: service.port)
      }
    }
    let end = SystemClock.monotonic() + Int64(milliseconds) * 1_000_000
    var left = try table.read().count
    while left > 0, SystemClock.monotonic() < end {
      var nothing: [Poll.Request] = []
      _ = try Poll.wait(&nothing, timeout: 1)
      left = try table.read().count
    }
    for service in services {
      for server in service.servers {
        try addServer(
          server.address, port: server.port, to: service.address, servicePort: service.port,
          by: server.forwarding ?? .masquerade, weight: server.weight)
      }
    }
    guard left == 0 else {
      throw SystemError(
        stage: "flush", object: "IPVS connections", errno: .timedOut,
        detail:
          "\(left) left after \(milliseconds) ms; kernels below 5.9 keep them until they end by themselves")
    }
  }
}
