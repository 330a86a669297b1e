import Model

/// The files of an audit: texts of running machines, and files that would set something.
public struct AuditInput: Sendable {
  /// What a file was taken for.
  public struct File: Sendable, Codable {
    public var name: String
    /// `sysctl -a`, `settings`; `unknown`.
    public var kind: String
  }

  public private(set) var files: [File] = []
  /// What was told of the machine itself, by files or live.
  var machine = AuditFacts()
  /// Files that set something: each by itself, but those of one folder of sysctl(8)'s together.
  private(set) var parts: [(name: String, said: [(AuditSettings.Said, file: String)])] = []
  /// What was looked for and could not be read, and what was not told therefore.
  public private(set) var notTold: [String] = []

  /// - Parameter kernel: the kernel's release, `6.1.176` or `3.10.0-1160.el7`, where no file says it.
  public init(kernel: String? = nil) { machine.read.kernel = kernel }

  /// Whether nothing was of a kind that is known.
  public var isEmpty: Bool { files.allSatisfy { $0.kind == Self.unknown } }

  /// The machine's kernel; nil where nothing says it.
  public var kernel: String? { machine.read.kernel }

  private static let unknown = "unknown"

  /// Something could not be read.
  public mutating func cannotTell(_ what: String) { notTold.append(what) }

  /// Takes in a text.
  ///
  /// - Parameter isFound: whether it was found in a folder, so that one that says nothing is not worth a word.
  /// - Throws: `Failure` with file and line of what is not as its kind has it.
  public mutating func add(text: String, file: String, isFound: Bool = false) throws {
    let lines = Line.all(of: text)
    if let table = ProcTable(lines) {
      files.append(File(name: file, kind: table.kind))
      return table.add(to: &machine)
    }
    if let kind = TextKind.recognise(lines), kind != .sysctl || Self.isRunning(lines, file: file) {
      try add(kind, lines, file: file)
      files.append(File(name: file, kind: kind.rawValue))
      return
    }
    let said = AuditSettings.read(lines)
    guard !said.isEmpty else {
      if !isFound { files.append(File(name: file, kind: Self.isSettings(file) ? "settings" : Self.unknown)) }
      return
    }
    files.append(File(name: file, kind: "settings"))
    let group = Self.group(of: file)
    let own = said.map { ($0, file: file) }
    if let index = parts.firstIndex(where: { $0.name == group }) {
      parts[index].said += own
    } else {
      parts.append((group, own))
    }
  }

  /// `sysctl -a` says all that there is, a file of settings some of it.
  private static func isRunning(_ lines: [Line], file: String) -> Bool {
    guard !isSettings(file) else { return false }
    return lines.count { $0.text.hasPrefix("net.") } > 60
  }

  private static func isSettings(_ file: String) -> Bool {
    file.hasSuffix(".conf") || file.contains("sysctl.d/")
  }

  /// sysctl(8) reads `/etc/sysctl.conf` and the folders `sysctl.d` as one.
  private static func group(of file: String) -> String {
    for end in ["sysctl.d/", "sysctl.conf"] {
      if let range = file.ranges(of: end).last, end != "sysctl.conf" || range.upperBound == file.endIndex {
        return String(file[..<range.lowerBound]) + "sysctl.d"
      }
    }
    return file
  }

  private mutating func add(_ kind: TextKind, _ lines: [Line], file: String) throws {
    switch kind {
    case .sysctl:
      machine.isRunning = true
      for line in lines {
        guard let equals = line.text.firstIndex(of: "=") else { continue }
        let name = String(line.text[..<equals].trimmed).replacing("/", with: ".")
        machine.settings[name] = AuditFacts.Value(
          text: String(line.text[line.text.index(after: equals)...].trimmed),
          place: AuditPlace(file: file, line: line.number))
      }
      machine.notice()
    case .iptables, .nft:
      try machine.read.add(kind, lines, file: file)
      machine.add(rules: lines, file: file)
    case .listed:
      try machine.read.add(kind, lines, file: file)
      let listed = try? ListedRules(lines)
      machine.hasRules = true
      machine.rules += (listed?.rules ?? []).map {
        AuditFacts.Rule(
          text: $0.text, place: AuditPlace(file: file, line: $0.line), packets: $0.packets)
      }
    case .sockets:
      try machine.read.add(kind, lines, file: file)
      try TextReader(file: file, lines: lines).sockets { socket in
        machine.add(
          AuditFacts.Socket(
            state: socket.state, local: socket.local, peer: socket.peer, left: socket.timeWait))
      }
    default: try machine.read.add(kind, lines, file: file)
    }
  }

