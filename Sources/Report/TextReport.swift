import Evidence
import Judging
import Model

/// A run as text: one line per case, the table, what went wrong.
public struct TextReport: Sendable {
  /// How much is said.
  public enum Detail: Sendable {
    /// Only what failed, and the last line.
    case quiet
    case normal
    /// Every witness.
    case verbose
  }

  /// How much is said.
  public let detail: Detail
  /// Whether escape sequences for colour are written.
  public let colour: Bool

  /// Makes a report.
  public init(detail: Detail, colour: Bool) {
    self.detail = detail
    self.colour = colour
  }

  /// `pass  time-wait-clash/rfc1337=1,...  2.05 s`, with what disagreed below.
  public func lines(_ result: CaseResult) -> [TerminalText] {
    let verdict = result.judgement.verdict
    if detail == .quiet, verdict == .pass || verdict == .skip { return [] }
    let emulated = result.emulation != nil ? "emulated  " : ""
    let elsewhere = result.kernel == "host" ? "" : "  \(result.kernel)"
    let own = result.guestSeconds.map { " (\(fixed($0, decimals: 2)) s in the guest)" } ?? ""
    var lines: [TerminalText] = [
      painted(verdict)
        + "  \(emulated)\(result.place.words)  \(fixed(result.seconds, decimals: 2)) s\(own)\(elsewhere)"
    ]
    let shown =
      detail == .verbose
      ? result.judgement.witnesses : result.judgement.witnesses.filter { !$0.holds }
    let details: [TerminalText] =
      verdict == .fail || detail == .verbose
      ? result.judgement.attempts.filter { detail == .verbose || !$0.holds }.map(line) + shown.map(line) : []
    if verdict != .pass && !isSaidBelow(result.judgement) || verdict == .pass && detail == .verbose {
      lines += Visible.lines(result.judgement.reason).map { "       \($0)" }
    }
    if let fits = result.judgement.fits {
      lines += Visible.lines(whatFits(fits)).map { "       \($0)" }
    }
    if let first = result.again { lines.append("       \(ranAgain(first))") }
    if detail == .verbose {
      let until = result.untilItBroke
      if !until.isEmpty { lines.append("       until then") }
      lines += until.flatMap { Visible.lines($0) }.map { "         \($0)" }
    }
    lines +=
      detail == .verbose
      ? details : Folded.lines(details, text: \.description, more: { "       \(Folded.more($0))" })
    if detail == .verbose, let exact = result.exact {
      lines.append("       seed \(exact.seed), digest \(exact.digest)")
    }
    if result.seed != nil, verdict == .fail || verdict == .error {
      lines.append("       again: \(Results.Entry(result, on: nil).command)")
    }
    return lines
  }

  /// The same in lines of at most so many characters.
  public func lines(_ result: CaseResult, width: Int) -> [TerminalText] {
    var fitted = TextReport(detail: detail, colour: false).lines(result)
      .flatMap { line in Columns.fit(line.description, width).map { "\($0)" as TerminalText } }
    // The verdict is the only word that has a colour, and the first.
    if colour, let first = fitted.first?.description {
      fitted[0] = painted(result.judgement.verdict) + "\(first.dropFirst(5))"
    }
    return fitted
  }

  /// The sentences that a run comes to, under their title; nothing where nothing was judged.
  private func whoIsHurt(_ entries: [Results.Entry], on kernels: [String]) -> [String] {
    let findings = Finding.all(entries, on: kernels)
    guard !findings.isEmpty else { return [] }
    return (InShort(findings).map { $0.text + [""] } ?? [])
      + ["who is hurt, by what, and under which smallest set of settings"]
      + Finding.lines(findings, kernels: kernels) + [""]
  }

  /// What chance made of the cases that were run from several seeds, and what was asked of that.
  public func overSeeds(_ results: Results) -> [TerminalText] {
    results.ofSeeds.flatMap { group -> [TerminalText] in
      let bad = group.over.map { [.fail, .error].contains($0.verdict) } ?? false
      guard detail != .quiet || bad else { return [] }
      var lines: [TerminalText] = Results.lines(of: group, among: results.kernelNames).map { "\($0)" }
      if let over = group.over, bad { lines.append("  again: \(over.command)") }
      return lines
    }
  }

