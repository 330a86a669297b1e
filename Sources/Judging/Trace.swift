import Evidence
import Model

/// The capture of a case, arranged by connection attempt.
///
/// An attempt is found on its client's link by its own port and time, and on the server's link by its initial
/// sequence number, which NAT leaves alone.
struct Trace {
  /// One attempt as the wire saw it.
  struct Flow {
    /// SYNs that left the client's link.
    var synsAtClient: [Segment]
    /// SYNs of the same sequence number that reached the server's link.
    var synsAtServer: [Segment]
    /// Everything on the server's link on this attempt's 4-tuples, from its first SYN there to the next
    /// attempt's. A retransmitted SYN can leave the hop by another port: the RST that answers an old ACK
    /// ends the hop's entry, and the next SYN makes a new one.
    var atServer: [Segment]

    /// Whether the client's link has seen an answer to the SYN.
    var answered = false

    /// SYN-ACKs of that kind which the client has answered by a RST, where it has answered none otherwise.
    var refusedAnswers = 0

    /// The server that the attempt was meant for, as far as that is known without a packet.
    var target = ""

    /// The server that the SYNs reached, or were to reach.
    var serverNode: String { synsAtServer.first?.node ?? target }

    /// The answer to this attempt's SYN.
    var synAck: Segment? {
      guard let syn = synsAtServer.first else { return nil }
      return atServer.first { $0.outgoing && $0.isSYNACK && $0.acknowledgement == syn.sequence &+ 1 }
    }
    /// What passed before the server answered; all of it if it never did.
    var unanswered: ArraySlice<Segment> {
      guard let synAck, let end = atServer.firstIndex(of: synAck) else { return atServer[...] }
      return atServer[..<end]
    }
    /// ACKs with which TIME_WAIT answered the SYN: they acknowledge the connection before.
    var oldAcks: [Segment] { unanswered.filter { $0.outgoing && $0.flags == .ack } }
    /// The client's RSTs in answer to those.
    var resets: [Segment] { unanswered.filter { !$0.outgoing && $0.flags.contains(.rst) } }
    /// SYNs that got no SYN-ACK.
    var refusedSYNs: Int { synAck == nil ? synsAtServer.count : max(0, unanswered.count { $0.isSYN } - 1) }
  }

  /// Segments on each client's link, by time.
  let clientLink: [String: [Segment]]
  /// Segments on the server's link or links, by time.
  let serverLink: [Segment]
  private var synsByPort: [Endpoint: [[Segment]]] = [:]
  private var synsAtServer: [UInt32: [Segment]] = [:]
  private(set) var tuples: [Tuple: [Segment]] = [:]

  /// One local port may serve connections to several of the server's ports.
  private struct Endpoint: Hashable {
    var node: String
    var port: Int
    var serverPort: Int
  }

  /// A connection's 4-tuple on the server's link.
  struct Tuple: Hashable {
    /// Behind a director every server may have the same address.
    var node: String
    var client: String
    var clientPort: Int
    var server: String
    var serverPort: Int

    init(_ segment: Segment) {
      node = segment.node
      if segment.outgoing {
        (client, clientPort) = (segment.destination, segment.destinationPort)
        (server, serverPort) = (segment.source, segment.sourcePort)
      } else {
        (client, clientPort) = (segment.source, segment.sourcePort)
        (server, serverPort) = (segment.destination, segment.destinationPort)
      }
    }
  }

  /// Which end of a connection a node's segments are of.
  private struct Ends {
    let clients: Set<String>
    let ports: [String: ClosedRange<Int>]

    init(_ network: Network) {
      clients = Set(network.hosts.filter { $0.client != nil }.map(\.name))
      ports = Dictionary(
        network.hosts.compactMap { host in host.server.map { (host.name, $0.ports) } },
        uniquingKeysWith: { first, _ in first })
    }

    /// A node that is both is what its port says.
    func isServers(_ segment: Segment) -> Bool {
      guard let ports = ports[segment.node] else { return false }
      return !clients.contains(segment.node)
        || ports.contains(segment.outgoing ? segment.sourcePort : segment.destinationPort)
    }
  }

  /// Who accepts at an address; of a director's, which several may, the first of all servers.
  private struct Targets {
    private let byAddress: [String: String]
    private let first: String

    init(_ network: Network) {
      let servers = network.serverNames
      byAddress = Dictionary(
        servers.flatMap { server in network.addresses(of: server).map { ($0, server) } },
        uniquingKeysWith: { first, _ in first })
      first = servers.first ?? ""
    }

    subscript(remote: String) -> String { byAddress[remote.bareHost] ?? first }
  }

  private let targets: Targets
  private let stamps: [StampCensus]
  /// What the kernel said of the segments that it threw away.
  let drops: [KernelDrop]?
  /// Drops that it did not get to say anything of.
  let dropsNotHeard: Int

