/// One TCP socket on one node, as `ss -tano` lists it.
public struct SocketEntry: Codable, Sendable, Equatable {
  /// As `ss` names it. A TIME_WAIT socket whose peer has not sent its FIN is `FIN-WAIT-2` (`tw_substate`).
  public var state: String
  /// The node's own address and port, `198.19.0.2:8000`.
  public var local: String
  /// The other end's.
  public var peer: String
  /// Milliseconds until TIME_WAIT ends (`timer:(timewait,...)`, idiag_timer 3), of either substate; nil for a socket that
  /// is none.
  public var timeWait: Int?

  /// Makes an entry.
  public init(state: String, local: String, peer: String, timeWait: Int? = nil) {
    self.state = state
    self.local = local
    self.peer = peer
    self.timeWait = timeWait
  }
}

/// One entry of a conntrack table, as `conntrack -L -p tcp` lists it.
public struct ConntrackEntry: Codable, Sendable, Equatable {
  /// The ends of one direction's packets.
  public struct Direction: Codable, Sendable, Equatable {
    public var source: String
    public var destination: String
    public var sourcePort: Int
    public var destinationPort: Int

    /// Makes a direction.
    public init(source: String, destination: String, sourcePort: Int, destinationPort: Int) {
      self.source = source
      self.destination = destination
      self.sourcePort = sourcePort
      self.destinationPort = destinationPort
    }
  }

  /// As conntrack names it: `TIME_WAIT`.
  public var state: String
  /// Of the packets that made it.
  public var original: Direction
  /// Of their answers, behind any NAT.
  public var reply: Direction
  /// IPS_ASSURED: it is not dropped early.
  public var assured: Bool
  /// No answer was seen (not IPS_SEEN_REPLY).
  public var unreplied: Bool
  /// Seconds until it ends.
  public var seconds: Int

  /// Makes an entry.
  public init(
    state: String, original: Direction, reply: Direction, assured: Bool, unreplied: Bool, seconds: Int
  ) {
    self.state = state
    self.original = original
    self.reply = reply
    self.assured = assured
    self.unreplied = unreplied
    self.seconds = seconds
  }
}

/// A node's conntrack table at one time.
public struct ConntrackCensus: Codable, Sendable, Equatable {
  /// Index of the step after which it was read.
  public var step: Int
  /// The node.
  public var node: String
  /// TCP only.
  public var entries: [ConntrackEntry]

  /// Makes a census.
  public init(step: Int, node: String, entries: [ConntrackEntry]) {
    self.step = step
    self.node = node
    self.entries = entries
  }
}

/// One entry of a director's connection table, as `ipvsadm -Lnc` lists it.
public struct IPVSEntry: Codable, Sendable, Equatable {
  /// As ipvsadm names it: `TIME_WAIT`.
  public var state: String
  /// The client's address and port, `198.18.0.2:40000`. A template of a persistent service has port 0.
  public var client: String
  /// The virtual service's.
  public var virtual: String
  /// The real server's.
  public var server: String
  /// Seconds until it ends.
  public var seconds: Int

  /// Makes an entry.
  public init(state: String, client: String, virtual: String, server: String, seconds: Int) {
    self.state = state
    self.client = client
    self.virtual = virtual
    self.server = server
    self.seconds = seconds
  }
}

/// A director's connection table at one time.
public struct IPVSCensus: Codable, Sendable, Equatable {
  /// Index of the step after which it was read.
  public var step: Int
  /// The director.
  public var node: String
  public var entries: [IPVSEntry]
  /// The services' real servers (`ipvsadm -Ln`); nil where they were not read.
  public var servers: [Server]?

  /// A real server of a service.
  public struct Server: Codable, Sendable, Equatable {
    /// The virtual service's address and port.
    public var virtual: String
    /// The real server's.
    public var server: String
    /// 0 is quiesced: no new connection.
    public var weight: Int

    /// Makes a server.
    public init(virtual: String, server: String, weight: Int) {
      self.virtual = virtual
      self.server = server
      self.weight = weight
    }
  }

  /// Makes a census.
  public init(step: Int, node: String, entries: [IPVSEntry], servers: [Server]? = nil) {
    self.step = step
    self.node = node
    self.entries = entries
    self.servers = servers
  }
}
