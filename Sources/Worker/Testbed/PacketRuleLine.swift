import Model

/// A line of iptables' or nft's input: a rule of a lab file where it stands, or a part of one.
struct PacketRuleLine {
  let place: PacketRule.Place
  private let rule: PacketRule
  private let match: Match
  private let action: Action
  private let isIPv4: Bool

  /// In the order in which packets pass them.
  static let tables = ["raw", "mangle", "filter"]

  private enum Match {
    case kind(PacketRule.Kind)
    /// Of TCP, and of no connection that conntrack knows.
    case unknown
  }

  private enum Action {
    case verdict(PacketRule.Verdict)
    case answer(SynProxy)
  }

  /// The lines that a rule is on a node, in their order.
  static func lines(of rule: PacketRule, on host: Network.Node, ipv6: Bool) -> [PacketRuleLine] {
    func line(_ place: PacketRule.Place, _ match: Match, _ action: Action) -> PacketRuleLine {
      PacketRuleLine(place: place, rule: rule, match: match, action: action, isIPv4: !ipv6)
    }
    let places = rule.places(on: host)
    guard rule.verdict == .synproxy else {
      return places.map { line($0, .kind(rule.kind), .verdict(rule.verdict)) }
    }
    // As iptables-extensions(8) has it: SYNs are hidden from conntrack; they, and the ACKs that answer the cookie, are
    // of no connection; what is then still of none is dropped.
    return [line(.init(table: "raw", chain: "PREROUTING"), .kind(rule.kind), .verdict(.notrack))]
      + places.flatMap {
        [
          line($0, .unknown, .answer(rule.proxy ?? SynProxy())), line($0, .kind(.invalid), .verdict(.drop)),
        ]
      }
  }

  // MARK: iptables

  var iptables: String {
    var words: [String] = []
    if let name = rule.in { words.append("-i \(name)") }
    if let name = rule.out { words.append("-o \(name)") }
    if let address = rule.from { words.append("-s \(address)") }
    if let address = rule.to { words.append("-d \(address)") }
    switch match {
    case .kind(.any): words.append("-p tcp")
    case .kind(.invalid): words.append("-m conntrack --ctstate INVALID")
    case .kind(.syn): words.append("-p tcp --tcp-flags SYN,ACK SYN")
    case .kind(.synAck): words.append("-p tcp --tcp-flags SYN,ACK SYN,ACK")
    case .kind(.rst): words.append("-p tcp --tcp-flags RST RST")
    case .kind(.fin): words.append("-p tcp --tcp-flags FIN FIN")
    case .kind(.ack): words.append("-p tcp --tcp-flags SYN,RST,FIN NONE")
    case .kind(.data): words.append("-p tcp --tcp-flags PSH PSH")
    case .unknown: words.append("-p tcp -m conntrack --ctstate INVALID,UNTRACKED")
    }
    // One turn of the wheel is longer than any case.
    if let nth = rule.nth { words.append("-m statistic --mode nth --every 1000000 --packet \(nth - 1)") }
    switch action {
    case .verdict(.drop): words.append("-j DROP")
    case .verdict(.reset): words.append("-j REJECT --reject-with tcp-reset")
    case .verdict(.reject):
      words.append("-j REJECT --reject-with \(isIPv4 ? "icmp" : "icmp6")-port-unreachable")
    case .verdict(.strip): words.append("-j TCPOPTSTRIP --strip-options timestamp")
    // NATRules takes nft for these.
    case .verdict(.tsval), .verdict(.tsecr): break
    case .verdict(.notrack): words.append("-j CT --notrack")
    case .verdict(.synproxy): break
    case .answer(let proxy):
      words.append("-j SYNPROXY --mss \(proxy.mss) --wscale \(proxy.wscale)")
      if proxy.timestamp { words.append("--timestamp") }
      if proxy.sackPerm { words.append("--sack-perm") }
    }
    return words.joined(separator: " ")
  }

  // MARK: nft

  var nft: String {
    let family = isIPv4 ? "ip" : "ip6"
    var words: [String] = []
    if let name = rule.in { words.append("iifname \"\(name)\"") }
    if let name = rule.out { words.append("oifname \"\(name)\"") }
    if let address = rule.from { words.append("\(family) saddr \(address)") }
    if let address = rule.to { words.append("\(family) daddr \(address)") }
    switch match {
    case .kind(.any): words.append("meta l4proto tcp")
    case .kind(.invalid): words.append("ct state invalid")
    case .kind(.syn): words.append("tcp flags & (syn | ack) == syn")
    case .kind(.synAck): words.append("tcp flags & (syn | ack) == syn | ack")
    case .kind(.rst): words.append("tcp flags & rst == rst")
    case .kind(.fin): words.append("tcp flags & fin == fin")
    case .kind(.ack): words.append("tcp flags & (syn | rst | fin) == 0")
    case .kind(.data): words.append("tcp flags & psh == psh")
    case .unknown: words.append("meta l4proto tcp ct state invalid,untracked")
    }
    if let nth = rule.nth { words.append("numgen inc mod 1000000 == \(nth - 1)") }
    words.append("counter")
    switch action {
    case .verdict(.drop): words.append("drop")
    case .verdict(.reset): words.append("reject with tcp reset")
    case .verdict(.reject): words.append("reject with \(isIPv4 ? "icmp" : "icmpv6") port-unreachable")
    case .verdict(.strip): words.append("reset tcp option timestamp")
    case .verdict(.tsval), .verdict(.tsecr):
      let field = "tcp option timestamp " + rule.verdict.rawValue
      words.append("\(field) set \(field) ^ 0x40000000")
    case .verdict(.notrack): words.append("notrack")
    case .verdict(.synproxy): break
    case .answer(let proxy):
      words.append("synproxy mss \(proxy.mss) wscale \(proxy.wscale)")
      if proxy.timestamp { words.append("timestamp") }
      if proxy.sackPerm { words.append("sack-perm") }
    }
    return words.joined(separator: " ")
  }
}
