import Model

/// What an audit found, and what it looked at.
public struct Audit: Sendable, Codable {
  /// One condition at one place.
  public struct Finding: Sendable, Codable {
    /// The rule: `rfc1337`.
    public var rule: String
    public var title: String
    public var level: AuditLevel
    public var role: AuditRole
    /// By which of the lab's mechanisms; `witnesses` where a lab file's author says what is to be seen.
    public var mechanisms: [String]
    /// `net.ipv4.tcp_rfc1337 = 1`
    public var what: String
    /// Where that is told; empty for what was counted.
    public var places: [AuditPlace]
    /// Whether counters or tables show it, so that it is a finding; a condition that would let it happen is an exposure.
    public var hasHappened: Bool
    /// What is not known, and would make it none.
    public var unless: String?
    public var whom: String
    public var change: String
    public var cost: String
    public var source: String
    /// Cases that show it.
    public var cases: [CaseRun]
  }

  /// A case, and on which kernel it was run.
  public struct CaseRun: Sendable, Codable {
    public var id: String
    public var mechanism: String
    /// The kernel's release on which it was run, of those that were asked the nearest; nil where it was on none.
    public var ranOn: String?
    /// Whether that is of the same release, `6.1`, as the machine's; nil where the machine's is not known.
    public var isSameRelease: Bool?
    /// What runs it.
    public var command: String
  }

  /// The machine's kernel; nil where nothing says it.
  public var kernel: String?
  /// Findings and exposures, the worst first.
  public var all: [Finding]
  /// What counters and tables of this machine show: that somebody was lost, or is as soon as he comes.
  public var findings: [Finding] { all.filter(\.hasHappened) }
  /// What is set so that it would lose somebody, where the circumstances are as the case has them.
  public var exposures: [Finding] { all.filter { !$0.hasHappened } }
  public var files: [AuditInput.File]
  /// What was looked at, in words: `41 settings`, `12 rules`.
  public var lookedAt: [String]
  /// What could not be read, and what was not told therefore.
  public var notTold: [String]

  /// Asks all that is known against all that was read.
  public init(_ input: AuditInput) {
    kernel = input.kernel
    (files, notTold) = (input.files, input.notTold)
    var found: [Finding] = []
    var seen: Set<String> = []
    for (name, facts) in input.all {
      for exposure in AuditExposure.all where name == nil || !exposure.isCount {
        for match in exposure.match(facts) {
          if let name, !match.places.contains(where: { input.holds($0.file, part: name) }) { continue }
          let key = "\(exposure.id) \(match.what) \(match.places)"
          guard seen.insert(key).inserted else { continue }
          found.append(Finding(exposure, match, facts))
        }
      }
    }
    // A condition that has already hurt somebody by the counter that is its own is no mere condition.
    let happened = Set(found.filter { $0.hasHappened && $0.mechanisms.count == 1 }.flatMap(\.mechanisms))
    for index in found.indices
    where !found[index].hasHappened && found[index].level == .warning
      && !happened.isDisjoint(with: found[index].mechanisms)
      && found[index].mechanisms.count < 3
    {
      found[index].level = .error
    }
    all = found.enumerated().sorted {
      $0.element.level != $1.element.level ? $0.element.level > $1.element.level : $0.offset < $1.offset
    }.map(\.element)
    lookedAt = input.lookedAt
  }

  /// The worst that was found; nil for nothing.
  public var worst: AuditLevel? { all.map(\.level).max() }

  /// Holds the cases that show each finding against what a run has kept.
  ///
  /// - Parameters:
  ///   - runs: a case's name and the releases on which it has passed.
  ///   - names: the lab's names of kernels by their release, `6.1` to `debian-12`.
  public mutating func look(in runs: [String: [String]], kernels names: [String: String]) {
    for finding in all.indices {
      for index in all[finding].cases.indices {
        all[finding].cases[index].note(runs, names, machine: kernel)
      }
    }
  }
}

extension Audit {
  private enum CodingKeys: String, CodingKey { case kernel, findings, exposures, files, lookedAt, notTold }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    kernel = try values.decodeIfPresent(String.self, forKey: .kernel)
    all =
      try values.decode([Finding].self, forKey: .findings)
      + values.decode([Finding].self, forKey: .exposures)
    files = try values.decode([AuditInput.File].self, forKey: .files)
    lookedAt = try values.decode([String].self, forKey: .lookedAt)
    notTold = try values.decode([String].self, forKey: .notTold)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encodeIfPresent(kernel, forKey: .kernel)
    try values.encode(findings, forKey: .findings)
    try values.encode(exposures, forKey: .exposures)
    try values.encode(files, forKey: .files)
    try values.encode(lookedAt, forKey: .lookedAt)
    try values.encode(notTold, forKey: .notTold)
  }
}

