import ArgumentParser
import Diagnosis
import Evidence
import Foundation
import Judging
import Model
import Report

/// Whether audit says of the nodes of a case what the judge says of the case.
struct BenchAudit: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Hold what audit finds in each node of kept runs against the judge's mechanisms.",
    discussion: """
      Takes every case that passed out of folders that run --out has kept, and asks about each of its nodes as audit --host \
      would there, with a reading of its counters before the first step: its settings, its rules, its tables, what it has \
      counted, its kernel. Findings are held against the case itself: they are to name the judge's mechanism where there \
      is one, and to be none where all are connected. Exposures are held against all cases of that kernel, for no node \
      knows its clients' clocks: one is right where a case that the judge explains so has a node which deviates from the \
      defaults in nothing that this one does not. Exit status 1 where either is not so.
      """)

  @Argument(help: "Folders that run --out has kept.")
  var folders: [String]

  @Option(help: "text, or markdown for a document.")
  var format: BenchDiagnose.MatrixFormat = .text

  @Flag(help: "Name each case that is not as judged, and why.")
  var verbose = false

  func run() throws {
    var cases: [AuditedCase] = []
    for folder in folders {
      let kept = try RunFolder(reading: folder)
      let results = try kept.loadResults()
      for entry in results.cases where entry.verdict == .pass && entry.observation != nil {
        guard let kernel = results.kernels[entry.kernel] else { continue }
        if let audited = try AuditedCase(try kept.load(entry.place), on: kernel) { cases.append(audited) }
      }
    }
    guard !cases.isEmpty else {
      throw Failure(
        stage: "bench audit", object: folders.joined(separator: ", "),
        cause: "no case that passed has evidence",
        mend: "pawslab run lab --out DIR keeps it", isUsage: true)
    }
    let matrix = AuditMatrix(cases)
    switch format {
    case .text: for line in matrix.lines + [""] + matrix.sums { Console.print(line) }
    case .markdown:
      Console.write(matrix.markdown.description, to: .standardOutput)
      for line in [""] + matrix.sums { Console.print(line) }
    }
    if verbose { for line in matrix.wrong + matrix.open { Console.print(line) } }
    if !matrix.wrong.isEmpty { throw ExitCode(1) }
  }
}

/// What audit finds in the nodes of a case, and what the judge found.
struct AuditedCase {
  struct Node {
    var name: String
    /// In what it differs from the pinned baseline, and its rules.
    var facts: Set<String>
    var findings: [Audit.Finding]
  }

  var id: String
  var kernel: String
  var nodes: [Node]
  /// The mechanisms that explain what its attempts met.
  var judged: Set<String>
  /// Whether its author says in so many words what is to be seen: whatever fits may be it.
  var isFree: Bool
  /// Counters that its author says have to move: `PAWSTimewait`.
  private var claimed: Set<String>

  /// Nil for what is forged, which nobody judges.
  init?(_ result: CaseResult, on kernel: Kernel) throws {
    guard let observation = result.observation, !result.test.workload.contains(where: { $0.action is Forge })
    else {
      return nil
    }
    id = result.test.id
    self.kernel = result.kernel
    let explained = result.judgement.attempts.compactMap { judged in
      // Served is what tcp_tw_reuse is for.
      judged.expected.mechanism.map { ($0.rawValue, Cure.Harm(judged.outcome)) }
    }.filter { $0.0 != "tw-reuse" }
    isFree = explained.contains { $0.0 == "witnesses" }
    claimed = Set(
      (result.test.rule(on: kernel)?.witnesses?.counters ?? [:]).values.flatMap(\.keys).map {
        $0.hasPrefix("TcpExt.") ? String($0.dropFirst("TcpExt.".count)) : $0
      })
    judged = Set(explained.filter { $0.0 != "witnesses" || $0.1 != .none }.map(\.0))
    let network = result.test.network
    nodes = try network.nodes.map { try Node($0, in: result.test, observation, on: kernel) }
  }

  /// What a prediction leaves to the packets: TIME_WAIT, by timestamp or by sequence number.
  private static let timeWait: Set<String> = ["tw-paws", "tw-seq"]

  /// TIME_WAIT is one, by whichever of the two.
  static func kind(_ mechanism: String) -> String { timeWait.contains(mechanism) ? "time-wait" : mechanism }

  /// Whether a mechanism is one that the judge found.
  func means(_ mechanism: String) -> Bool {
    judged.contains(mechanism) || (judged.contains("time-wait") && Self.timeWait.contains(mechanism))
  }