  /// - Parameter network: whose nodes connect, and whose accept.
  init(_ observation: Observation, in network: Network) {
    targets = Targets(network)
    stamps = observation.stamps
    drops = observation.drops
    dropsNotHeard = observation.dropsNotHeard ?? 0
    let ends = Ends(network)
    var clientLink: [String: [Segment]] = [:]
    var serverLink: [Segment] = []
    for packet in observation.packets {
      guard let segment = Segment(packet) else { continue }
      if ends.isServers(segment) {
        serverLink.append(segment)
      } else {
        clientLink[packet.node, default: []].append(segment)
      }
    }
    for (node, segments) in clientLink {
      for syn in segments where syn.outgoing && syn.isSYN {
        let endpoint = Endpoint(node: node, port: syn.sourcePort, serverPort: syn.destinationPort)
        if synsByPort[endpoint]?.last?.first?.sequence == syn.sequence {
          let last = (synsByPort[endpoint]?.count ?? 1) - 1
          synsByPort[endpoint]?[last].append(syn)
        } else {
          synsByPort[endpoint, default: []].append([syn])
        }
      }
    }
    for segment in serverLink {
      tuples[Tuple(segment), default: []].append(segment)
      if segment.isSYN, !segment.outgoing { synsAtServer[segment.sequence, default: []].append(segment) }
    }
    self.clientLink = clientLink
    self.serverLink = serverLink
  }

  /// The attempt's packets; empty lists where none left.
  func flow(of attempt: Attempt) -> Flow {
    var flow = packets(of: attempt)
    flow.target = targets[attempt.remote]
    return flow
  }

  private func packets(of attempt: Attempt) -> Flow {
    guard let port = attempt.localPort, let serverPort = attempt.serverPort,
      let group = synsByPort[Endpoint(node: attempt.client, port: port, serverPort: serverPort)]?
        .first(where: { syns in
          // One clock: the worker reads it before connect() and after the outcome, the kernel in between.
          syns.contains { $0.time >= attempt.began && $0.time <= attempt.ended }
        }),
      let first = group.first
    else { return Flow(synsAtClient: [], synsAtServer: [], atServer: []) }
    let arrived = (synsAtServer[first.sequence] ?? [])
      .filter { $0.destinationPort == first.destinationPort && $0.time >= first.time }
    // Asked of those only that timed out.
    let next = first.sequence &+ 1
    let answers =
      attempt.errno == "ETIMEDOUT"
      ? (clientLink[attempt.client] ?? []).filter {
        !$0.outgoing && $0.isSYNACK && $0.acknowledgement == next && $0.destinationPort == port
      } : []
    let answered = !answers.isEmpty
    // tcp_v4_send_reset: without ACK, with the number that the SYN-ACK has acknowledged.
    let refusals =
      answered
      ? (clientLink[attempt.client] ?? []).filter {
        $0.outgoing && $0.sourcePort == port && $0.time >= first.time && !$0.isSYN
      } : []
    let refusedAnswers =
      refusals.allSatisfy { $0.flags == .rst && $0.sequence == next } && refusals.count == answers.count
      ? refusals.count : 0
    guard !arrived.isEmpty else {
      return Flow(
        synsAtClient: group, synsAtServer: [], atServer: [], answered: answered,
        refusedAnswers: refusedAnswers)
    }
    var seen: Set<Tuple> = []
    var atServer: [Segment] = []
    for syn in arrived where seen.insert(Tuple(syn)).inserted {
      let onTuple = tuples[Tuple(syn)] ?? []
      let end =
        onTuple.first { $0.isSYN && !$0.outgoing && $0.time > syn.time && $0.sequence != syn.sequence }?.time
        ?? .max
      atServer += onTuple.filter { $0.time >= syn.time && $0.time < end }
    }
    if seen.count > 1 { atServer.sort { $0.time < $1.time } }
    return Flow(
      synsAtClient: group, synsAtServer: arrived, atServer: atServer, answered: answered,
      refusedAnswers: refusedAnswers)
  }

  /// The timestamp that a server remembered of a SYN's source before a step.
  func stamp(for syn: Segment, before step: Int) -> StampCensus.Stamp? {
    stamps.last { $0.node == syn.node && $0.step < step }?.stamps.first {
      $0.remote == syn.source && ($0.local == nil || $0.local == syn.destination)
    }
  }

  /// What passed on a SYN's 4-tuple before it.
  func before(_ syn: Segment) -> [Segment] {
    (tuples[Tuple(syn)] ?? []).filter { $0.time < syn.time }
  }

  /// Segments of a client's port on the server's link, before a time and since.
  func segments(from port: Int?, at time: Int64) -> (before: ArraySlice<Segment>, since: ArraySlice<Segment>)
  {
    guard let port else { return ([], []) }
    let sent = serverLink.filter { !$0.outgoing && $0.sourcePort == port }
    let first = sent.firstIndex { $0.time >= time } ?? sent.endIndex
    return (sent[..<first], sent[first...])
  }

  /// How many ACKs without data the server sent to a client's port since a time.
  func bareAcks(to port: Int?, since time: Int64) -> Int {
    serverLink.count {
      $0.outgoing && $0.time >= time && $0.destinationPort == port && $0.flags == .ack && $0.payload == 0
    }
  }
}

extension Attempt {
  /// The port of ``remote``.
  var serverPort: Int? { Int(remote.split(separator: ":").last ?? "") }
  /// The port of ``local``.
  var localPort: Int? { local.flatMap { Int($0.split(separator: ":").last ?? "") } }
}
