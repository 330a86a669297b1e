import CLibNL
import Glibc
import Linux
import SystemPackage

/// The IP virtual server of the namespace in which it was opened: `ipvsadm`, by generic netlink.
///
/// A service is named by its address and port, a real server by its own besides. TCP only.
public final class IPVSSocket {
  private let socket: Socket
  private let family: Int32

  /// How packets go to a real server.
  public enum Forwarding: UInt32, Sendable {
    /// `ipvsadm -m`, `-i`, `-g`: IP_VS_CONN_F_MASQ, _TUNNEL, _DROUTE.
    case masquerade = 0
    case tunnel = 2
    case route = 3
  }

  /// How a service chooses a real server, besides its scheduler: IP_VS_SVC_F_...
  public struct Flags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `-b sh-fallback`, `mh-fallback`: where the chosen server has weight 0, another one is taken.
    public static let fallback = Flags(rawValue: 0x08)  // IP_VS_SVC_F_SCHED1
    /// `-b sh-port`, `mh-port`: the client's port counts too.
    public static let port = Flags(rawValue: 0x10)  // IP_VS_SVC_F_SCHED2
  }

  /// Every scheduler of the kernel, by the name that `-s` takes; each is a module `ip_vs_NAME`, and older
  /// kernels lack the last ones.
  public static let schedulers = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "sed", "nq", "fo", "ovf", "twos",
  ]

  /// Opens in the calling thread's namespace and stays there.
  /// - Throws: where the kernel has no family `IPVS`: ip_vs is neither built in nor loaded.
  public init() throws {
    socket = try Socket(protocol: NETLINK_GENERIC, bus: "NETLINK_GENERIC")
    family = try socket.genericFamily("IPVS")
  }

  /// `ipvsadm -A -t ADDRESS:PORT -s SCHEDULER [-p SECONDS] [-b FLAGS]`
  ///
  /// - Parameter persistence: seconds for which a client stays with its server; nil for none.
  /// - Throws: ENOENT where the kernel has no such scheduler, neither built in nor to load; EEXIST.
  public func addService(
    _ address: String, port: Int, scheduler: String, persistence: Int? = nil, flags: Flags = []
  ) throws {
    try put(service: address, port, scheduler, persistence, flags, command: 1, "-A")  // IPVS_CMD_NEW_SERVICE
  }

  /// `ipvsadm -E -t ADDRESS:PORT -s SCHEDULER [-p SECONDS] [-b FLAGS]`: for the connections to come.
  /// - Throws: ESRCH where there is no such service.
  public func editService(
    _ address: String, port: Int, scheduler: String, persistence: Int? = nil, flags: Flags = []
  ) throws {
    try put(service: address, port, scheduler, persistence, flags, command: 2, "-E")  // IPVS_CMD_SET_SERVICE
  }

  /// `ipvsadm -D -t ADDRESS:PORT`, with its real servers; its connections stay.
  /// - Throws: ESRCH where there is no such service.
  public func removeService(_ address: String, port: Int) throws {
    let name = "ipvsadm -D -t \(SocketAddress.text(address, port: port))"
    let message = try request(3, name)  // IPVS_CMD_DEL_SERVICE
    let nest = nla_nest_start(message.pointer, 1)  // IPVS_CMD_ATTR_SERVICE
    try service(address, port, in: message, name)
    nla_nest_end(message.pointer, nest)
    try socket.commit([message])
  }

  private func put(
    service address: String, _ port: Int, _ scheduler: String, _ persistence: Int?, _ own: Flags,
    command: UInt8, _ letter: String
  ) throws {
    let name =
      "ipvsadm \(letter) -t \(SocketAddress.text(address, port: port)) -s \(scheduler)"
      + (persistence.map { " -p \($0)" } ?? "")
    let message = try request(command, name)
    let nest = nla_nest_start(message.pointer, 1)  // IPVS_CMD_ATTR_SERVICE
    try service(address, port, in: message, name)
    nla_put_string(message.pointer, 6, scheduler)  // IPVS_SVC_ATTR_SCHED_NAME
    let persistent: UInt32 = persistence == nil ? 0 : 1  // IP_VS_SVC_F_PERSISTENT
    var flags: [UInt32] = [own.rawValue | persistent, .max]  // struct ip_vs_flags: flags, mask
    nla_put(message.pointer, 7, 8, &flags)
    nla_put_u32(message.pointer, 8, UInt32(clamping: persistence ?? 0))  // IPVS_SVC_ATTR_TIMEOUT
    // IPVS_SVC_ATTR_NETMASK: a mask for IPv4, a length for IPv6.
    nla_put_u32(message.pointer, 9, address.contains(":") ? 128 : UInt32.max.bigEndian)
    nla_nest_end(message.pointer, nest)
    try socket.commit([message])
  }

  /// `ipvsadm -a -t ADDRESS:SERVICEPORT -r SERVER:PORT -m|-i|-g -w WEIGHT`
  ///
  /// - Parameters:
  ///   - servicePort: the service's port where it is not the server's.
  ///   - weight: 0 to 65535; 0 for none of the connections to come.
  /// - Throws: EEXIST; EINVAL for an IPv4 server to which the director has no route (`ip_vs_add_dest`).
  public func addServer(
    _ server: String, port: Int, to address: String, servicePort: Int? = nil, by forwarding: Forwarding,
    weight: Int = 1
  ) throws {
    try put(server: server, port, of: address, servicePort ?? port, forwarding, weight, command: 5, "-a")
  }

  /// `ipvsadm -e -t ADDRESS:SERVICEPORT -r SERVER:PORT -m|-i|-g -w WEIGHT`: for the connections to come.
  /// - Throws: ESRCH where there is no such service, ENOENT where it has no such server.
  public func editServer(
    _ server: String, port: Int, of address: String, servicePort: Int? = nil, by forwarding: Forwarding,
    weight: Int
  ) throws {
    try put(server: server, port, of: address, servicePort ?? port, forwarding, weight, command: 6, "-e")
  }

  private func put(
    server: String, _ port: Int, of address: String, _ servicePort: Int, _ forwarding: Forwarding,
    _ weight: Int, command: UInt8, _ letter: String
  ) throws {
    let name = Self.words(letter, server, port, address, servicePort) + " -w \(weight)"
    let message = try request(command, name)  // IPVS_CMD_NEW_DEST, IPVS_CMD_SET_DEST
    try destination(server, port, of: address, servicePort, in: message, name) {
      nla_put_u32(message.pointer, 3, forwarding.rawValue)  // IPVS_DEST_ATTR_FWD_METHOD
      nla_put_u32(message.pointer, 4, UInt32(clamping: weight))  // IPVS_DEST_ATTR_WEIGHT
      nla_put_u32(message.pointer, 5, 0)  // upper threshold
      nla_put_u32(message.pointer, 6, 0)  // lower threshold
    }
    try socket.commit([message])
  }

  /// `ipvsadm -d -t ADDRESS:SERVICEPORT -r SERVER:PORT`; its connections stay.
  public func removeServer(
    _ server: String, port: Int, from address: String, servicePort: Int? = nil
  ) throws {
    let name = Self.words("-d", server, port, address, servicePort ?? port)
    let message = try request(7, name)  // IPVS_CMD_DEL_DEST
    try destination(server, port, of: address, servicePort ?? port, in: message, name) {}
    try socket.commit([message])
  }

  /// `ipvsadm -C`: no service any more; connections stay.
  public func clear() throws {
    try socket.commit([try request(17, "ipvsadm -C")])  // IPVS_CMD_FLUSH
  }

  /// `ipvsadm --set TCP TCPFIN UDP`, seconds: how long an entry of a connection stays, in the states ESTABLISHED and
  /// FIN_WAIT. It counts from an entry's next packet (`set_tcp_state` reads it anew). 0 leaves what there is.
  public func setTimeouts(tcp: Int, finWait: Int) throws {
    let message = try request(12, "ipvsadm --set \(tcp) \(finWait) 0")  // IPVS_CMD_SET_CONFIG
    if tcp > 0 { nla_put_u32(message.pointer, 4, UInt32(clamping: tcp)) }  // IPVS_CMD_ATTR_TIMEOUT_TCP
    if finWait > 0 { nla_put_u32(message.pointer, 5, UInt32(clamping: finWait)) }  // ..._TIMEOUT_TCP_FIN
    try socket.commit([message])
  }

  func dump(_ message: Socket.Message, _ body: (UnsafeRawBufferPointer) -> Void) throws {
    try socket.dump(message, body)
  }

  func request(_ command: UInt8, flags: Int32 = 0, _ name: String) throws -> Socket.Message {
    var header = genlmsghdr()
    header.cmd = command
    header.version = 1
    return try Socket.message(family, flags: flags, header: header, name: name)
  }

  private static func words(
    _ letter: String, _ server: String, _ port: Int, _ address: String, _ servicePort: Int
  ) -> String {
    "ipvsadm \(letter) -t \(SocketAddress.text(address, port: servicePort)) "
      + "-r \(SocketAddress.text(server, port: port))"
  }

  /// What names a service: address family, protocol, address, port.
  func service(_ address: String, _ port: Int, in message: Socket.Message, _ name: String) throws {
    nla_put_u16(message.pointer, 1, UInt16(address.contains(":") ? AF_INET6 : AF_INET))
    nla_put_u16(message.pointer, 2, UInt16(IPPROTO_TCP))
    try put(address, 3, in: message, name)
    nla_put_u16(message.pointer, 4, UInt16(port).bigEndian)
  }

  private func destination(
    _ server: String, _ port: Int, of address: String, _ servicePort: Int, in message: Socket.Message,
    _ name: String, _ more: () -> Void
  ) throws {
    let outer = nla_nest_start(message.pointer, 1)  // IPVS_CMD_ATTR_SERVICE
    try service(address, servicePort, in: message, name)
    nla_nest_end(message.pointer, outer)
    let inner = nla_nest_start(message.pointer, 2)  // IPVS_CMD_ATTR_DEST
    try put(server, 1, in: message, name)
    nla_put_u16(message.pointer, 2, UInt16(port).bigEndian)
    // Since 3.18; without it a server has its service's family.
    nla_put_u16(message.pointer, 11, UInt16(server.contains(":") ? AF_INET6 : AF_INET))
    more()
    nla_nest_end(message.pointer, inner)
  }

  /// `union nf_inet_addr`: 16 bytes, whatever the family.
  private func put(_ address: String, _ attribute: Int32, in message: Socket.Message, _ name: String) throws {
    var bytes = [UInt8](repeating: 0, count: 16)
    guard inet_pton(address.contains(":") ? AF_INET6 : AF_INET, address, &bytes) == 1 else {
      throw SystemError(
        stage: "build", object: name, errno: .invalidArgument, detail: "\(address) is no address")
    }
    nla_put(message.pointer, attribute, 16, &bytes)
  }
}

extension Socket {
  /// The number under which the kernel knows a generic netlink family: `genl ctrl get name NAME`.
  func genericFamily(_ name: String) throws -> Int32 {
    let number = genl_ctrl_resolve(socket, name)
    guard number >= 0 else {
      throw SystemError(
        stage: "genl ctrl get", object: name, errno: .noSuchFileOrDirectory,
        detail: String(cString: nl_geterror(number)))
    }
    return number
  }
}