  /// Those of the judge's that findings name.
  func judged(as findings: [Audit.Finding]) -> Set<String> {
    let named = Set(findings.flatMap(\.mechanisms))
    return judged.filter {
      named.contains($0) || ($0 == "time-wait" && !named.isDisjoint(with: Self.timeWait))
    }
  }

  /// Whether its author has said that this is counted.
  func claims(_ finding: Audit.Finding) -> Bool {
    finding.hasHappened && claimed.contains { finding.what.hasPrefix($0 + " ") }
  }
}

extension AuditedCase.Node {
  init(_ name: String, in test: Case, _ observation: Observation, on kernel: Kernel) throws {
    self.name = name
    var input = AuditInput(kernel: kernel.release)
    facts = []
    var settings = observation.settings[name] ?? [:]
    for write in test.workload.compactMap(\.action.writes) where write.node == name {
      settings[write.setting] = write.value
    }
    for (short, value) in settings.sorted(by: { $0.key < $1.key }) {
      guard let setting = Setting.named(short) else { continue }
      // An emulated one is said to be so: `1 (emulated)`.
      let words = value.prefix { $0 != "(" }.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      input.add(
        setting: setting.path.replacing("/", with: "."), value: words, place: "/proc/sys/\(setting.path)")
      if let baseline = setting.baseline, baseline != words,
        setting.applies(to: test.network.host(name) ?? .init(name))
      {
        facts.insert("\(short)=\(words)")
      }
    }
    input.endOfSettings()
    input.add(interfaces: test.network.links.flatMap(\.allEnds).count { $0.host == name })
    // A counter that is there and stood still is 0.
    var counters: [String: Int] = [:]
    for case .counter(let counter) in kernel.capabilities { counters[counter] = 0 }
    // What every kernel has (RFC 4022).
    for name in ["ActiveOpens", "AttemptFails", "EstabResets", "OutRsts"] { counters["Tcp.\(name)"] = 0 }
    let moved = Dictionary(
      observation.counters(of: name).map { (Emulation.genuine($0), $1) }, uniquingKeysWith: +)
    // Before the first step and after the last one.
    input.add(counters: counters.merging(moved) { $1 }, isDifference: true)
    let sockets = observation.sockets.last { $0.node == name }?.entries ?? []
    input.add(
      sockets: sockets.map {
        (state: $0.state, local: $0.local, peer: $0.peer, left: $0.timeWait.map { ($0 + 999) / 1_000 })
      })
    // The census is of connections; a machine's table has what listens too.
    input.add(
      sockets: (test.network.host(name)?.server?.ports.map { $0 } ?? []).map {
        (state: "LISTEN", local: "*:\($0)", peer: "*:*", left: nil)
      })
    let rules = Self.rules(of: name, in: test.network, observation)
    if !rules.isEmpty { try input.add(text: rules, file: "rules of \(name)") }
    input.endOfRules()
    // Counts of packets are no fact of a rule.
    for line in rules.split(whereSeparator: \.isNewline) where line.contains("-A ") || line.hasPrefix("\t\t")
    {
      facts.insert(String(line.replacing(#/^\[[0-9:]*\] |counter packets [0-9]+ bytes [0-9]+ /#, with: "")))
    }
    let director = observation.ipvs?.last { $0.node == name }
    input.add(
      directed: (director?.entries ?? []).filter { !$0.client.hasSuffix(":0") }
        .map { (state: $0.state, service: $0.virtual, server: $0.server) })
    let servers = director?.servers ?? []
    if !servers.isEmpty {
      let services = Set(servers.map(\.virtual)).sorted().map { "-A -t \($0) -s rr" }
      let text = services + servers.map { "-a -t \($0.virtual) -r \($0.server) -m -w \($0.weight)" }
      try input.add(text: text.joined(separator: "\n"), file: "ipvsadm of \(name)")
      if servers.allSatisfy({ $0.weight == 0 }) { facts.insert("every weight is 0") }
      facts.insert("balances")
    }
    findings = Audit(input).all
  }

  /// Of several nodes each has its rules under its name.
  private static func rules(of name: String, in network: Network, _ observation: Observation) -> String {
    let owners = network.hosts.filter { $0.nat != nil || !$0.rules.isEmpty }.map(\.name)
    guard owners.contains(name) else { return "" }
    guard owners.count > 1 else { return observation.rules }
    var text: [Substring] = []
    var isOwn = false
    for line in observation.rules.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("# "), owners.contains(String(line.dropFirst(2))) {
        isOwn = line.dropFirst(2) == name
      } else if isOwn {
        text.append(line)
      }
    }
    return text.joined(separator: "\n")
  }
}
