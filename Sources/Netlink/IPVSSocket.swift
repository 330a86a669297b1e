import CLibNL
import Glibc
import Linux
import SystemPackage

/// The IP virtual server of the namespace in which it was opened: `ipvsadm`, by generic netlink.
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

  /// Opens in the calling thread's namespace and stays there.
  /// - Throws: where the kernel has no family `IPVS`: ip_vs is neither built in nor loaded.
  public init() throws {
    socket = try Socket(protocol: NETLINK_GENERIC, bus: "NETLINK_GENERIC")
    family = try socket.genericFamily("IPVS")
  }

  /// `ipvsadm -A -t ADDRESS:PORT -s SCHEDULER`
  public func addService(_ address: String, port: Int, scheduler: String) throws {
    let name = "ipvsadm -A -t \(SocketAddress.text(address, port: port)) -s \(scheduler)"
    let message = try request(1, name)  // IPVS_CMD_NEW_SERVICE
    let nest = nla_nest_start(message.pointer, 1)  // IPVS_CMD_ATTR_SERVICE
    try service(address, port, in: message, name)
    nla_put_string(message.pointer, 6, scheduler)  // IPVS_SVC_ATTR_SCHED_NAME
    var flags: [UInt32] = [0, .max]  // struct ip_vs_flags: flags, mask
    nla_put(message.pointer, 7, 8, &flags)
    nla_put_u32(message.pointer, 8, 0)  // IPVS_SVC_ATTR_TIMEOUT
    // IPVS_SVC_ATTR_NETMASK: a mask for IPv4, a length for IPv6.
    nla_put_u32(message.pointer, 9, address.contains(":") ? 128 : UInt32.max.bigEndian)
    nla_nest_end(message.pointer, nest)
    try socket.commit([message])
  }

  /// `ipvsadm -a -t ADDRESS:PORT -r SERVER:PORT -m|-i|-g -w 1`
  public func addServer(
    _ server: String, port: Int, to address: String, by forwarding: Forwarding
  ) throws {
    let name =
      "ipvsadm -a -t \(SocketAddress.text(address, port: port)) -r \(SocketAddress.text(server, port: port))"
    let message = try request(5, name)  // IPVS_CMD_NEW_DEST
    try destination(server, port, of: address, in: message, name) {
      nla_put_u32(message.pointer, 3, forwarding.rawValue)  // IPVS_DEST_ATTR_FWD_METHOD
      nla_put_u32(message.pointer, 4, 1)  // IPVS_DEST_ATTR_WEIGHT
      nla_put_u32(message.pointer, 5, 0)  // upper threshold
      nla_put_u32(message.pointer, 6, 0)  // lower threshold
    }
    try socket.commit([message])
  }

  /// `ipvsadm -d -t ADDRESS:PORT -r SERVER:PORT`
  public func removeServer(_ server: String, port: Int, from address: String) throws {
    let name =
      "ipvsadm -d -t \(SocketAddress.text(address, port: port)) -r \(SocketAddress.text(server, port: port))"
    let message = try request(7, name)  // IPVS_CMD_DEL_DEST
    try destination(server, port, of: address, in: message, name) {}
    try socket.commit([message])
  }

  private func request(_ command: UInt8, _ name: String) throws -> Socket.Message {
    var header = genlmsghdr()
    header.cmd = command
    header.version = 1
    return try Socket.message(family, header: header, name: name)
  }

  /// What names a service: address family, protocol, address, port.
  private func service(_ address: String, _ port: Int, in message: Socket.Message, _ name: String) throws {
    nla_put_u16(message.pointer, 1, UInt16(address.contains(":") ? AF_INET6 : AF_INET))
    nla_put_u16(message.pointer, 2, UInt16(IPPROTO_TCP))
    try put(address, 3, in: message, name)
    nla_put_u16(message.pointer, 4, UInt16(port).bigEndian)
  }

  private func destination(
    _ server: String, _ port: Int, of address: String, in message: Socket.Message, _ name: String,
    _ more: () -> Void
  ) throws {
    let outer = nla_nest_start(message.pointer, 1)  // IPVS_CMD_ATTR_SERVICE
    try service(address, port, in: message, name)
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
