import Model

/// Reads a text of a known kind; what is not as the kind has it is said with its line.
struct TextReader {
  let file: String
  let lines: [Line]

  private func mistake(_ line: Line, _ cause: String, _ kind: TextKind) -> Failure {
    Failure(
      stage: "diagnose", object: "\(file):\(line.number)", cause: "\(cause): \(line.text.trimmed.prefix(60))",
      mend: "give the whole of what \(kind.rawValue) prints", isUsage: true)
  }

  private func lines(without comment: Character? = "#") -> some Sequence<Line> {
    lines.lazy.filter { line in
      let text = line.text.trimmed
      return !text.isEmpty && (comment == nil || text.first != comment)
    }
  }

  /// sysctl(8): `name = value`. What it could not read it says on a line of its own (`sysctl: permission denied`).
  func settings(_ body: (String, String) -> Void) throws {
    for line in lines() where !line.text.hasPrefix("sysctl:") {
      guard let equals = line.text.firstIndex(of: "=") else { throw mistake(line, "no =", .sysctl) }
      let name = line.text[..<equals].trimmed
      guard !name.isEmpty, !name.contains(" ") else { throw mistake(line, "no name", .sysctl) }
      body(
        String(name).replacing("/", with: "."), String(line.text[line.text.index(after: equals)...].trimmed))
    }
  }

  /// nstat(8): a name, a value, a rate; with its group before the name (`TcpExtPAWSEstab`).
  func nstat() throws -> [String: Int] {
    var counters: [String: Int] = [:]
    for line in lines() {
      let words = line.text.words
      guard words.count >= 2, let value = Int(words[1]) else {
        throw mistake(line, "no name and number", .nstat)
      }
      counters[Self.grouped(words[0])] = value
    }
    return counters
  }

  private static let groups = [
    "TcpExt", "IpExt", "MPTcpExt", "UdpLite6", "UdpLite", "Icmp6", "IcmpMsg", "Icmp", "Udp6", "Udp", "Tcp",
    "Ip6", "Ip",
  ]

  private static func grouped(_ name: Substring) -> String {
    guard let group = groups.first(where: { name.hasPrefix($0) && name.count > $0.count }) else {
      return String(name)
    }
    return "\(group).\(name.dropFirst(group.count))"
  }

  /// /proc/net/netstat and /proc/net/snmp: a line of names, a line of numbers.
  func procNet() throws -> [String: Int] {
    var counters: [String: Int] = [:]
    var names: [Substring]?
    for line in lines() {
      let words = line.text.words
      guard let group = words.first, group.hasSuffix(":") else { throw mistake(line, "no group", .procNet) }
      guard let header = names else {
        names = words
        continue
      }
      guard header.first == group, header.count == words.count else {
        throw mistake(line, "not the numbers of the line above", .procNet)
      }
      for (name, word) in zip(header, words).dropFirst() {
        guard let value = Int(word) else { throw mistake(line, "\(name) has no number", .procNet) }
        counters["\(group.dropLast()).\(name)"] = value
      }
      names = nil
    }
    return counters
  }

  /// netstat -s: groups, and below each sentences with a number, of which those that matter here are known.
  func netstat() throws -> [String: Int] {
    var counters: [String: Int] = [:]
    var group = ""
    for line in lines(without: nil) {
      let text = line.text.trimmed
      guard line.text.isIndented else {
        guard text.hasSuffix(":") else { throw mistake(line, "neither a group nor below one", .netstat) }
        group = String(text.dropLast())
        continue
      }
      // `Quick ack mode was activated 5 times`, `TCPChallengeACK: 5`, `ICMP input histogram:`, `Forwarding: 1`
      guard let number = text.words.lazy.compactMap({ Int($0) }).first else {
        guard text.hasSuffix(":") else { throw mistake(line, "no number", .netstat) }
        continue
      }
      if let colon = text.firstIndex(of: ":"), !text[..<colon].contains(" ") {
        counters["\(group).\(text[..<colon])"] = number
      } else if let name = Self.sentences[text.words.filter { Int($0) == nil }.joined(separator: " ")] {
        counters[name] = number
      }
    }
    // A counter that is 0 is not printed, but for the older ones.
    if counters.keys.contains(where: { $0.hasPrefix("TcpExt.") }) {
      for name in Self.sentences.values where name.hasPrefix("TcpExt.") && counters[name] == nil {
        counters[name] = 0
      }
    }
    return counters
  }

