/// What a node does with packets of one kind: a rule of iptables or nft, in the order of the file.
public struct PacketRule: Codable, Sendable, Equatable {
  /// What becomes of them.
  public var verdict: Verdict
  /// Which packets.
  public var kind: Kind
  /// Only what comes in, or goes out, by this interface; nil is any.
  public var `in`: String?
  public var out: String?
  /// Only from, or to, this address; nil is any.
  public var from: String?
  public var to: String?
  /// Only the n-th that matches, from 1; nil is each.
  public var nth: Int?

  public init(
    _ verdict: Verdict, _ kind: Kind, in: String? = nil, out: String? = nil, from: String? = nil,
    to: String? = nil, nth: Int? = nil
  ) {
    self.verdict = verdict
    self.kind = kind
    self.in = `in`
    self.out = out
    self.from = from
    self.to = to
    self.nth = nth
  }

  /// `-A FORWARD -m conntrack --ctstate INVALID -j DROP`
  public static let dropInvalid = PacketRule(.drop, .invalid)

  /// What becomes of a packet.
  public enum Verdict: String, Codable, Sendable, CaseIterable {
    /// `-j DROP`
    case drop
    /// `-j REJECT --reject-with tcp-reset`
    case reset
    /// `-j REJECT --reject-with icmp-port-unreachable` (`icmp6-port-unreachable`)
    case reject
    /// `-t mangle -j TCPOPTSTRIP --strip-options timestamp`
    case strip
    /// `-t raw -A PREROUTING -j CT --notrack`
    case notrack
  }

  /// Which TCP segments.
  public enum Kind: String, Codable, Sendable, CaseIterable {
    /// Each of TCP.
    case any
    /// What conntrack calls INVALID.
    case invalid
    /// SYN without ACK, SYN with ACK.
    case syn
    case synAck = "syn-ack"
    /// With RST, with FIN.
    case rst, fin
    /// Without SYN, RST or FIN: data and bare ACKs.
    case ack
  }

  /// The table and chain that it stands in.
  public var chain: (table: String, chain: String) {
    switch verdict {
    case .drop, .reset, .reject: ("filter", "FORWARD")
    case .strip: ("mangle", "FORWARD")
    case .notrack: ("raw", "PREROUTING")
    }
  }
}
