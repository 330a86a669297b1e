/// One client.
public struct Client: Codable, Sendable, Equatable {
  /// Name of the node: the group's, with `.1` and so on behind it where the group has several.
  public var name: String
  /// Name in the lab file.
  public var group: String
  /// What its TCP timestamps are.
  public var clock: Clock
  /// Where its initial sequence numbers lie.
  public var isn: SequencePin

  /// Makes a client.
  public init(name: String, group: String, clock: Clock, isn: SequencePin) {
    self.name = name
    self.group = group
    self.clock = clock
    self.isn = isn
  }
}

/// A client's timestamp clock, as the server sees it.
public enum Clock: Codable, Sendable, Hashable {
  /// The kernel's own clock (`tcp_timestamps=2`) shifted by this many milliseconds; 0 is the clock itself.
  case offset(milliseconds: Int)
  /// `tcp_timestamps=1`, no tampering: the offset is the kernel's random one (since 4.10).
  case natural
  /// `tcp_timestamps=0`.
  case off
  /// The kernel's own clock (`tcp_timestamps=2`) in microseconds: its routes have the feature `tcp_usec_ts` (6.7).
  case microseconds
}

/// Where a client's initial sequence numbers lie, relative to those of all attempts before.
public enum SequencePin: String, Codable, Sendable, CaseIterable {
  /// Past every sequence number used so far in the case.
  case ahead
  /// Before every sequence number used so far in the case.
  case behind
  /// The kernel's own choice (RFC 6528).
  case natural
}
