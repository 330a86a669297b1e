import Model

/// The index of the lab files: by symptom, by setting, by counter, by who meets it. Made from the files.
///
/// Markdown, with links to the files, which lie beside it.
public enum LabIndex {
  /// All of it, without a title of its own.
  public static func document(_ scenarios: [Scenario]) -> String {
    let files = scenarios.map(Entry.init)
    return [
      table(
        "What is seen", ["what is seen", "and why"],
        rows(files, \.symptoms).map { symptom, found in
          let byCause = Dictionary(grouping: found, by: \.cause).sorted { $0.key < $1.key }
          let causes = byCause.map { "\($0.key): \(links($0.value.map(\.file)))" }
          return ["\(words(of: symptom))", causes.joined(separator: "; ")]
        }),
      table(
        "What is set", ["setting", "files"],
        rows(files, \.settings).map { ["`\($0.key)`", links($0.value.map(\.file))] }),
      table(
        "What is counted", ["counter, or the kernel's reason for a drop", "files that name it"],
        rows(files, \.counters).map { ["`\($0.key)`", links($0.value.map(\.file))] }),
      table(
        "Who meets it", ["file", "who"],
        files.filter { $0.who != nil }.sorted { $0.name < $1.name }
          .map { ["[`\($0.name)`](\($0.name).yaml)", $0.who ?? ""] }),
    ].joined(separator: "\n")
  }

  /// What is asked of one file.
  private struct Entry {
    let name: String
    /// Outcomes that are not the plain ones, with their mechanisms.
    var symptoms: [(key: String, cause: String)] = []
    /// Settings that differ from the baseline somewhere.
    var settings: [(key: String, cause: String)] = []
    /// Counters and reasons that an author's witness says to move.
    var counters: [(key: String, cause: String)] = []
    /// The file's own sentence, without its first words.
    let who: String?

    init(_ scenario: Scenario) {
      name = scenario.name
      let why = scenario.why.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      let mark = "Who meets it: "
      who =
        why.hasPrefix(mark)
        ? why.dropFirst(mark.count).split(separator: ". ", maxSplits: 1).first.map(String.init) : nil
      var (symptoms, counters): (Set<[String]>, Set<String>) = ([], [])
      for rule in scenario.rules.map(\.rule) {
        for expected in rule.outcomes.values {
          guard let mechanism = expected.mechanism else { continue }
          symptoms.insert([expected.outcome.rawValue, mechanism.rawValue])
        }
        for named in [rule.witnesses?.counters, rule.witnesses?.drops].compactMap(\.self).flatMap(\.values) {
          counters.formUnion(named.filter { $0.value.range != 0...0 }.keys)
        }
      }
      self.symptoms = symptoms.map { ($0[0], $0[1]) }
      self.counters = counters.map { ($0, "") }
      var settings: Set<String> = []
      for test in scenario.cases() {
        for (node, values) in test.settings {
          // Of a client these say what its clock is, and which ports a narrow NAT must have for itself.
          let derived = test.network.isServer(node) ? [] : ["tcp_timestamps", "ip_local_reserved_ports"]
          settings.formUnion(
            values.filter { !derived.contains($0.key) && $0.value != Setting.named($0.key)?.baseline }.keys)
        }
      }
      settings.formUnion(
        scenario.axes.compactMap { $0.name.split(separator: ".", maxSplits: 1).last.map(String.init) }
          .filter { Setting.named($0) != nil })
      self.settings = settings.map { ($0, "") }
    }
  }

  private typealias Found = (file: String, cause: String)

  /// Each key with the files that have it, sorted.
  private static func rows(
    _ files: [Entry], _ member: KeyPath<Entry, [(key: String, cause: String)]>
  ) -> [(key: String, value: [Found])] {
    var found: [String: [Found]] = [:]
    for file in files {
      for item in file[keyPath: member] { found[item.key, default: []].append((file.name, item.cause)) }
    }
    return found.sorted { $0.key < $1.key }
  }

  static func links(_ names: [String]) -> String {
    Set(names).sorted().map { "[\($0)](\($0).yaml)" }.joined(separator: ", ")
  }

  private static func table(_ title: String, _ head: [String], _ rows: [[String]]) -> String {
    "### \(title)\n\n" + Markdown.table(head, rows)
  }

  /// An outcome as somebody with an outage says it.
  private static func words(of outcome: String) -> String {
    switch Outcome(rawValue: outcome) {
    case .dropped: "SYNs, no SYN-ACK, ETIMEDOUT (dropped)"
    case .delayed: "works after a SYN is sent again: milliseconds or a second (delayed)"
    case .refused: "ECONNREFUSED, though somebody listens (refused)"
    case .unreachable: "EHOSTUNREACH, ENETUNREACH (unreachable)"
    case .reset: "ECONNRESET on an open connection (reset)"
    case .exhausted: "EADDRNOTAVAIL (exhausted)"
    case .lost: "data goes out and is never read, the connection hangs (lost)"
    case .unacknowledged: "data is read, and sent again and again (unacknowledged)"
    case .predicted: "some connections do, some do not (predicted)"
    case .served: "a port in TIME\\_WAIT is taken again (served)"
    case .connected: "connected, where one might think otherwise (connected)"
    case .delivered, nil: outcome
    }
  }
}