extension Audit.Finding {
  init(_ exposure: AuditExposure, _ match: AuditExposure.Match, _ facts: AuditFacts) {
    rule = exposure.id
    title = exposure.title
    level = match.level ?? exposure.level
    role = exposure.role
    let shown = exposure.shown.filter { match.mechanisms?.contains($0.mechanism) ?? true }
    mechanisms = shown.map(\.mechanism).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    what = match.what
    places = match.places
    hasHappened = match.isNow ?? exposure.isCount
    unless = match.unless
    (whom, change, cost, source) = (exposure.whom, exposure.change, exposure.cost, exposure.source)
    var seen: Set<String> = []
    cases = shown.filter { seen.insert($0.mechanism).inserted }.map {
      Audit.CaseRun(id: $0.test, mechanism: $0.mechanism, command: "pawslab run '\($0.test)'")
    }
  }
}

extension Audit.CaseRun {
  fileprivate mutating func note(_ runs: [String: [String]], _ names: [String: String], machine: String?) {
    let own = machine.flatMap(KernelRelease.init)
    let ran = (runs[id] ?? []).compactMap { release in KernelRelease(release).map { (release, $0) } }
    let nearest = ran.min { a, b in
      guard let own else { return b.1 < a.1 }
      return a.1.distance(to: own) < b.1.distance(to: own)
    }
    ranOn = nearest?.0
    isSameRelease = own.flatMap { own in nearest.map { $0.1.distance(to: own) == 0 } }
    let kernel = own.flatMap { own in
      names.compactMap { name in KernelRelease(name.key).map { ($0, name.value) } }
        .min { ($0.0.distance(to: own), $0.1) < ($1.0.distance(to: own), $1.1) }?.1
    }
    command = "pawslab run '\(id)'"
    if mechanism == "recycle" {
      command += " --emulate tw_recycle"
    } else if let kernel {
      command += " --kernel \(kernel)"
    }
  }
}

/// A kernel's release by its first two numbers: `6.1.0-18-amd64` is 6.1.
struct KernelRelease: Comparable {
  var major: Int
  var minor: Int

  init?(_ text: String) {
    let parts = text.split(separator: ".").prefix(2).map { Int($0.prefix { $0.isASCII && $0.isNumber }) }
    guard parts.count == 2, let major = parts[0], let minor = parts[1], major < 1000, minor < 1000 else {
      return nil
    }
    (self.major, self.minor) = (major, minor)
  }

  static func < (a: KernelRelease, b: KernelRelease) -> Bool { (a.major, a.minor) < (b.major, b.minor) }

  /// How far apart two are; a major number is as far as all that its minor ones were.
  func distance(to other: KernelRelease) -> Int {
    abs((major * 25 + minor) - (other.major * 25 + other.minor))
  }
}

extension AuditInput {
  /// Whether a file belongs to a part.
  func holds(_ file: String, part: String) -> Bool {
    parts.contains { $0.name == part && $0.said.contains { $0.file == file } }
  }

  var lookedAt: [String] {
    var words: [String] = []
    func add(_ count: Int, _ one: String, _ many: String? = nil) {
      if count > 0 { words.append(Words.count(count, one, many)) }
    }
    let asked = AuditSettings.names.union(["net.ipv4.conf.all.rp_filter"])
    let live = machine.settings.keys.count { asked.contains($0) || $0.hasSuffix(".rp_filter") }
    add(live + parts.reduce(0) { $0 + $1.said.count }, "setting")
    add(machine.read.counters.count + machine.read.conntrack.count, "counter")
    if machine.hasRules { words.append(Words.count(machine.rules.count, "rule")) }
    add(machine.read.services.count, "virtual service")
    add(max(machine.sockets.count, machine.read.socketStates.values.reduce(0, &+)), "socket")
    add(machine.directed.count, "connection of the director's", "connections of the director's")
    add(files.count { $0.kind != "unknown" }, "file")
    if let kernel { words.append("Linux \(kernel)") }
    return words
  }
}

extension Audit {
  /// What may be found, for formats that list it.
  public struct Rule: Sendable {
    public var id: String
    public var title: String
    public var level: AuditLevel
    public var role: AuditRole
    public var mechanisms: [String]
    public var whom: String
    public var source: String
    /// What ends it, what that costs, and the cases that show it.
    public var help: String
  }

  public static var rules: [Rule] {
    AuditExposure.all.map { exposure in
      let cost = exposure.cost.isEmpty ? "" : " What that costs: \(exposure.cost)."
      let cases = exposure.shown.map { "pawslab run '\($0.test)'" }.joined(separator: "; ")
      return Rule(
        id: exposure.id, title: exposure.title, level: exposure.level, role: exposure.role,
        mechanisms: exposure.shown.map(\.mechanism).reduce(into: []) {
          if !$0.contains($1) { $0.append($1) }
        },
        whom: exposure.whom, source: exposure.source,
        help: "What ends it: \(exposure.change).\(cost) Shown by: \(cases).")
    }
  }

  /// Settings that are asked for, below `/proc/sys`.
  public static var settings: [String] {
    let names = AuditSettings.names.map { $0.replacing(".", with: "/") }
    return (names + ["net/netfilter/nf_conntrack_count"]).sorted()
  }
}