  /// Whether the reason is what the first line of the details says: nothing is said twice.
  private func isSaidBelow(_ judgement: Judgement) -> Bool {
    guard judgement.verdict == .fail else { return false }
    if let wrong = judgement.attempts.first(where: { !$0.holds }) {
      return judgement.reason.hasPrefix("\(wrong.attempt.label) #\(wrong.attempt.id): expected ")
    }
    return judgement.witnesses.contains { !$0.holds && $0.text == judgement.reason }
  }

  private func line(_ judged: JudgedAttempt) -> TerminalText {
    let errno = judged.holds ? nil : judged.attempt.errno.map { " (\($0))" }
    return """
             \(judged.attempt.label) #\(judged.attempt.id): \(judged.word)\(errno ?? ""), \
      expected \(judged.expected.description), \(judged.syns) SYNs sent, \(judged.synsAtServer) at the server, \
      \(fixed(judged.milliseconds, decimals: 1)) ms
      """
  }

  private func line(_ witness: Witness) -> TerminalText {
    "       \(witness.holds ? "ok" : "NO")  \(witness.text)"
  }

  /// Who is hurt, by what, under which smallest set of settings: what a run is for.
  public func answer(_ results: [CaseResult], kernels: [String: Kernel]) -> [String] {
    whoIsHurt(Results(results, kernels: kernels, seconds: 0).cases, on: Self.names(results, kernels))
  }

  /// The kernels that cases ran on, or could have.
  private static func names(_ results: [CaseResult], _ kernels: [String: Kernel]) -> [String] {
    let used = Set(results.filter { $0.judgement.verdict != .skip }.map(\.kernel))
    return Results.ordered(used.isEmpty ? Set(kernels.keys) : used)
  }

  /// Scenario by verdict (or by kernel, where the same cases ran on several), the reasons for skips, what the
  /// guests cost, the sum.
  ///
  /// - Parameters:
  ///   - compared: the kernels that all cases ran on, in order; empty where each ran on one.
  ///   - counted: the sum as cases count, where some are required or known to fail.
  ///   - isAnswered: whether ``answer(_:kernels:)`` has been said before.
  public func summary(
    _ results: [CaseResult], seconds: Double, kernels: [String: Kernel], compared: [String] = [],
    guests: [GuestCost] = [], counted: Results.Summary? = nil, isAnswered: Bool = false
  ) -> [String] {
    let summary = counted ?? Results.Summary(results, seconds: seconds)
    let nothing = !results.isEmpty && results.allSatisfy { $0.judgement.verdict == .skip }
    let names = Self.names(results, kernels)
    let systems = names.map { name in
      guard let kernel = kernels[name] else { return name }
      return (name == "host" ? "" : "\(name): ") + "Linux \(kernel.release)"
        + (kernel.privilege == .userNamespace ? ", in a user namespace" : "")
    }
    let last =
      (nothing ? "nothing was judged: " : "")
      + "\(summary.text) in \(fixed(seconds, decimals: 1)) s on \(systems.joined(separator: "; "))"
    guard detail != .quiet else { return [last] }
    let entries = Results(results, kernels: kernels, seconds: seconds).cases
    var lines = isAnswered ? [] : whoIsHurt(entries, on: names)
    lines +=
      compared.count > 1 ? comparison(results, entries, kernels: kernels, compared) : table(results)
    var reasons: [(reason: String, count: Int)] = []
    for result in results where result.judgement.verdict == .skip {
      let reason = (compared.count > 1 ? "\(result.kernel): " : "") + result.judgement.reason
      if let index = reasons.firstIndex(where: { $0.reason == reason }) {
        reasons[index].count += 1
      } else {
        reasons.append((reason, 1))
      }
    }
    for reason in reasons { lines.append("skipped \(reason.count): \(reason.reason)") }
    lines += costs(results, guests)
    return lines + ["", last]
  }

