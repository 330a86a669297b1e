import Model

/// How bad a finding is: SARIF's words, the worst last.
public enum AuditLevel: String, Sendable, Codable, Comparable, CaseIterable {
  /// Costs a retransmission, has happened once by a counter that means several things, or is lost only beside
  /// something else that this machine does not show.
  case note
  /// Loses connections where the circumstances are as the case has them.
  case warning
  /// Loses connections by itself, or has.
  case error

  private var rank: Int { self == .note ? 0 : self == .warning ? 1 : 2 }
  public static func < (a: AuditLevel, b: AuditLevel) -> Bool { a.rank < b.rank }
}

/// On which machine something matters.
public enum AuditRole: String, Sendable, Codable, CaseIterable {
  case server
  /// A NAT, a firewall, a gateway.
  case hop
  case director
  case client
}

/// A condition of a machine that the lab has shown to harm somebody. What the lab has not shown is none.
struct AuditExposure: Sendable {
  /// Of a case that shows it, and by which mechanism.
  struct Shown: Sendable {
    var mechanism: String
    /// A case's whole name.
    var test: String
    /// The same without what this names, where nobody meets that mechanism; nil where the lab has none.
    var without: String?

    init(_ mechanism: String, _ test: String, without: String? = nil) {
      (self.mechanism, self.test, self.without) = (mechanism, test, without)
    }
  }

  /// That it is so on a machine, and how that is known.
  struct Match: Sendable {
    /// `net.ipv4.tcp_rfc1337 = 1`
    var what: String
    var places: [AuditPlace]
    /// Where it is less or more than usual.
    var level: AuditLevel?
    /// Which of the mechanisms; nil is all.
    var mechanisms: [String]?
    /// What is not known, and would make it none.
    var unless: String?
    /// Whether it is so now, and harms whoever comes; nil as the condition has it.
    var isNow: Bool?
  }

  /// Its name in reports: `rfc1337`.
  var id: String
  var title: String
  var level: AuditLevel
  var role: AuditRole
  var whom: String
  var shown: [Shown]
  /// What ends it.
  var change: String
  /// What that costs.
  var cost: String
  /// Kernel function, commit, RFC.
  var source: String
  /// The settings that are asked for, by the lab's names.
  var settings: [String] = []
  /// Whether rules are asked for.
  var asksRules = false
  /// Whether it is something that was counted or that a table holds: a finding, and no condition.
  var isCount = false
  /// The counters that tell it, `PAWSPassive`, `conntrack.drop`.
  var counters: [String] = []
  var match: @Sendable (AuditFacts) -> [Match]

  /// All of them.
  static let all: [AuditExposure] = servers + clients + hops + directors + counted + symptoms + tables

  static func named(_ id: String) -> AuditExposure? { all.first { $0.id == id } }
}

extension AuditFacts {
  /// A match by settings: where each of them is told, or that it is as the kernel has it by itself.
  func match(
    _ names: [String], level: AuditLevel? = nil, mechanisms: [String]? = nil, unless: String? = nil
  ) -> [AuditExposure.Match] {
    let told = names.filter { value($0) != nil }
    let words = names.map { name in
      value(name).map { "\(Self.sysctl(name)) = \($0.text)" } ?? "\(Self.sysctl(name)) as it is by default"
    }
    return [
      AuditExposure.Match(
        what: words.joined(separator: ", "), places: told.compactMap { value($0)?.place }, level: level,
        mechanisms: mechanisms, unless: unless)
    ]
  }

  func match(_ rules: [Rule], level: AuditLevel? = nil, mechanisms: [String]? = nil) -> [AuditExposure.Match]
  {
    rules.map {
      AuditExposure.Match(what: $0.text, places: [$0.place], level: level, mechanisms: mechanisms)
    }
  }
}
