import Evidence
import Foundation

/// A case's packets as a person would have captured them: at one place, perhaps one direction only, perhaps cut short, by
/// a tool that writes neither names nor comments.
public enum Vantage: String, Sendable, CaseIterable {
  case client, hop, server
  case fromClients = "server, clients' side only"
  case fromServer = "server, own side only"
  case short = "server, 96 bytes"
  case shortClient = "client, 96 bytes"

  /// Bytes of a packet that are kept, as by `tcpdump -s`.
  private var snap: Int { self == .short || self == .shortClient ? 96 : 262_144 }

  /// `tcpdump -i any`, which says what was sent and what came.
  private var isAny: Bool { self == .client || self == .hop || self == .server }

  public var isClients: Bool { self == .client || self == .shortClient }

  /// - Parameters:
  ///   - packets: all that a case's nodes have seen.
  ///   - client: the node whose own capture ``client`` is.
  ///   - servers: the nodes that accept.
  /// - Returns: a capture file: as `tcpdump -i any` writes it (SLL2), at ``hop`` where the other ends of the nodes' links
  ///   are its own; those of one direction and the short ones of Ethernet, which does not say what was sent and what came.
  public func capture(_ packets: [Packet], client: String, servers: Set<String>) -> [UInt8] {
    let own = self.packets(packets, client: client, servers: servers)
    let links = Dictionary(
      own.map { $0.node + " " + $0.interface }.enumerated().map { ($1, $0) },
      uniquingKeysWith: { first, _ in first })
    var bytes = Self.header(link: isAny ? 276 : 1, snap: snap)
    for packet in own.sorted(by: { $0.time < $1.time }) {
      var content = [UInt8](packet.bytes)
      if isAny, content.count >= 14 {
        let index = UInt32(2 + (links[packet.node + " " + packet.interface] ?? 0))
        // What a node sends comes in at the box, and the other way round.
        let cooked: [UInt8] =
          Array(content[12..<14]) + [0, 0] + Self.bytes(index, big: true) + [
            0, 1, packet.outgoing == (self == .hop) ? 0 : 4, 6,
          ]
          + Array(content[6..<12]) + [0, 0]
        content = cooked + content[14...]
      }
      let whole = content.count + max(0, packet.length - packet.bytes.count)
      let kept = content.prefix(snap)
      bytes += Self.bytes(UInt32(truncatingIfNeeded: packet.time / 1_000_000_000), big: false)
      bytes += Self.bytes(UInt32(truncatingIfNeeded: packet.time % 1_000_000_000), big: false)
      bytes += Self.bytes(UInt32(kept.count), big: false) + Self.bytes(UInt32(whole), big: false) + kept
    }
    return bytes
  }

  /// Those that are seen there.
  public func packets(_ packets: [Packet], client: String, servers: Set<String>) -> [Packet] {
    packets.filter { packet in
      switch self {
      case .client, .shortClient: packet.node == client
      case .hop: true
      case .server, .short: servers.contains(packet.node)
      case .fromClients: servers.contains(packet.node) && !packet.outgoing
      case .fromServer: servers.contains(packet.node) && packet.outgoing
      }
    }
  }

  private static func header(link: UInt32, snap: Int) -> [UInt8] {
    bytes(0xa1b2_3c4d, big: false) + [2, 0, 4, 0] + [UInt8](repeating: 0, count: 8)
      + bytes(UInt32(snap), big: false) + bytes(link, big: false)
  }

  private static func bytes(_ number: UInt32, big: Bool) -> [UInt8] {
    withUnsafeBytes(of: big ? number.bigEndian : number.littleEndian) { Array($0) }
  }
}
