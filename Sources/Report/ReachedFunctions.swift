import Evidence
import Judging
import Model

/// Which functions of the kernel cases reach, as measured (``FunctionReading``): what the lab says of them can be held
/// against that.
public struct ReachedFunctions: Codable, Sendable, Equatable {
  /// One case, in which its rule's words were held against the kernel.
  public struct Entry: Codable, Sendable, Equatable {
    public var id: String
    public var scenario: String
    /// What its rule says.
    public var because: String
    /// Calls while its steps were performed, of each function that was asked for and can be counted.
    public var calls: [String: Int]
    /// Where the functions are named that ``named`` has.
    public var source: Source
    /// The functions that its rule names, of those that can be counted; where it names none, those of the mechanisms that
    /// it expects, else those of the file's `why`.
    public var named: [String]

    /// Who names a function.
    public enum Source: String, Codable, Sendable, CaseIterable { case because, mechanism, why }

    /// Makes an entry of what was counted.
    public init(of test: Case, _ rule: Rule, calls: [String: Int]) {
      (id, scenario, because) = (test.id, test.scenario, rule.because)
      self.calls = calls
      let counted = { (text: String) in ReachedFunctions.names(in: text).filter { calls[$0] != nil } }
      (source, named) = (.because, counted(because))
      if named.isEmpty { (source, named) = (.mechanism, counted(ReachedFunctions.sources(of: rule))) }
      if named.isEmpty { (source, named) = (.why, counted(test.why)) }
    }

    /// Those of ``named`` that were not called.
    public var missed: [String] { named.filter { calls[$0] == 0 } }
    /// Whether it names functions, and the kernel went another way. A file's `why` is about its other cases too.
    public var misleads: Bool { source != .why && !named.isEmpty && missed.count == named.count }
  }

  /// On which kernel, and in what machine: `6.1.0-50-cloud-amd64`.
  public var kernel: String
  public var entries: [Entry]

  /// Makes a reading of many cases.
  public init(kernel: String, entries: [Entry]) {
    self.kernel = kernel
    self.entries = entries
  }

  /// Where a SYN, a segment, a port and a virtual address are decided on: asked for in every case.
  public static let everywhere = [
    "tcp_timewait_state_process", "tcp_conn_request", "tcp_validate_incoming", "nf_nat_l4proto_unique_tuple",
    "nf_nat_setup_info", "ip_vs_in", "ip_vs_in_hook",
  ]

  /// What the mechanisms that a rule expects say of where they are.
  public static func sources(of rule: Rule) -> String {
    let expected = Set(rule.outcomes.values.compactMap(\.mechanism))
    return Mechanism.all.filter { expected.contains($0.name) }.map(\.source).joined(separator: " ")
  }

  /// Every function that is counted in a case.
  public static func asked(in test: Case, _ rule: Rule) -> [String] {
    Set(everywhere + names(in: [rule.because, sources(of: rule), test.why].joined(separator: " "))).sorted()
  }

  /// Words that could be functions of the kernel: small letters, digits, and at least one underscore. Settings are not.
  public static func names(in text: String) -> [String] {
    var names: [String] = []
    for word in text.split(whereSeparator: { !($0.isASCII && ($0.isLetter || $0.isNumber) || $0 == "_") }) {
      let name = String(word)
      guard word.contains("_"), word.allSatisfy({ !$0.isUppercase }),
        word.first?.isLetter == true || word.first == "_",
        Setting.named(name) == nil, Capability.Feature(rawValue: name) == nil, !names.contains(name)
      else { continue }
      names.append(name)
    }
    return names
  }

  /// How many rules reach what they name, and by whose words they do, a sentence each.
  public var sentences: [String] {
    Entry.Source.allCases.map { source in
      let own = entries.filter { $0.source == source && !$0.named.isEmpty }
      let reached = own.count { $0.missed.count < $0.named.count }
      return "\(reached) of \(own.count) reach a function that \(source.words)"
    }
  }

  /// What a reader is told: ``sentences`` and ``table``.
  public var document: String {
    "\(entries.count) rules on \(kernel): \(sentences.joined(separator: ", ")).\n\n" + table
  }

  /// Function, and the files with a case that reaches it: Markdown, with links to the files, which lie beside it.
  public var table: String {
    let files = Set(entries.map(\.scenario))
    var reached: [String: Set<String>] = [:]
    for entry in entries {
      for (function, calls) in entry.calls where calls > 0 {
        reached[function, default: []].insert(entry.scenario)
      }
    }
    let rows = reached.sorted { $0.key < $1.key }.map { function, found in
      let missing = files.subtracting(found)
      let words =
        missing.isEmpty
        ? "all \(files.count)"
        : missing.count <= 8
          ? "all \(files.count) but \(LabIndex.links(Array(missing)))" : LabIndex.links(Array(found))
      return ["`\(function)`", words]
    }
    return Markdown.table(["function", "files that reach it"], rows)
  }
}

extension ReachedFunctions.Entry.Source {
  fileprivate var words: String {
    switch self {
    case .because: "their own words name"
    case .mechanism: "the source of their mechanism names"
    case .why: "their file names (where neither names any)"
    }
  }
}
