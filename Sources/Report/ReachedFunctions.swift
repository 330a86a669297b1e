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
    /// On which kernel: `6.1.0-50-cloud-amd64`.
    public var kernel: String

    /// Makes an entry of what was counted.
    public init(of test: Case, _ rule: Rule, on kernel: String, calls: [String: Int]) {
      (id, scenario, because) = (test.id, test.scenario, rule.because)
      (self.kernel, self.calls) = (kernel, calls)
    }

    /// The functions that its rule's own words name, of those that this kernel has. Others are of other versions, or the
    /// compiler has put them into their callers.
    public var named: [String] { ReachedFunctions.names(in: because).filter { calls[$0] != nil } }
    /// Those of ``named`` that were not called.
    public var missed: [String] { named.filter { calls[$0] == 0 } }
    /// Whether the kernel went another way than its rule says, or the rule does not say by which.
    public var misleads: Bool { named.isEmpty || !missed.isEmpty }
  }

  public var entries: [Entry]

  /// Makes a reading of many cases.
  public init(entries: [Entry]) { self.entries = entries }

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

  /// Every function that is counted in a case: what its rules for other kernels name is there too, mostly.
  public static func asked(in test: Case, _ rule: Rule) -> [String] {
    let words = test.rules.map(\.because) + [sources(of: rule), test.why]
    return Set(everywhere + names(in: words.joined(separator: " "))).sorted()
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