  /// Takes in a live setting.
  public mutating func add(setting name: String, value: String, place: String) {
    machine.settings[name] = AuditFacts.Value(text: value, place: AuditPlace(file: place))
  }

  /// All of a running machine's settings that there are have been added.
  public mutating func endOfSettings() {
    machine.isRunning = true
    machine.notice()
  }

  /// Takes in counters by their names with a group, `TcpExt.PAWSEstab`, `conntrack.drop`; those at 0 too.
  ///
  /// - Parameter isDifference: whether they are what was counted between two readings.
  public mutating func add(counters: [String: Int], isDifference: Bool = false) {
    machine.read.counters.merge(counters) { $1 }
    if isDifference { machine.read.isDifference = true }
  }

  /// Takes an earlier reading of this machine's counters, so that what counts is what was counted since.
  ///
  /// - Throws: `Failure` where it is no table of counters, or spoilt.
  public mutating func since(text: String, file: String) throws {
    let lines = Line.all(of: text)
    guard let kind = TextKind.recognise(lines), [.procNet, .nstat, .netstat].contains(kind) else {
      throw Failure(
        stage: "audit", object: file, cause: "no table of counters",
        mend: "give what cat /proc/net/netstat /proc/net/snmp, nstat -az or netstat -s printed before",
        isUsage: true)
    }
    var before = Facts()
    try before.add(kind, lines, file: file)
    let shared = before.counters.filter { machine.read.counters[$0.key] != nil }
    guard shared.allSatisfy({ machine.read.counters[$0.key] ?? 0 >= $0.value }) else {
      return cannotTell("what was counted since \(file): a counter has gone down, so the machine began anew")
    }
    for (name, value) in shared { machine.read.counters[name]? &-= value }
    machine.read.isDifference = machine.read.isDifference || !shared.isEmpty
  }

  /// Takes in sockets by their ends, `198.19.0.2:8000`, in `ss`'s words, and the seconds that a TIME_WAIT has left.
  public mutating func add(sockets: [(state: String, local: String, peer: String, left: Int?)]) {
    for socket in sockets {
      machine.add(
        AuditFacts.Socket(state: socket.state, local: socket.local, peer: socket.peer, left: socket.left))
    }
  }

  /// Takes in a director's connections: their state as ipvsadm has it, and the ends as `ipvsadm -Sn` writes them.
  public mutating func add(directed: [(state: String, service: String, server: String)]) {
    machine.directed += directed.map {
      AuditFacts.Directed(state: $0.state, service: $0.service, server: $0.server)
    }
  }

  /// How many interfaces there are but the loopback one.
  public mutating func add(interfaces: Int) { machine.interfaces = interfaces }

  /// The machine has no rules, or all of them have been added.
  public mutating func endOfRules() { machine.hasRules = true }

  /// What each part makes of the machine, and the machine itself if anything is known of it.
  var all: [(name: String?, facts: AuditFacts)] {
    var found: [(name: String?, facts: AuditFacts)] = []
    if machine.isRunning || machine.hasRules || !machine.read.isEmptyButKernel || !machine.settings.isEmpty {
      found.append((nil, machine))
    }
    for part in parts {
      // Counters and rules are the machine's, and told once; a file's settings are asked about as if they were set.
      var facts = AuditFacts()
      facts.settings = machine.settings
      facts.read.kernel = machine.read.kernel
      facts.interfaces = machine.interfaces
      if machine.hasRules {
        (facts.hasRules, facts.rules) = (true, machine.rules.filter { !$0.words.isEmpty })
      }
      let base = facts
      // What the running kernel does not have cannot be set there.
      let all = part.said.filter { said, _ in
        !machine.isRunning || !said.name.hasPrefix("net.ipv4.tcp_") || machine.settings[said.name] != nil
      }
      for (said, file) in all { facts.set(said, file: file) }
      found.append((part.name, facts))
      // What stands twice, in two branches of a role or two stages of an image, is asked about each time.
      guard !part.name.hasSuffix("sysctl.d") else { continue }
      for (said, file) in all.prefix(256) where facts.settings[said.name]?.place.line != said.line {
        var other = base
        for (each, file) in all where each.name != said.name { other.set(each, file: file) }
        other.set(said, file: file)
        found.append((part.name, other))
      }
    }
    return found
  }
}