  /// A saved run: what failed, the table or the comparison, the sum.
  public func saved(_ results: Results) -> [TerminalText] {
    var lines: [TerminalText] = []
    for entry in results.cases where entry.standing != .passed && entry.standing != .skipped {
      lines.append(painted(entry.verdict) + "  \(entry.words)  \(entry.kernel)")
      let reasons = entry.reasons.filter { !entry.evidence.contains($0) }
      lines += (reasons + entry.evidence).map { "       \($0)" }
      if entry.seed != nil || entry.over != nil { lines.append("       again: \(entry.command)") }
    }
    let names = results.kernelNames
    lines += whoIsHurt(results.cases, on: names).map { "\($0)" }
    if names.count > 1 {
      let differences = Difference.all(results.cases, between: names)
      lines += Difference.lines(differences, kernels: results.kernels).map { "\($0)" } + [""]
    }
    let width = max(8, results.scenarios.map(\.count).max() ?? 8)
    let column = max(14, (names.map(\.count).max() ?? 0) + 2)
    lines.append("\(pad("scenario", width) + names.map { pad($0, column, right: true) }.joined())")
    for scenario in results.scenarios {
      let cells = names.map { name in
        let own = results.cases.filter { $0.scenario == scenario && $0.kernel == name }
        let (passed, bad) = (
          own.count { $0.verdict == .pass }, own.count(where: \.standing.isBad)
        )
        return (passed + bad == 0 ? "-" : "\(passed)") + (bad > 0 ? " !\(bad)" : "")
      }
      lines.append("\(pad(scenario, width) + cells.map { pad($0, column, right: true) }.joined())")
    }
    lines += ["passed; !n failed, broke or were required; - none ran", ""]
    lines += overSeeds(results)
    lines += (results.remarks ?? []).map { "\($0)" }
    return lines + ["\(results.headline)"]
  }

  private func table(_ results: [CaseResult]) -> [String] {
    // What was emulated is a row of its own.
    let rows = [false, true].flatMap { emulated in
      let own = results.filter { ($0.emulation != nil) == emulated }
      return scenarios(of: own).map { scenario in
        (
          name: scenario + (emulated ? " (emulated)" : ""),
          results: own.filter { $0.test.scenario == scenario }
        )
      }
    }
    let width = max(8, rows.map(\.name.count).max() ?? 8)
    var lines = [pad("scenario", width) + "   pass  fail  skip error  longest"]
    for (name, own) in rows {
      let counts = Verdict.allCases.map { verdict in
        pad(String(own.count { $0.judgement.verdict == verdict }), 6, right: true)
      }
      let longest = fixed(own.map(\.seconds).max() ?? 0, decimals: 2)
      let guests = Results.ordered(Set(own.filter { $0.judgement.verdict != .skip }.map(\.kernel))).filter {
        $0 != "host"
      }
      lines.append(
        pad(name, width) + " " + counts.joined() + "  " + pad(longest + " s", 9, right: true)
          + (guests.isEmpty ? "" : "  in \(guests.joined(separator: ", "))"))
    }
    return lines
  }

  private func scenarios(of results: [CaseResult]) -> [String] {
    var scenarios: [String] = []
    for result in results where !scenarios.contains(result.test.scenario) {
      scenarios.append(result.test.scenario)
    }
    return scenarios
  }

