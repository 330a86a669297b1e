import Model

/// What the texts say: settings, counters, rules, tables. Of whatever machine they are.
struct Facts {
  /// By sysctl's name, `net.ipv4.tcp_tw_recycle`.
  var settings: [String: String] = [:]
  /// By nstat's name with its group, `TcpExt.PAWSPassive`; of two texts of a kind the second less the first.
  var counters: [String: Int] = [:]
  /// Whether the counters are what was counted in between, and not since the machine began.
  var isDifference = false
  /// By `conntrack -S`'s names, summed over the processors.
  var conntrack: [String: Int] = [:]
  var hasRules = false
  /// Rules that throw something away: as they were written.
  var drops: [String] = []
  /// Rules that drop what conntrack calls INVALID.
  var dropsInvalid: [String] = []
  /// Rules that give a source another address.
  var translations: [String] = []
  /// The narrowest range of ports that one of them gives; nil where none says.
  var portRange: ClosedRange<Int>?
  /// Virtual services and their real servers' weights.
  var services: [String: [(server: String, weight: Int)]] = [:]
  var socketStates: [String: Int] = [:]
  /// Listeners whose queue is full: as `ss` printed them.
  var fullQueues: [String] = []
  /// `4.9.115`
  var kernel: String?

  /// Whether anything was brought but captures.
  var isEmpty: Bool {
    settings.isEmpty && counters.isEmpty && conntrack.isEmpty && !hasRules && services.isEmpty
      && socketStates.isEmpty && kernel == nil
  }

  /// A setting of TCP or IP by its last part: `tcp_tw_recycle`, `nf_conntrack_max`.
  func setting(_ name: String) -> String? {
    for prefix in ["net.ipv4.", "net.netfilter.", "net.core.", "net.ipv4.vs.", "net."] {
      if let value = settings[prefix + name] { return value }
    }
    return nil
  }

  /// Of TcpExt, unless another group is named; nil where no text has it, which a kernel that lacks it does not.
  func counter(_ name: String) -> Int? { counters[name.contains(".") ? name : "TcpExt.\(name)"] }

  /// Whether a whole table of counters was brought: what it lacks this kernel has not.
  var hasExtended: Bool { counters.keys.contains { $0.hasPrefix("TcpExt.") } }

  /// Major and minor release.
  var release: (Int, Int)? {
    guard let parts = kernel?.split(separator: ".").prefix(2).map({ Int($0.prefix(while: \.isNumber)) }),
      parts.count == 2, let major = parts[0], let minor = parts[1]
    else { return nil }
    return (major, minor)
  }

  func isBefore(_ major: Int, _ minor: Int) -> Bool? {
    release.map { $0.0 < major || ($0.0 == major && $0.1 < minor) }
  }

  // MARK: reading

  mutating func add(_ kind: TextKind, _ lines: [Line], file: String) throws {
    let reader = TextReader(file: file, lines: lines)
    switch kind {
    case .sysctl: try reader.settings { settings[$0] = $1 }
    case .netstat: add(counters: try reader.netstat(), kind)
    case .nstat: add(counters: try reader.nstat(), kind)
    case .procNet: add(counters: try reader.procNet(), kind)
    case .iptables:
      hasRules = true
      try reader.iptables { rule($0) }
    case .listed:
      hasRules = true
      try reader.listed { rule($0) }
    case .nft:
      hasRules = true
      try reader.nft { rule($0) }
    case .ipvsadm:
      try reader.ipvsadm { service, server, weight in
        services[service, default: []] += server.map { [($0, weight)] } ?? []
      }
    case .conntrack: for (name, value) in try reader.conntrack() { conntrack[name] = value }
    case .sockets:
      try reader.sockets { socket in
        socketStates[socket.state, default: 0] += 1
        // In LISTEN Recv-Q is how many wait to be accepted, Send-Q how many may (tcp_diag_get_info); one more is let in.
        if socket.state == "LISTEN", socket.sendQueue > 0, socket.receiveQueue > socket.sendQueue {
          fullQueues.append("\(socket.local) (\(socket.receiveQueue) of \(socket.sendQueue))")
        }
      }
    case .kernel: kernel = reader.kernel() ?? kernel
    }
  }

  /// Two tables of one kind are one before and one after; two of different kinds are the same numbers twice. Where one
  /// has gone down the machine has begun anew in between.
  private mutating func add(counters new: [String: Int], _ kind: TextKind) {
    let old = read[kind] ?? [:]
    // netstat and snmp are two files of one kind.
    read[kind, default: [:]].merge(new) { $1 }
    guard new.keys.contains(where: { old[$0] != nil }), new.allSatisfy({ $1 >= old[$0] ?? 0 }) else {
      return counters.merge(new) { $1 }
    }
    isDifference = true
    for (name, value) in new { counters[name] = value &- (old[name] ?? 0) }
  }
  private var read: [TextKind: [String: Int]] = [:]

  /// A rule of iptables or nft, as it was written.
  private mutating func rule(_ text: String) {
    let words = Substring(text).words.map(String.init)
    let lower = text.lowercased()
    let drops = words.contains { ["DROP", "REJECT", "drop", "reject"].contains($0) }
    if drops, lower.contains("invalid") {
      dropsInvalid.append(text)
    } else if drops {
      self.drops.append(text)
    }
    if words.contains(where: { ["SNAT", "MASQUERADE", "snat", "masquerade"].contains($0) }) {
      translations.append(text)
      for word in words {
        let tail = word.split(separator: ":").last.map(String.init) ?? word
        let ends = tail.split(separator: "-").compactMap { Int($0) }
        guard ends.count == 2, ends[0] > 0, ends[0] <= ends[1], ends[1] < 65_536 else { continue }
        if portRange.map({ ends[1] - ends[0] < $0.count - 1 }) ?? true { portRange = ends[0]...ends[1] }
      }
    }
  }
}
