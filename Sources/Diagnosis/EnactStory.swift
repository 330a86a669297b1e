import Evidence
import Judging
import Model

/// What is known of the attempt that a diagnosis is about, and of what lay before it: all that a lab file can take over.
struct Story {
  /// What stands between, as far as it was seen.
  enum Way: String {
    case direct, snat
    case ipvsNAT = "ipvs-nat"
    case ipvsFullNAT = "ipvs-fullnat"
  }

  var mechanism: String
  var certainty: Certainty
  var reading: Reading
  var view: View
  var facts: Facts
  var traffic: Traffic
  var evidence: [String]

  var life: Life { reading.life }

  // MARK: numbers

  /// `rcv_nxt` of what the SYN has met.
  private var oldNext: UInt32? { life.oldAck?.acknowledgement ?? life.clientReset ?? life.past?.next }

  /// `ts_recent` of what the SYN has met, or of the sender's address.
  private var recent: UInt32? {
    if let echo = life.oldAck?.tsecr { return echo }
    if case .newer(let stamp, _) = life.remembered { return stamp }
    return life.past?.recent
  }

  /// Ticks by which the SYN's timestamp lies behind what is remembered; less than 0 is ahead, nil without timestamps.
  var ticksBehind: Int? {
    guard let tsval = life.tsval, let recent else { return nil }
    return Int(Int32(bitPattern: recent &- tsval))
  }

  /// Whether its sequence number lies past what was received before; nil where nothing says.
  var isAhead: Bool? { oldNext.map { Modular.after(life.sequence, $0) } }

  /// How far, in bytes.
  var sequenceAhead: Int? { oldNext.map { Int(Int32(bitPattern: life.sequence &- $0)) } }

  /// Seconds between the last packet of what lay before and the first SYN.
  var gap: Double? {
    if let past = life.past { return max(0, Double(life.began - past.time) / 1e9) }
    switch life.remembered {
    case .newer(_, let seconds), .young(let seconds): return Double(seconds)
    case .nothing, .fine: return nil
    }
  }

  /// Whether the SYN itself has timestamps.
  var hasTimestamps: Bool { life.syns == 0 || life.tsval != nil }

  /// What the server has: by what it has answered, or says of itself.
  var serverHasTimestamps: Bool? {
    if life.oldAck?.tsecr != nil || life.hasTimestamps { return true }
    if let past = life.past, past.recent != nil { return true }
    if case .newer = life.remembered { return true }
    if life.oldAck != nil, life.tsval != nil { return false }
    return nil
  }

  /// Whether it came to a connection in the end.
  var isConnected: Bool {
    switch reading.symptom {
    case .oldAck(let connected), .oldAckBehind(let connected): connected
    case .late, .handshakeAckIgnored: true
    default: life.synAcks > 0 && life.isEstablished
    }
  }

  // MARK: who and where

  var isIPv4: Bool { life.client.address.isIPv4 }

  /// Both sides of a translator's, where a capture shows them.
  private var sides:
    (inner: (client: Endpoint, server: Endpoint), outer: (client: Endpoint, server: Endpoint))?
  {
    let own = (client: life.client, server: life.server)
    if let inner = life.inner { return (inner, own) }
    if let outer = life.outer { return (own, outer) }
    return nil
  }

  /// The client itself, where it was seen: on this side of every translator.
  var newcomer: Endpoint? {
    sides?.inner.client ?? (view == .client || (view == .hop && life.inner == nil) ? life.client : nil)
  }

  /// How often the client's clock ticks in a second, by its SYNs: one of what kernels have; nil where nothing says.
  var ticksPerSecond: Int? {
    guard let first = life.tsval, let last = life.newestTsval, life.lastSyn - life.began > 900_000_000 else {
      return nil
    }
    let ticks = Double(Int32(bitPattern: last &- first)) / (Double(life.lastSyn - life.began) / 1e9)
    return [10, 100, 250, 300, 1_000, 1_000_000].first { abs(ticks - Double($0)) < Double($0) / 10 }
  }

  /// The address that the server sees.
  var seen: Endpoint { sides?.outer.client ?? life.client }

  /// The port that a lab's client or NAT can have too.
  var port: Int { seen.port == 0 ? 40_000 : Int(seen.port) }

  /// Whether the clocks of who was there before and of the newcomer are two.
  var clocksDiffer: Bool { ticksBehind.map { $0 > 1_000 || $0 < -1_000 * (Int(gap ?? 0) + 60) } ?? false }

  var way: Way {
    let isDirector = !facts.services.isEmpty
    if let sides {
      let source = sides.inner.client != sides.outer.client
      let destination = sides.inner.server != sides.outer.server
      if source, destination { return .ipvsFullNAT }
      if destination { return .ipvsNAT }
      if source { return isDirector ? .ipvsFullNAT : .snat }
    }
    if isDirector { return facts.translations.isEmpty && !clocksDiffer ? .ipvsNAT : .ipvsFullNAT }
    return clocksDiffer || !facts.translations.isEmpty ? .snat : .direct
  }

  /// Whether the way was seen, and not only guessed by the clocks.
  var wayIsSeen: Bool { sides != nil || !facts.services.isEmpty || !facts.translations.isEmpty }

  /// Of which machine the settings are taken to be.
  var settingsOf: Cure.Role {
    switch view {
    case .client: .client
    case .hop: facts.setting("ip_forward") == "1" ? .hop : .server
    case .server, .between, .unknown: .server
    }
  }

  /// Whether the settings that were brought are that machine's, and have this one.
  func brings(_ setting: String, of role: Cure.Role) -> Bool {
    settingsOf == role && facts.setting(setting) != nil
  }
}
