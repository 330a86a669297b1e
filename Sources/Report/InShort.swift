import Model

/// What a run of many lab files comes to, before its sentences: which mechanism hurts whom where.
struct InShort {
  /// One mechanism, or all that has none with a name.
  struct Line {
    /// `dropped or delayed by tw-paws in 14 lab files`
    var words: String
    /// Where, in the order of the results.
    var scenarios: [String]

    /// `hardening, more-tuples and 12 more`
    var places: String {
      let first = scenarios.prefix(Self.most)
      return scenarios.count > Self.most + 1
        ? first.joined(separator: ", ") + " and \(scenarios.count - Self.most) more"
        : scenarios.listed("and")
    }

    /// So many are named.
    static let most = 3
  }

  /// `in 38 of 45 lab files somebody is hurt`
  let sentence: String
  /// The widest first.
  let lines: [Line]
  /// Mechanisms beyond those.
  let more: Int

  /// More than so many are the sentences' to tell.
  private static let most = 5

  /// Nil where the sentences are few enough to be read at once.
  init?(_ findings: [Finding]) {
    var scenarios: [String] = []
    for finding in findings where !scenarios.contains(finding.scenario) { scenarios.append(finding.scenario) }
    guard scenarios.count > 3 else { return nil }
    let hurt = findings.filter { $0.effect != nil }
    let files = Set(hurt.map(\.scenario)).count
    sentence =
      files == 0
      ? "nobody is hurt, in \(scenarios.count) lab files"
      : "in \(files) of \(scenarios.count) lab files somebody is hurt"
    var groups: [(mechanism: String, findings: [Finding])] = []
    for finding in hurt {
      let name = finding.mechanism ?? ""
      if let index = groups.firstIndex(where: { $0.mechanism == name }) {
        groups[index].findings.append(finding)
      } else {
        groups.append((name, [finding]))
      }
    }
    let all = groups.map { group -> Line in
      let outcomes = Outcome.allCases.filter { outcome in
        group.findings.contains { $0.outcomes.contains(outcome.rawValue) }
      }.sorted { $0.severity < $1.severity }.map(\.rawValue)
      let own = scenarios.filter { name in group.findings.contains { $0.scenario == name } }
      let cause =
        group.mechanism.isEmpty ? "for a reason that its lab file alone names" : "by \(group.mechanism)"
      return Line(
        words:
          "\(outcomes.listed("or")) \(cause) in \(own.count == 1 ? "1 lab file" : "\(own.count) lab files")",
        scenarios: own)
    }.sorted { ($1.scenarios.count, $0.words) < ($0.scenarios.count, $1.words) }
    lines = Array(all.prefix(Self.most))
    more = all.count - lines.count
  }

  /// Line by line.
  var text: [String] {
    [sentence] + lines.map { "  \($0.words): \($0.places)" }
      + (more > 0 ? ["  and by \(more) more mechanisms"] : [])
  }
}
