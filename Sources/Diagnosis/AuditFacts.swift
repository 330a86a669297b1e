import Model

/// Where something is told: a file and a line of it, or a live name such as `/proc/sys/net/ipv4/tcp_rfc1337`.
public struct AuditPlace: Sendable, Codable, Hashable, CustomStringConvertible {
  public var file: String
  /// From 1; nil where the file has no lines that matter.
  public var line: Int?

  public init(file: String, line: Int? = nil) {
    self.file = file
    self.line = line
  }

  public var description: String { line.map { "\(file):\($0)" } ?? file }
}

/// What is known of one machine, or of what a file would make of one: settings, counters, rules, tables.
struct AuditFacts: Sendable {
  /// A value as it was written.
  struct Value: Sendable, Equatable {
    var text: String
    var place: AuditPlace

    var number: Int? { Int(text) }
  }

  struct Rule: Sendable, Equatable {
    var text: String
    var place: AuditPlace
    /// How many packets it has met; nil where nothing told it.
    var packets: Int?
  }

  /// A socket as `ss -tan` has it.
  struct Socket: Sendable, Equatable {
    var state: String
    var local: String
    var peer: String
    /// Seconds that a TIME_WAIT has left; nil where nothing told it.
    var left: Int?
  }

  /// A connection of a director's, as `ipvsadm -Lnc` has it; the service as ``Facts/services`` calls it.
  struct Directed: Sendable, Equatable {
    var state: String
    var service: String
    var server: String
  }

  /// By sysctl's name; the last one that was read.
  var settings: [String: Value] = [:]
  /// Whether the settings are all that a running kernel has: what is not there does not exist.
  var isRunning = false
  /// Counters, tables, the kernel.
  var read = Facts()
  var rules: [Rule] = []
  /// Whether the rules are known, even if there are none.
  var hasRules = false
  /// Interfaces but the loopback one; nil where not known.
  var interfaces: Int?
  /// TIME_WAIT sockets, conntrack's entries: how many there are now.
  var timeWait: Int?
  var conntrackEntries: Int?
  /// Its sockets one by one, as many as were told.
  var sockets: [Socket] = []
  /// A director's connections; templates of persistent services are none.
  var directed: [Directed] = []

  /// A setting of TCP, IP, IPVS or conntrack by the lab's name: `tcp_rfc1337`, `vs.conn_reuse_mode`, `somaxconn`.
  func value(_ name: String) -> Value? {
    settings[Self.sysctl(name)]
  }

  /// Its number; what the kernel has by itself where nobody says, and nil where it has none.
  func number(_ name: String, default number: Int? = nil) -> Int? {
    if let value = value(name) { return value.number }
    return isRunning ? nil : number
  }

  /// `net.ipv4.tcp_rfc1337` for `tcp_rfc1337`.
  static func sysctl(_ name: String) -> String {
    Setting.named(name).map { $0.path.replacing("/", with: ".") } ?? name
  }

  /// Whether both ends may have timestamps, as far as this end has a say; on by default.
  var hasTimestamps: Bool { number("tcp_timestamps", default: 1) ?? 1 != 0 }

  // MARK: rules

  /// Rules that give a source another address.
  var translations: [Rule] {
    rules.filter { rule in
      rule.words.contains { ["SNAT", "MASQUERADE", "snat", "masquerade"].contains($0) }
    }
  }

  /// Whether this machine is known to translate no source.
  var translatesNobody: Bool { hasRules && translations.isEmpty }

  /// Rules that drop what conntrack calls INVALID, unless they are about what a proxy has not tracked.
  var dropsInvalid: [Rule] {
    rules.filter { $0.drops && $0.text.lowercased().contains("invalid") }
  }
}

extension AuditFacts.Rule {
  var words: [String] { Substring(text).words.map(String.init) }

  /// Whether it throws a packet away without an answer.
  var drops: Bool { words.contains("DROP") || words.contains("drop") }

  /// How many ports of one address it gives; nil where it leaves that to the kernel.
  var ports: Int? {
    // --to-source 198.19.0.1:40000-40003, --to-ports 40000-40000, snat to 198.19.0.1:40000-40003
    let words = words
    guard
      let start = words.firstIndex(where: {
        ["--to-source", "--to-ports", "to", "--to", ":"].contains($0) || $0.hasPrefix(":")
      })
    else { return nil }
    for word in words[start...].prefix(4) {
      guard let tail = word.split(separator: ":", omittingEmptySubsequences: false).last else { continue }
      let isPort = word.contains(":") || words[start] == "--to-ports" || words[start] == ":"
      let ends = tail.split(separator: "-").map { Int($0) }
      guard isPort, let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first > 0,
        first <= last, last < 65_536, tail.allSatisfy({ $0.isNumber || $0 == "-" })
      else { continue }
      return last - first + 1
    }
    return nil
  }

  /// Whether it drops segments with these flags, and asks for no state besides.
  func drops(flags: String) -> Bool { drops && isAbout(flags: flags) }

  /// Whether it asks for segments with these flags, and for no state besides.
  func isAbout(flags: String) -> Bool {
    guard !text.contains("NEW"), !text.contains("ct state") else { return false }
    let words = words
    if let index = words.firstIndex(of: "--tcp-flags"), words.indices.contains(index + 2) {
      return words[index + 2] == flags
    }
    // tcp flags & (syn | ack) == syn | ack drop; tcp flags rst drop; tcp flags rst / rst drop
    guard let range = text.firstRange(of: "tcp flags ") else { return false }
    let tail = text[range.upperBound...].lowercased()
    let value = tail.firstRange(of: "==").map { tail[$0.upperBound...] } ?? tail.prefix { $0 != "/" }
    let named = value.split { !$0.isLetter }
      .prefix { ["syn", "ack", "rst", "fin", "psh", "urg"].contains($0) }
    return named.map { $0.uppercased() }.joined(separator: ",") == flags
  }

  /// Whether it writes a timestamp option anew: `tsval` or `tsecr`.
  func rewrites(_ field: String) -> Bool { text.contains("tcp option timestamp \(field) set") }
}
