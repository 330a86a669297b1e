/// What a lab file says of the hop of a network that has a name of its own: the NAT router, or the IPVS director.
public struct Hop: Codable, Sendable, Equatable {
  /// Which target rewrites the source.
  public enum NAT: String, Codable, Sendable, CaseIterable {
    case snat, masquerade
  }
  /// Which tool programs the rules.
  public enum Backend: String, Codable, Sendable, CaseIterable {
    /// iptables over nftables, else iptables legacy, else nft: the first that this kernel takes.
    case auto
    case iptables, nft
  }
  /// How a source port is chosen within the range.
  public enum Randomness: String, Codable, Sendable, CaseIterable {
    case none
    /// `--random`
    case random
    /// `--random-fully`
    case fully
  }

  /// Which target rewrites the source.
  public var nat: NAT
  /// Which tool programs the rules.
  public var backend: Backend
  /// Source ports towards the server.
  public var ports: ClosedRange<Int>
  /// How a source port is chosen within the range.
  public var random: Randomness
  /// Whether a rule in FORWARD drops what conntrack calls INVALID.
  public var dropInvalid: Bool
  /// How a director chooses a server.
  public var scheduler: Network.Scheduler

  public init(
    nat: NAT = .snat, backend: Backend = .auto, ports: ClosedRange<Int> = 32768...60999,
    random: Randomness = .none, dropInvalid: Bool = false, scheduler: Network.Scheduler = .rr
  ) {
    self.nat = nat
    self.backend = backend
    self.ports = ports
    self.random = random
    self.dropInvalid = dropInvalid
    self.scheduler = scheduler
  }
}
