import Model

extension Outcome {
  /// What an attempt did, in one sentence without a full stop.
  public var summary: String {
    switch self {
    case .connected: "The first SYN was answered, and a byte went each way"
    case .delayed: "Connected after a SYN that was sent again"
    case .dropped: "ETIMEDOUT, and no SYN-ACK"
    case .refused: "ECONNREFUSED"
    case .unreachable: "EHOSTUNREACH, ENETUNREACH or EACCES: an ICMP error ended it"
    case .reset: "ECONNRESET: connected, then the peer's RST"
    case .exhausted: "EADDRNOTAVAIL to the end: no SYN ever left"
    case .served: "Connected from a port that an earlier connection to the same server had"
    case .delivered: "A sent byte was read and acknowledged"
    case .unacknowledged:
      "A sent byte was read, but the sender refuses the acknowledgement and sends it again"
    case .lost: "A sent byte reached the peer's link more than once and was never read"
    case .predicted: "Each attempt does what a rule says over its captured numbers, and some do either"
    }
  }
}

extension Setting.Scope {
  /// Which nodes have it.
  var words: String {
    switch self {
    case .everywhere: "every node"
    case .routers: "the hop and the router"
    case .hop: "the hop"
    case .director: "the hop that is an IPVS director"
    }
  }
}