  /// statistics.c of net-tools, of several years.
  private static let sentences: [String: String] = [
    "passive connections rejected because of time stamp": "TcpExt.PAWSPassive",
    "active connections rejected because of time stamp": "TcpExt.PAWSActive",
    "packets rejects in established connections because of timestamp": "TcpExt.PAWSEstab",
    "packets rejected in established connections because of timestamp": "TcpExt.PAWSEstab",
    "TCP sockets finished time wait in fast timer": "TcpExt.TW",
    "time wait sockets recycled by time stamp": "TcpExt.TWRecycled",
    "TCP sockets finished time wait in slow timer": "TcpExt.TWKilled",
    "times the listen queue of a socket overflowed": "TcpExt.ListenOverflows",
    "SYNs to LISTEN sockets ignored": "TcpExt.ListenDrops",
    "SYNs to LISTEN sockets dropped": "TcpExt.ListenDrops",
    "SYN cookies sent": "TcpExt.SyncookiesSent",
    "SYN cookies received": "TcpExt.SyncookiesRecv",
    "resets received for embryonic SYN_RECV sockets": "TcpExt.EmbryonicRsts",
    "connection resets received": "Tcp.EstabResets", "resets sent": "Tcp.OutRsts",
    "failed connection attempts": "Tcp.AttemptFails", "segments retransmitted": "Tcp.RetransSegs",
    "segments retransmited": "Tcp.RetransSegs",
  ]

  /// conntrack(8) -S: a line for each processor.
  func conntrack() throws -> [String: Int] {
    var counters: [String: Int] = [:]
    for line in lines() {
      for word in line.text.words {
        let pair = word.split(separator: "=", omittingEmptySubsequences: false)
        guard pair.count == 2, let value = Int(pair[1]) else {
          throw mistake(line, "\(word) is no name=number", .conntrack)
        }
        // As a counter does, it wraps.
        if pair[0] != "cpu" { counters[String(pair[0]), default: 0] &+= value }
      }
    }
    return counters
  }