extension AuditFacts {
  fileprivate mutating func set(_ said: AuditSettings.Said, file: String) {
    settings[said.name] = Value(text: said.value, place: AuditPlace(file: file, line: said.line))
  }

  /// What settings say besides.
  mutating func notice() {
    let names = settings.keys.filter {
      $0.hasPrefix("net.ipv4.conf.") && $0.hasSuffix(".rp_filter") && !$0.contains(".lo.")
        && !$0.contains(".all.") && !$0.contains(".default.")
    }
    if interfaces == nil, !names.isEmpty { interfaces = names.count }
    conntrackEntries = conntrackEntries ?? settings["net.netfilter.nf_conntrack_count"]?.number
  }

  /// Sockets that are told one by one, at the most.
  private static let mostSockets = 1 << 20

  mutating func add(_ socket: Socket) {
    if sockets.count < Self.mostSockets { sockets.append(socket) }
  }

  /// Rules as they were written, each with its line.
  mutating func add(rules lines: [Line], file: String) {
    hasRules = true
    for line in lines.lazy.map(\.withoutHandle) {
      var text = line.text.trimmed
      var packets: Int?
      // iptables-save -c: [packets:bytes]
      if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
        packets = text[..<end].dropFirst().split(separator: ":").first.flatMap { Int($0) }
        text = text[text.index(after: end)...].trimmed
      }
      // nft: counter packets 3 bytes 180
      if let count = text.firstRange(of: "counter packets ") {
        packets = Int(text[count.upperBound...].prefix { $0.isASCII && $0.isNumber })
      }
      guard !text.isEmpty, !["*", ":", "#"].contains(text.prefix(1)), text != "COMMIT", text != "}",
        !text.hasSuffix("{"), !text.hasPrefix("type ")
      else { continue }
      rules.append(
        Rule(
          text: String(text.withoutComment), place: AuditPlace(file: file, line: line.number),
          packets: packets))
    }
  }
}

extension Facts {
  /// Whether nothing but perhaps the kernel is known.
  var isEmptyButKernel: Bool {
    var facts = self
    facts.kernel = nil
    return facts.isEmpty
  }
}

/// Tables of /proc that `diagnose` has no use for.
enum ProcTable {
  case ipvs([(service: String, server: String?, weight: Int)])
  case directed([AuditFacts.Directed])
  case open([AuditFacts.Socket])
  case conntrack([String: Int])
  case sockets(timeWait: Int)

  var kind: String {
    switch self {
    case .ipvs: "/proc/net/ip_vs"
    case .directed: "/proc/net/ip_vs_conn"
    case .open: "/proc/net/tcp"
    case .conntrack: "/proc/net/stat/nf_conntrack"
    case .sockets: "/proc/net/sockstat"
    }
  }

  init?(_ lines: [Line]) {
    guard let first = lines.first?.text else { return nil }
    if first.hasPrefix("IP Virtual Server version") {
      // --rate, --stats and others have other numbers in its place.
      guard lines.prefix(3).contains(where: { $0.text.contains("Forward Weight") }) else { return nil }
      self = .ipvs(Self.services(lines))
    } else if first.hasPrefix("Pro FromIP") || first.hasPrefix("IPVS connection entries") {
      self = .directed(Self.directed(lines))
    } else if first.contains(" local_address "), !first.contains("drops"),
      first.contains(" rem_address ") || first.contains(" remote_address ")
    {
      // Those of UDP count drops.
      self = .open(Self.open(lines))
    } else if first.hasPrefix("entries "), first.contains("insert_failed") {
      // Hexadecimal, a line for each processor (ct_cpu_seq_show).
      let names = first.words
      var sums: [String: Int] = [:]
      for line in lines.dropFirst() {
        for (name, word) in zip(names, line.text.words).dropFirst() {
          sums[String(name), default: 0] &+= Int(word, radix: 16) ?? 0
        }
      }
      self = .conntrack(sums)
    } else if first.hasPrefix("sockets: used ") {
      let words = lines.first { $0.text.hasPrefix("TCP: ") }?.text.words ?? []
      let index = words.firstIndex(of: "tw").map { $0 + 1 }
      self = .sockets(timeWait: index.flatMap { words.indices.contains($0) ? Int(words[$0]) : nil } ?? 0)
    } else if first.hasPrefix("Total: "), let line = lines.first(where: { $0.text.contains("timewait ") }) {
      // ss -s: `TCP:   12 (estab 3, closed 4, orphaned 0, timewait 2)`
      let words = line.text.split { " ,()/".contains($0) }
      let index = words.firstIndex(of: "timewait").map { $0 + 1 }
      self = .sockets(timeWait: index.flatMap { words.indices.contains($0) ? Int(words[$0]) : nil } ?? 0)
    } else {
      return nil
    }
  }

