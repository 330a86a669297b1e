import Linux
import Model
import Netlink

/// What becomes of entries that are no longer wanted, in conntrack and in a director's table: found out by one.
enum ClosedEntry {
  /// A client behind a NAT connects, aborts, and connects again from the same port.
  ///
  /// - Returns: whether the second SYN is counted as INVALID, though it passes (`nf_conntrack_in`, NF_REPEAT).
  static func isCounted(on kernel: Kernel) throws -> Bool {
    let one = try OneClient(.snat, hop: onePort, on: kernel)
    try TCP.abort(try one.connect("a connection"))
    let before = try invalid(one)
    TCP.close(try one.connect("a connection from the same port, after a RST"))
    return try invalid(one) > before
  }

  /// A client behind a NAT connects over IPv6, for which each looks for the other's link address.
  ///
  /// - Returns: whether anything of that is counted as INVALID.
  static func countsNeighbours(on kernel: Kernel) throws -> Bool {
    let one = try OneClient(.snat, .ipv6, hop: onePort, on: kernel)
    TCP.close(try one.connect("a connection over IPv6"))
    return try invalid(one) > 0
  }

  private static let onePort = Hop(
    nat: .snat, backend: .auto, ports: 40000...40000, random: .none, dropInvalid: false)

  /// What all nodes have counted as INVALID.
  private static func invalid(_ one: OneClient) throws -> Int {
    try one.testbed.nodes.reduce(0) { try $0 + ($1.conntrack?.statistics()["invalid"] ?? 0) }
  }

  /// Has a director forget a connection.
  /// - Throws: where it keeps it.
  static func flushDirector(on kernel: Kernel) throws {
    let one = try OneClient(.ipvsNAT, on: kernel)
    let socket = try one.connect("a connection through a director")
    defer { TCP.close(socket) }
    for director in one.testbed.directors { try director.flush() }
  }
}