  /// iptables-save(8).
  func iptables(_ body: (String) -> Void) throws {
    var table: Substring?
    for line in lines() {
      var text = line.text.trimmed
      // -c: [packets:bytes] before the rule.
      if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
        text = text[text.index(after: end)...].trimmed
      }
      switch text.first {
      case "*": table = text
      case ":" where table != nil:
        if text.words.dropFirst().first == "DROP" { body("policy \(text.dropFirst())") }
      case "-" where text.hasPrefix("-A ") && table != nil: body(String(text.withoutComment))
      case "C" where text == "COMMIT" && table != nil: table = nil
      default:
        throw mistake(line, table == nil ? "outside of a table" : "neither a chain nor a rule", .iptables)
      }
    }
    if let table, let last = lines.last {
      throw mistake(Line(number: last.number, text: table), "no COMMIT of", .iptables)
    }
  }

  /// iptables(8) -nvL: the policies that drop, and the rules as iptables-save has them.
  func listed(_ body: (String) -> Void) throws {
    do throws(ListedRules.Spoilt) {
      let listed = try ListedRules(lines)
      for rule in listed.policies + listed.rules { body(rule.text) }
    } catch { throw mistake(error.line, error.cause, .listed) }
  }

  /// nft(8): tables, chains, rules; as deep as its braces are.
  func nft(_ body: (String) -> Void) throws {
    var depth = 0
    for line in lines().lazy.map(\.withoutHandle) {
      let text = line.text.trimmed
      var isQuoted = false
      for character in text {
        if character == "\"" { isQuoted.toggle() }
        guard !isQuoted else { continue }
        if character == "{" { depth += 1 }
        if character == "}" { depth -= 1 }
        guard depth >= 0 else { throw mistake(line, "a brace closes what none has opened", .nft) }
      }
      guard depth > 0 || text.hasSuffix("}") else { throw mistake(line, "outside of a table", .nft) }
      if depth == 2, !text.hasSuffix("{"), !text.hasPrefix("type "), text != "}" {
        body(String(text.withoutComment))
      }
      if text.hasPrefix("type "), text.contains("policy drop") { body("policy DROP: \(text)") }
    }
    if depth != 0, let last = lines.last {
      throw mistake(last, "\(depth) braces are open at the end", .nft)
    }
  }

  /// ipvsadm(8) -Sn: `-A -t VIP:PORT -s wlc`, `-a -t VIP:PORT -r SERVER:PORT -m -w 1`.
  func ipvsadm(_ body: (String, String?, Int) -> Void) throws {
    for line in lines() {
      let words = line.text.words
      func value(_ option: Substring) -> String? {
        words.firstIndex(of: option).flatMap { words.indices.contains($0 + 1) ? String(words[$0 + 1]) : nil }
      }
      guard let service = value("-t") ?? value("-u") ?? value("-f") else {
        throw mistake(line, "no service", .ipvsadm)
      }
      switch words.first {
      case "-A": body(service, nil, 0)
      case "-a":
        guard let server = value("-r") else { throw mistake(line, "no real server", .ipvsadm) }
        guard let weight = Int(value("-w") ?? "1"), weight >= 0 else {
          throw mistake(line, "no weight", .ipvsadm)
        }
        body(service, server, weight)
      default: throw mistake(line, "neither -A nor -a", .ipvsadm)
      }
    }
  }

  /// ss(8) -tan.
  func sockets(_ body: (SocketLine) -> Void) throws {
    for line in lines() where !line.text.hasPrefix("State") && !line.text.hasPrefix("Netid") {
      var words = line.text.words
      if words.first == "tcp" { words.removeFirst() }
      guard words.count >= 5, SocketLine.states.contains(words[0]), let received = Int(words[1]),
        let sent = Int(words[2])
      else { throw mistake(line, "no state, two queues and two ends", .sockets) }
      body(
        SocketLine(
          state: String(words[0]), receiveQueue: received, sendQueue: sent, local: String(words[3]),
          peer: String(words[4]), timeWait: words.dropFirst(5).lazy.compactMap(SocketLine.timeWait).first))
    }
  }

  /// `Linux version 4.9.115 (...)`, `Linux host 4.9.115 #1 SMP ...`
  func kernel() -> String? {
    lines.lazy.flatMap(\.text.words).first { word in
      word.first?.isNumber == true && word.contains(".") && word.split(separator: ".").count >= 2
    }.map(String.init)
  }
}

/// A line of `ss -tan`.
struct SocketLine {
  var state: String
  var receiveQueue: Int
  var sendQueue: Int
  var local: String
  var peer: String
  /// Seconds that a TIME_WAIT has left; nil without `-o`.
  var timeWait: Int?

  /// Whole seconds, upwards, of `timer:(timewait,59sec,0)`, `1min`, `9.120ms` of nine seconds, `920ms` of less than one
  /// (ss(8)'s print_ms_timer).
  static func timeWait(_ word: Substring) -> Int? {
    guard word.hasPrefix("timer:(timewait,") else { return nil }
    var rest = word.dropFirst("timer:(timewait,".count).prefix { $0 != "," && $0 != ")" }
    var seconds = 0
    if let minutes = rest.firstRange(of: "min") {
      guard let count = Int(rest[..<minutes.lowerBound]), (0..<1_000).contains(count) else { return nil }
      seconds = count * 60
      rest = rest[minutes.upperBound...]
      if rest.isEmpty { return seconds }
    }
    if rest.hasSuffix("sec") {
      return Int(rest.dropLast(3)).flatMap { (0..<60).contains($0) ? seconds + $0 : nil }
    }
    guard rest.hasSuffix("ms") else { return nil }
    let parts = rest.dropLast(2).split(separator: ".").map { Int($0) }
    switch (parts.count, parts.first ?? nil) {
    case (1, .some): return seconds + 1
    case (2, let own?) where (0..<60).contains(own): return seconds + own + 1
    default: return nil
    }
  }

  static let states: Set<Substring> = [
    "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK",
    "LISTEN",
    "CLOSING", "UNCONN",
  ]
}
