/// What the author of a lab file says that must be seen, beside outcomes: `counters:`, `packets:`, `sockets:`,
/// `conntrack:`, `ipvs:` and `drops:` of an expectation. Each is exact, so that a behaviour that the lab has no mechanism
/// for is held as strictly as one that it has.
///
/// Nodes are named as in the lab file, and looked up by who reads it: this knows no network.
public struct AuthorWitnesses: Codable, Sendable, Hashable {
  /// Node to counter to its change over the workload: `nstat`. One that is named here needs no other explanation, and
  /// has none: what its mechanisms would move of it does not count beside this.
  public var counters: [String: [String: Amount]]
  /// Packets on the links, each line for itself.
  public var packets: [PacketPattern]
  /// Node to sockets after the last step: `ss -tan`. Those that no line describes may be there too.
  public var sockets: [String: [SocketPattern]]
  /// Node to all entries of its conntrack table after the last step: `conntrack -L`.
  public var conntrack: [String: [ConntrackPattern]]
  /// Director to all entries of its connection table after the last step: `ipvsadm -Lnc`.
  public var ipvs: [String: [IPVSPattern]]
  /// Node to `enum skb_drop_reason`, without its prefix, to how many segments were thrown away for it.
  public var drops: [String: [String: Amount]]

  /// Makes witnesses; none by default.
  public init(
    counters: [String: [String: Amount]] = [:], packets: [PacketPattern] = [],
    sockets: [String: [SocketPattern]] = [:], conntrack: [String: [ConntrackPattern]] = [:],
    ipvs: [String: [IPVSPattern]] = [:], drops: [String: [String: Amount]] = [:]
  ) {
    self.counters = counters
    self.packets = packets
    self.sockets = sockets
    self.conntrack = conntrack
    self.ipvs = ipvs
    self.drops = drops
  }

  /// Whether nothing is said.
  public var isEmpty: Bool { self == AuthorWitnesses() }

  /// Nodes that are named, whose names a reader should look up.
  public var nodes: Set<String> {
    Set(counters.keys).union(sockets.keys).union(conntrack.keys).union(ipvs.keys).union(drops.keys)
      .union(packets.flatMap(\.nodes))
  }
}

/// Why a text is no pattern: what is wrong with which word of it, and what would be right.
public struct NotationError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String

  init(_ description: String) { self.description = description }
}

/// Something that a lab file writes as a text, and a saved case keeps as that.
public protocol Notation: Codable, Sendable, Hashable, CustomStringConvertible {
  /// Reads it.
  init(text: String) throws(NotationError)
}

extension Notation {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    do throws(NotationError) { try self.init(text: text) } catch {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
