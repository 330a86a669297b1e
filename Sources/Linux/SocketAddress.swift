import Glibc
import SystemPackage

/// An IPv4 or IPv6 address with a port.
public struct SocketAddress: Sendable, CustomStringConvertible {
  var storage = sockaddr_storage()
  var length: socklen_t

  /// Reads `198.18.0.2` or `2001:2::2`.
  public init(_ address: String, port: Int) throws {
    var v4 = sockaddr_in()
    var v6 = sockaddr_in6()
    if inet_pton(AF_INET, address, &v4.sin_addr) == 1 {
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = in_port_t(port).bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v4, as: sockaddr_in.self) }
    } else if inet_pton(AF_INET6, address, &v6.sin6_addr) == 1 {
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = in_port_t(port).bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v6, as: sockaddr_in6.self) }
    } else {
      throw SystemError(stage: "inet_pton", object: address, errno: .invalidArgument)
    }
  }

  /// The wildcard address, for listeners.
  public static func any(port: Int, ipv6: Bool) throws -> SocketAddress {
    try SocketAddress(ipv6 ? "::" : "0.0.0.0", port: port)
  }

  init() { length = socklen_t(MemoryLayout<sockaddr_storage>.size) }

  /// Whether it is IPv6.
  public var isIPv6: Bool { storage.ss_family == sa_family_t(AF_INET6) }

  /// The address without the port in network order, 4 or 16 bytes.
  public var address: [UInt8] {
    withUnsafeBytes(of: storage) { bytes in
      isIPv6
        ? withUnsafeBytes(of: bytes.load(as: sockaddr_in6.self).sin6_addr) { Array($0) }
        : withUnsafeBytes(of: bytes.load(as: sockaddr_in.self).sin_addr) { Array($0) }
    }
  }

  /// The port in host order.
  public var port: UInt16 {
    withUnsafeBytes(of: storage) { bytes in
      isIPv6
        ? UInt16(bigEndian: bytes.load(as: sockaddr_in6.self).sin6_port)
        : UInt16(bigEndian: bytes.load(as: sockaddr_in.self).sin_port)
    }
  }

  /// `198.18.0.2:40112` or `[2001:2::2]:40112`.
  public var description: String {
    Self.text(Self.text(of: address, isIPv4: !isIPv6), port: Int(port))
  }

  /// An address and a port as one text, as `ss` writes it.
  public static func text(_ address: String, port: Int) -> String {
    address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
  }

  /// The text of an address in network order, of which IPv4 takes the first 4 bytes.
  public static func text(of bytes: [UInt8], isIPv4: Bool) -> String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    inet_ntop(isIPv4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
    return string(text)
  }

  private static func string(_ text: [CChar]) -> String {
    String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