  /// `TCP  C6120001:1F40 rr` and `  -> C6130002:1F40      Masq    1      0          0` (ip_vs_info_seq_show).
  private static func services(_ lines: [Line]) -> [(service: String, server: String?, weight: Int)] {
    var all: [(service: String, server: String?, weight: Int)] = []
    var service: String?
    for line in lines {
      let words = line.text.words
      if words.first == "->", words.count >= 4, let own = service, let weight = Int(words[3]) {
        all.append((own, String(words[1]), weight))
      } else if ["TCP", "UDP", "SCTP", "FWM"].contains(words.first ?? ""), words.count >= 2 {
        service = "\(words[0]) \(words[1])"
        all.append(("\(words[0]) \(words[1])", nil, 0))
      }
    }
    return all
  }

  /// `TCP C6120002 9C40 C613FF01 1F40 C6130002 1F40 TIME_WAIT  119` (ip_vs_conn_seq_show), and ipvsadm -Lnc's
  /// `TCP 01:59  TIME_WAIT   198.18.0.2:40000   198.19.255.1:8000  198.19.0.2:8000`.
  private static func directed(_ lines: [Line]) -> [AuditFacts.Directed] {
    lines.dropFirst().compactMap { line in
      let words = line.text.words
      guard let proto = words.first, ["TCP", "UDP", "SCTP"].contains(proto) else { return nil }
      if words.count == 6, words[1].contains(":") {
        guard !words[3].hasSuffix(":0") else { return nil }
        return AuditFacts.Directed(
          state: String(words[2]), service: "\(proto) \(words[4])", server: String(words[5]))
      }
      guard words.count >= 9, words[2] != "0000" else { return nil }
      func end(_ address: Substring, _ port: Substring) -> String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
      }
      return AuditFacts.Directed(
        state: String(words[7]), service: "\(proto) \(end(words[3], words[4]))",
        server: end(words[5], words[6]))
    }
  }

  /// /proc/net/tcp's states, in `ss`'s words (tcp_states.h).
  private static let states = [
    "01": "ESTAB", "02": "SYN-SENT", "03": "SYN-RECV", "04": "FIN-WAIT-1", "05": "FIN-WAIT-2",
    "06": "TIME-WAIT", "08": "CLOSE-WAIT", "09": "LAST-ACK", "0A": "LISTEN", "0B": "CLOSING",
  ]

  /// `0: 0200120A:9C40 010013C6:1F40 06 00000000:00000000 03:00000F00 ...`: addresses as they are, for only which are one
  /// matters; ports in decimal. Timer 3 is TIME_WAIT's, in hundredths of a second (get_timewait4_sock, USER_HZ).
  private static func open(_ lines: [Line]) -> [AuditFacts.Socket] {
    lines.dropFirst().compactMap { line in
      let words = line.text.words
      func end(_ word: Substring) -> String? {
        let parts = word.split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1], radix: 16) else { return nil }
        return "\(parts[0]):\(port)"
      }
      guard words.count > 3, let local = end(words[1]), let peer = end(words[2]),
        let state = states[String(words[3])]
      else { return nil }
      let timer = words.count > 5 ? words[5].split(separator: ":") : []
      let left =
        timer.count == 2 && timer[0] == "03" ? Int(timer[1], radix: 16).map { ($0 &+ 99) / 100 } : nil
      return AuditFacts.Socket(
        state: state, local: local, peer: peer, left: state == "TIME-WAIT" ? left : nil)
    }
  }

  func add(to facts: inout AuditFacts) {
    switch self {
    case .directed(let all): facts.directed += all.prefix(1 << 20)
    case .open(let all): for socket in all { facts.add(socket) }
    case .ipvs(let all):
      for entry in all {
        facts.read.services[entry.service, default: []] += entry.server.map { [($0, entry.weight)] } ?? []
      }
    case .conntrack(let counters): facts.read.conntrack.merge(counters) { $1 }
    case .sockets(let count): facts.timeWait = count
    }
  }
}
