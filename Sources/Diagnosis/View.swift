/// Where a capture was made.
public enum View: String, Sendable, Codable, CaseIterable {
  /// At the clients' end.
  case client
  /// On a box in between: what comes in is seen again on its way out.
  case hop
  /// At the servers' end.
  case server
  /// Between two boxes, or on the way: both ends' packets have been forwarded.
  case between
  /// Both ends are as near, or it cannot be told.
  case unknown

  /// What tells it, summed over the packets.
  struct Sum {
    private var synsIn = 0
    private var synsOut = 0
    private var answersIn = 0
    private var answersOut = 0
    private(set) var fromClients = 0
    private(set) var fromServers = 0
    /// Segments of clients that are no SYNs: where there are some and no server's, that direction was not captured.
    private var behindSYN = 0
    private var clientNear = 0
    private var clientFar = 0
    private var serverNear = 0
    private var serverFar = 0

    /// What hosts begin with: Linux and the BSDs, Windows, routers.
    private static func isFresh(_ ttl: UInt8) -> Bool { ttl == 64 || ttl == 128 || ttl == 255 }

    mutating func add(_ segment: Sighting, _ isClient: Bool) {
      let fresh = Self.isFresh(segment.ttl)
      if isClient {
        fromClients += 1
        if !segment.isSYN { behindSYN += 1 }
        if fresh { clientNear += 1 } else { clientFar += 1 }
        if segment.isSYN, segment.outgoing == true { synsOut += 1 }
        if segment.isSYN, segment.outgoing == false { synsIn += 1 }
      } else {
        fromServers += 1
        if fresh { serverNear += 1 } else { serverFar += 1 }
        if segment.outgoing == true { answersOut += 1 }
        if segment.outgoing == false { answersIn += 1 }
      }
    }

    private var answering: Int64 = 0
    private var acknowledging: Int64 = 0
    private var handshakes: Int64 = 0

    /// How long the server took to answer a SYN, and the client to acknowledge that, where this was captured.
    mutating func addHandshake(answered: Int64, acknowledged: Int64) {
      guard answered >= 0, acknowledged >= 0, answered < 1_000_000_000, acknowledged < 1_000_000_000 else {
        return
      }
      answering += answered
      acknowledging += acknowledged
      handshakes += 1
    }

    /// Nearer to whom by time, where it is a matter of a way and not of a processor.
    private var byTime: View {
      let (answer, ack) = (answering / max(1, handshakes), acknowledging / max(1, handshakes))
      if answer > 200_000, answer > ack * 4 { return .client }
      return ack > 200_000 && ack > answer * 4 ? .server : .unknown
    }

    /// Whether the capture holds one direction only, or no TCP at all.
    var isOneSided: Bool { fromClients == 0 || (fromServers == 0 && behindSYN > 0) }

    /// - Parameter forwards: packets that were seen a second time.
    func view(forwards: Int) -> View {
      if forwards > 0 { return .hop }
      if synsOut > 0, synsIn == 0 { return .client }
      if answersOut > 0 { return .server }
      let client: Bool? = clientNear + clientFar == 0 ? nil : clientNear >= clientFar
      let server: Bool? = serverNear + serverFar == 0 ? nil : serverNear >= serverFar
      switch (client, server) {
      case (true, false): return .client
      case (false, true): return .server
      case (false, false): return .between
      case (false, nil): return synsIn > 0 ? .server : .between
      default: return byTime
      }
    }
  }
}