  /// Scenario by kernel; a cell says how many of its cases behave unlike the first kernel's.
  private func comparison(
    _ results: [CaseResult], _ entries: [Results.Entry], kernels: [String: Kernel], _ compared: [String]
  ) -> [String] {
    let differences = Difference.all(entries, between: compared)
    let scenarios = scenarios(of: results)
    let told = Difference.lines(differences, kernels: kernels) + [""]
    let width = max(8, scenarios.map(\.count).max() ?? 8)
    let column = max(14, (compared.map(\.count).max() ?? 0) + 2)
    var lines =
      told + [
        pad("scenario", width) + compared.map { pad($0, column, right: true) }.joined(),
        pad("", width)
          + compared.map { name in
            pad(
              kernels[name].map { String($0.release.prefix { $0 != "-" && $0 != "+" }) } ?? "", column,
              right: true)
          }.joined(),
      ]
    for scenario in scenarios {
      var line = pad(scenario, width)
      for name in compared {
        let own = results.filter { $0.test.scenario == scenario && $0.kernel == name }
        let bad = own.count { [.fail, .error].contains($0.judgement.verdict) }
        let passed = own.count { $0.judgement.verdict == .pass }
        let unlike = differences.filter { $0.scenario == scenario }
          .reduce(0) { $0 + ($1.isUnlikeFirst(name) ? $1.cases.count : 0) }
        var cell = passed == 0 && bad == 0 ? "-" : "\(passed)"
        if bad > 0 { cell += " !\(bad)" }
        if unlike > 0 { cell += " *\(unlike)" }
        line += pad(cell, column, right: true)
      }
      lines.append(line)
    }
    lines.append("passed; !n failed or broke; *n behave unlike \(compared[0]); - none can run")
    return lines
  }

  /// Processor seconds per case, and what the boots took.
  private func costs(_ results: [CaseResult], _ guests: [GuestCost]) -> [String] {
    guard !guests.isEmpty else { return [] }
    var lines: [String] = []
    let onHost = results.count { $0.kernel == "host" && $0.judgement.verdict != .skip }
    let host = results.compactMap { $0.kernel == "host" ? $0.observation?.processorSeconds : nil }.reduce(
      0, +)
    if onHost > 0 {
      lines.append(
        "host: \(onHost) cases, \(fixed(host, decimals: 1)) s of processor, \(fixed(host / Double(onHost), decimals: 3)) s per case"
      )
    }
    for name in Results.ordered(Set(guests.map(\.kernel))) {
      for cost in guests where cost.kernel == name && cost.isSaved == true {
        let seconds = cost.processorSeconds ?? 0
        lines.append(
          "\(name), in virtual time: \(cost.cases) cases, each from a saved guest (\(cost.accelerator)), "
            + "\(fixed(seconds, decimals: 1)) s of processor, \(fixed(seconds / Double(max(1, cost.cases)), decimals: 2)) s per case"
        )
      }
      let own = guests.filter { $0.kernel == name && $0.isSaved != true }
      guard !own.isEmpty else { continue }
      let cases = own.reduce(0) { $0.adding($1.cases) }
      let seconds = own.compactMap(\.processorSeconds).reduce(0, +)
      let boots = own.map { $0.boot.reduce(0) { $0 + $1.milliseconds } / 1000 }
      lines.append(
        "\(name): \(cases) cases in \(own.count) \(own.count == 1 ? "guest" : "guests") (\(own[0].accelerator)), "
          + "booted in \(boots.map { fixed($0, decimals: 1) }.joined(separator: ", ")) s, "
          + "\(fixed(seconds, decimals: 1)) s of processor, \(fixed(seconds / Double(max(1, cases)), decimals: 2)) s per case"
      )
    }
    return lines
  }

  private func painted(_ verdict: Verdict) -> TerminalText {
    let painted: Terminal.Colour =
      switch verdict {
      case .pass: .green
      case .fail: .red
      case .skip: .yellow
      case .error: .magenta
      }
    return "\(pad(verdict.rawValue, 5), colour ? painted : nil)"
  }
}

extension Witness {
  /// `server TcpExt.PAWSEstab: expected +1, saw +0`
  var text: String { "\(name): expected \(expectedWords), saw \(seenWords)" }
}

/// What a case that failed could have expected, and would have passed.
func whatFits(_ fits: [String]) -> String { "what was seen fits: \(fits.joined(separator: "; or "))" }

/// Why a case was run a second time; `first` is what the first run came to.
func ranAgain(_ first: String) -> String { "run again, for the kernel gave no reason for a drop: \(first)" }
