import CLibNL
import Glibc
import Linux

/// Connection tracking of the namespace in which it was opened (nfnetlink, subsystem ctnetlink).
public final class ConntrackSocket {
  let socket: Socket

  /// Opens in the calling thread's namespace and stays there.
  public init() throws { socket = try Socket(protocol: NETLINK_NETFILTER, bus: "NETLINK_NETFILTER") }

  /// Forgets every connection: `conntrack -F`.
  public func flush() throws {
    try socket.commit([try message(IPCTNL_MSG_CT_DELETE, flags: 0, "conntrack -F")])
  }

  /// Statistics summed over the processors, by the names of `conntrack -S`. Zeros are there too.
  public func statistics() throws -> [String: Int] {
    var sums = Dictionary(uniqueKeysWithValues: Self.names.values.map { ($0, 0) })
    let request = try message(IPCTNL_MSG_CT_GET_STATS_CPU, flags: Int32(NLM_F_DUMP), "conntrack -S")
    try socket.dump(request) { payload in
      for (name, value) in Self.statistics(in: payload) { sums[name, default: 0] += value }
    }
    return sums
  }

  /// One processor's, as an answer tells them.
  static func statistics(in payload: UnsafeRawBufferPointer) -> [(name: String, value: Int)] {
    NetlinkAttributes(payload, from: MemoryLayout<nfgenmsg>.size).compactMap { type, value in
      guard let name = names[type], let number: UInt32 = value.number(at: 0) else { return nil }
      return (name, Int(UInt32(bigEndian: number)))
    }
  }

  /// `enum ctattr_stats_cpu`, but those that no current kernel counts.
  private static let names: [UInt16: String] = [
    2: "found", 4: "invalid", 8: "insert", 9: "insert_failed", 10: "drop", 11: "early_drop", 12: "error",
    13: "search_restart", 14: "clash_resolve", 15: "chain_toolong",
  ]

  func message<Kind: RawRepresentable>(
    _ kind: Kind, flags: Int32, family: Int32 = AF_UNSPEC, _ name: String
  ) throws -> Socket.Message where Kind.RawValue == UInt32 {
    let type = Int32(NFNL_SUBSYS_CTNETLINK) << 8 | Int32(kind.rawValue)
    var header = nfgenmsg()
    header.nfgen_family = UInt8(family)
    return try Socket.message(type, flags: flags, header: header, name: name)
  }
}
