import Evidence
import Model

/// What a ladder's columns are: the captured links between clients and servers, by how far they are from the clients.
public struct Lanes: Sendable, Equatable {
  /// One more than there are lanes: clients, what stands between two lanes, servers.
  let columns: [String]
  /// Lane and side by node and interface; on one link that is captured at both ends, 0 is the nearer to the clients.
  private let points: [String: [String: Point]]
  /// Ports on which servers listen.
  private let ports: Set<Int>
  private let servers: Set<String>
  /// Clients whose timestamps are no clock that others have.
  let inMicroseconds: Set<String>

  struct Point: Hashable, Sendable {
    var lane: Int
    var side: Int
  }

  /// How many there are; at least one.
  var count: Int { columns.count - 1 }
  /// Where a packet that passes all of them is seen.
  let all: Set<Point>

  public init(_ network: Network) {
    let distances = Self.distances(network)
    let captured = network.links.filter { $0.allEnds.contains(where: \.isCaptured) }
    func depth(_ link: Link) -> Int { link.allEnds.compactMap { distances[$0.host] }.min() ?? 0 }
    let depths = Set(captured.map(depth)).sorted()
    var points: [String: [String: Point]] = [:]
    for link in captured {
      let lane = depths.firstIndex(of: depth(link)) ?? 0
      for end in link.allEnds where end.isCaptured {
        let side = distances[end.host] == depth(link) ? 0 : 1
        points[end.host, default: [:]][end.interface] = Point(lane: lane, side: side)
      }
    }
    for host in network.hosts where host.capturesLoopback {
      points[host.name, default: [:]]["lo"] = Point(lane: 0, side: 0)
    }
    self.points = points
    all = Set(points.values.flatMap(\.values))
    let hosts = depths.map { distance in
      Set(network.links.filter { depth($0) == distance }.flatMap { $0.allEnds.map(\.host) })
    }
    let between = zip(hosts, hosts.dropFirst()).map { left, right in
      let both = left.intersection(right).sorted()
      return both.count == 1 ? both[0] : both.isEmpty ? "..." : "\(both.count) nodes"
    }
    columns = ["client"] + between + ["server"]
    servers = Set(network.serverNames)
    inMicroseconds = Set(network.clients.filter { $0.clock == .microseconds }.map(\.name))
    ports = Set(network.hosts.flatMap { host in host.server.map { Array($0.ports) } ?? [] })
  }

  /// Links from the nearest client.
  private static func distances(_ network: Network) -> [String: Int] {
    var distances: [String: Int] = [:]
    for client in network.clients { distances[client.name] = 0 }
    var edge = Array(distances.keys)
    while !edge.isEmpty {
      var next: [String] = []
      for link in network.links {
        let hosts = link.allEnds.map(\.host)
        guard let nearest = hosts.filter(edge.contains).compactMap({ distances[$0] }).min() else { continue }
        for host in hosts where distances[host] == nil {
          distances[host] = nearest + 1
          next.append(host)
        }
      }
      edge = next
    }
    return distances
  }

  /// Where a packet was seen; nil on a link that is none of these.
  func point(of packet: Packet) -> Point? { points[packet.node]?[packet.interface] }

  /// Whether it was bound for a server.
  func isOutbound(_ packet: Packet, _ segment: Segment) -> Bool {
    let (to, from) = (ports.contains(segment.destinationPort), ports.contains(segment.sourcePort))
    if to != from { return to }
    return servers.contains(packet.node) ? !segment.outgoing : segment.outgoing
  }
}
