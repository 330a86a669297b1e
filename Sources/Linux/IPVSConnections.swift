import CLinux
import Glibc
import SystemPackage

/// One connection through a director: a line of `ipvsadm -Lnc`.
public struct IPVSConnection: Sendable, Hashable {
  /// `TCP`, `UDP`, `IP` (a template of a service that is named by a mark).
  public var transport: String
  public var client: String
  /// 0 for a template of persistence.
  public var clientPort: Int
  /// The service that the client has called.
  public var virtual: String
  public var virtualPort: Int
  /// The real server.
  public var real: String
  public var realPort: Int
  /// `NONE`, `ESTABLISHED`, `SYN_SENT`, `SYN_RECV`, `FIN_WAIT`, `TIME_WAIT`, `CLOSE`, `CLOSE_WAIT`, `LAST_ACK`,
  /// `LISTEN`, `SYNACK` (`tcp_state_name_table`); of a template `NONE`, or `ASSURED` since 4.19.
  public var state: String
  /// Whole seconds until it is forgotten, unless a packet comes or a connection depends on it.
  public var expires: Int

  /// Whether it is what persistence remembers, and no connection.
  public var isTemplate: Bool { clientPort == 0 }

  /// `TCP ESTABLISHED 198.18.0.2:40112 198.18.2.1:80 198.18.1.2:80`
  public var words: String {
    let ends = [(client, clientPort), (virtual, virtualPort), (real, realPort)]
    return ([transport, state] + ends.map { SocketAddress.text($0, port: $1) }).joined(separator: " ")
  }

  /// Reads a line of `/proc/net/ip_vs_conn` (`ip_vs_conn_seq_show`): IPv4 addresses are eight hexadecimal digits, IPv6
  /// ones eight groups, ports are hexadecimal. Nil for the title and for what is no such line.
  public init?(line: String) {
    let words = line.split(separator: " ")
    guard words.count >= 9, let client = Self.address(words[1]), let clientPort = Int(words[2], radix: 16),
      let virtual = Self.address(words[3]), let virtualPort = Int(words[4], radix: 16),
      let real = Self.address(words[5]), let realPort = Int(words[6], radix: 16),
      let expires = UInt64(words[8])
    else { return nil }
    transport = String(words[0])
    (self.client, self.clientPort) = (client, clientPort)
    (self.virtual, self.virtualPort) = (virtual, virtualPort)
    (self.real, self.realPort) = (real, realPort)
    state = String(words[7])
    // What is over and not yet gone is below 0, written without a sign.
    self.expires = expires > UInt64(Int32.max) ? 0 : Int(expires)
  }

  private static func address(_ word: Substring) -> String? {
    if word.contains(":") {
      var bytes = [UInt8](repeating: 0, count: 16)
      guard inet_pton(AF_INET6, String(word), &bytes) == 1 else { return nil }
      return SocketAddress.text(of: bytes, isIPv4: false)
    }
    guard word.count == 8, let number = UInt32(word, radix: 16) else { return nil }
    return withUnsafeBytes(of: number.bigEndian) { SocketAddress.text(of: Array($0), isIPv4: true) }
  }
}

/// The connections through the director of the namespace in which it was opened: `/proc/net/ip_vs_conn`.
public final class IPVSConnectionTable {
  private let descriptor: Int32

  /// Opens in the calling thread's namespace and stays there.
  /// - Throws: ENOENT where ip_vs is neither built in nor loaded.
  public init() throws {
    descriptor = try SystemError.check(clinux_open_net("ip_vs_conn"), "open", "/proc/net/ip_vs_conn")
  }

  deinit { close(descriptor) }

  /// `ipvsadm -Lnc`, in the order of the kernel's table.
  public func read() throws -> [IPVSConnection] {
    lseek(descriptor, 0, SEEK_SET)
    let bytes: [UInt8]
    do { bytes = try Files.readAll(descriptor) } catch {
      throw SystemError(stage: "read", object: "/proc/net/ip_vs_conn", errno: error)
    }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
      IPVSConnection(line: String(decoding: $0, as: UTF8.self))
    }
  }
}
