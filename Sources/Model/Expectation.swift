/// What every attempt under a label does, and by which mechanism. Written `dropped by tw-paws`.
public struct Expectation: Codable, Sendable, Hashable, CustomStringConvertible {
  /// What an attempt did, from its errno and the captured packets.
  public var outcome: Outcome
  /// Why, where it is not the plain one. Each mechanism has its own witnesses.
  public var mechanism: Mechanism?

  /// Makes an expectation.
  public init(_ outcome: Outcome, by mechanism: Mechanism? = nil) {
    self.outcome = outcome
    self.mechanism = mechanism
  }

  /// As written in a lab file.
  public var description: String {
    mechanism.map { "\(outcome.rawValue) by \($0.rawValue)" } ?? outcome.rawValue
  }

  /// Every expectation that a lab file may name; any other pair is a mistake.
  public static let all: [Expectation] = [
    Expectation(.connected), Expectation(.delivered), Expectation(.refused),
    Expectation(.delayed, by: .twPaws), Expectation(.delayed, by: .twSequence),
    Expectation(.dropped, by: .twPaws), Expectation(.dropped, by: .twSequence),
    Expectation(.dropped, by: .hop), Expectation(.dropped, by: .recycle),
    Expectation(.dropped, by: .director), Expectation(.delayed, by: .director),
    Expectation(.lost, by: .establishedPaws), Expectation(.unacknowledged, by: .establishedPaws),
    Expectation(.exhausted, by: .localPorts), Expectation(.served, by: .twReuse),
    Expectation(.predicted, by: .timeWait),
  ]

  /// Reads `outcome` or `outcome by mechanism`; nil unless it is in ``all``.
  public init?(text: String) {
    guard let found = Self.all.first(where: { $0.description == text }) else { return nil }
    self = found
  }
}

/// What an attempt did.
public enum Outcome: String, Codable, Sendable, CaseIterable {
  /// The first SYN was answered and a byte went each way.
  case connected
  /// Connected, after at least one retransmitted SYN.
  case delayed
  /// ETIMEDOUT, and no SYN-ACK for this attempt.
  case dropped
  /// ECONNREFUSED.
  case refused
  /// ECONNRESET: connected, then the peer's RST.
  case reset
  /// EADDRNOTAVAIL to the end: no SYN ever left.
  case exhausted
  /// Connected from a port that an earlier connection to the same server had: at once, or when called again
  /// after EADDRNOTAVAIL.
  case served
  /// A sent byte was read and acknowledged.
  case delivered
  /// A sent byte was read, but the sender refuses the acknowledgement and sends again.
  case unacknowledged
  /// A sent byte reached the peer's link at least twice, or left its own four times, and was never read.
  case lost
  /// Not an outcome of its own: a rule over captured values decides for each attempt,
  /// and over the case both branches must occur.
  case predicted

  /// Whether it is what a sent byte comes to, and not a connection.
  public var isOfSend: Bool { [.delivered, .unacknowledged, .lost].contains(self) }
}

/// Why an attempt did not simply connect.
public enum Mechanism: String, Codable, Sendable, CaseIterable {
  /// `tcp_tw_recycle`: the per-host cache of timestamps (until 4.11).
  case recycle
  /// A SYN meets TIME_WAIT and is older by timestamp: `tcp_timewait_state_process`.
  case twPaws = "tw-paws"
  /// A SYN meets TIME_WAIT, is not newer by timestamp, and its sequence number is not past `rcv_nxt`.
  case twSequence = "tw-seq"
  /// The hop drops it: no free NAT tuple.
  case hop
  /// IPVS drops it: its connection entry names a real server that was removed, or is being replaced.
  case director = "ipvs"
  /// An established connection's segment is older by timestamp: `tcp_validate_incoming`.
  case establishedPaws = "established-paws"
  /// No free local port: `__inet_hash_connect`.
  case localPorts = "local-ports"
  /// A local port in TIME_WAIT is taken again: `tcp_twsk_unique`.
  case twReuse = "tw-reuse"
  /// The TIME_WAIT rule, applied to the captured sequence numbers and timestamps.
  case timeWait = "time-wait"
}
