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
  /// What ``Verdict/synproxy`` answers with; nil is ``SynProxy``'s own.
  public var proxy: SynProxy?

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
    /// nft's `tcp option timestamp tsval set tcp option timestamp tsval ^ 0x40000000`: another clock, 2^30 ticks off, one
    /// way only.
    case tsval
    /// The same of the echo.
    case tsecr
    /// `-t raw -A PREROUTING -j CT --notrack`
    case notrack
    /// `-j SYNPROXY`: SYNs are answered by a cookie, and the server hears of a connection when a client has answered
    /// that.
    case synproxy

    /// Whether it stands where conntrack has not looked yet, by the link that a packet comes by.
    public var isBeforeConntrack: Bool { self == .notrack || self == .synproxy }

    /// Whether only nft can do it.
    public var rewrites: Bool { self == .tsval || self == .tsecr }
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
    /// With PSH: the last segment, mostly the only one, of what was sent at once.
    case data
  }

  /// A table with one of its chains.
  public struct Place: Sendable, Equatable {
    public var table: String
    public var chain: String

    public init(table: String, chain: String) { (self.table, self.chain) = (table, chain) }
  }

  /// Where it stands on a node: on the way of what the node passes on, of what comes to it and of what it sends itself,
  /// each with a count of its own for ``nth``. Empty where nothing could ever match.
  public func places(on host: Network.Node) -> [Place] {
    func places(_ table: String, _ chains: [(String, Bool)]) -> [Place] {
      chains.filter(\.1).map { Place(table: table, chain: $0.0) }
    }
    let (comes, goes) = (out == nil, self.in == nil)
    let passed = host.forwards || !host.isEnd
    switch verdict {
    case .drop, .reset, .reject, .strip, .tsval, .tsecr:
      return places(
        verdict == .strip || verdict.rewrites ? "mangle" : "filter",
        [("FORWARD", passed), ("INPUT", host.isEnd && comes), ("OUTPUT", host.isEnd && goes)])
    case .notrack: return places("raw", [("PREROUTING", comes), ("OUTPUT", host.isEnd && goes)])
    // Its SYNs are hidden from conntrack in raw, and what conntrack does not know is answered here.
    case .synproxy: return places("filter", [("FORWARD", passed && comes), ("INPUT", host.isEnd && comes)])
    }
  }
}

/// What SYNPROXY tells clients in the server's name (iptables-extensions(8)); it must be what the server would say.
public struct SynProxy: Codable, Sendable, Equatable {
  /// Maximum segment size, in bytes.
  public var mss: Int
  /// Window scale.
  public var wscale: Int
  /// Whether clients may have timestamps: without them there is neither scaling nor SACK
  /// (`synproxy_tg4`, net/ipv4/netfilter/ipt_SYNPROXY.c).
  public var timestamp: Bool
  /// Whether clients may have SACK.
  public var sackPerm: Bool

  /// What a server of the lab says.
  public init(mss: Int = 1460, wscale: Int = 7, timestamp: Bool = true, sackPerm: Bool = true) {
    (self.mss, self.wscale, self.timestamp, self.sackPerm) = (mss, wscale, timestamp, sackPerm)
  }

  /// Its words in a lab file.
  public static let fields: [Field] = {
    let own = SynProxy()
    return [
      Field(
        "mss", .number(88...65_495, unit: "bytes"), byDefault: "\(own.mss)",
        "of synproxy: the maximum segment size that clients are told"),
      Field(
        "wscale", .number(0...14), byDefault: "\(own.wscale)",
        "of synproxy: the window scale that clients are told"),
      Field(
        "timestamp", .flag, byDefault: "true",
        "of synproxy: whether clients may have timestamps; without them neither scaling nor SACK"),
      Field("sack_perm", .flag, byDefault: "true", "of synproxy: whether clients may have SACK"),
    ]
  }()

  /// From what was read of ``fields``.
  public init(_ words: (String) -> FieldValue?) {
    self.init()
    mss = words("mss")?.number ?? mss
    wscale = words("wscale")?.number ?? wscale
    timestamp = words("timestamp")?.flag ?? timestamp
    sackPerm = words("sack_perm")?.flag ?? sackPerm
  }

  /// A number that no lab file can have said, with its range; nil where there is none.
  package var excess: String? { outside("mss", mss, 88...65_495) ?? outside("wscale", wscale, 0...14) }
}
