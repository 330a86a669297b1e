/// An audit for a terminal of 80 columns: what was found, the worst first, and what to do.
public struct AuditText {
  private let audit: Audit

  public init(_ audit: Audit) { self.audit = audit }

  public var lines: [String] {
    let looked = "looked at \(audit.lookedAt.isEmpty ? "nothing" : audit.lookedAt.joined(separator: ", "))"
    guard !audit.all.isEmpty else {
      return [Self.line("nothing found; \(looked)")].flatMap { $0 } + notTold
    }
    let (findings, exposures) = (audit.findings, audit.exposures)
    var lines = Self.line(
      [Self.counted(findings, "finding"), Self.counted(exposures, "exposure")].compactMap { $0 }
        .joined(separator: ", ") + "; \(looked)")
    lines += part("What has happened here, or happens to whoever comes now", findings)
    lines += part("What is set so that it would happen, where the rest is as in the case", exposures)
    lines += [""] + notTold
    lines.append("What to do")
    var seen: Set<String> = []
    for finding in findings + exposures where seen.insert(finding.change).inserted {
      lines += AnswerText.wrapped(finding.change, indent: 4, first: "  ")
    }
    return lines
  }

  /// `2 findings (1 warning, 1 note)`; nil for none.
  private static func counted(_ all: [Audit.Finding], _ word: String) -> String? {
    guard !all.isEmpty else { return nil }
    let levels = AuditLevel.allCases.reversed().compactMap { level -> String? in
      let count = all.count { $0.level == level }
      return count == 0 ? nil : Words.count(count, level.rawValue)
    }
    return "\(Words.count(all.count, word)) (\(levels.joined(separator: ", ")))"
  }

  private func part(_ title: String, _ all: [Audit.Finding]) -> [String] {
    guard !all.isEmpty else { return [] }
    var lines = ["", title]
    var said: Set<String> = []
    for finding in all where said.insert(Self.kind(finding)).inserted {
      lines += [""] + whole(finding, beside: all.filter { Self.kind($0) == Self.kind(finding) })
    }
    return lines
  }

  private static func line(_ text: String) -> [String] { AnswerText.wrapped(text, indent: 2, first: "") }

  private var notTold: [String] {
    audit.notTold.flatMap { AnswerText.wrapped($0, indent: 4, first: "not told: ") }
      + (audit.notTold.isEmpty || audit.all.isEmpty ? [] : [""])
  }

  /// What is said once, of however many rules and files it is.
  private static func kind(_ finding: Audit.Finding) -> String {
    "\(finding.level) \(finding.rule) \(finding.mechanisms) \(finding.unless ?? "")"
  }

  /// Places of one kind that are named.
  private static let most = 12

  private func whole(_ finding: Audit.Finding, beside all: [Audit.Finding]) -> [String] {
    var lines = AnswerText.wrapped(
      "\(finding.level.rawValue) \(finding.rule): \(finding.title)", indent: 2, first: "")
    func item(_ title: String, _ text: String) {
      let name = "  \(title)" + String(repeating: " ", count: max(1, 12 - 2 - title.count))
      lines += AnswerText.wrapped(text, indent: 12, first: name)
    }
    for each in all.prefix(Self.most) {
      item(each.hasHappened ? "seen" : "set", each.what)
      for (index, place) in each.places.enumerated() { item(index == 0 ? "at" : "", "\(place)") }
    }
    if all.count > Self.most { item("", "and \(all.count - Self.most) more") }
    if let unless = finding.unless { item("unless", unless) }
    item("hurts", finding.whom)
    let mechanisms = finding.mechanisms.filter { $0 != "witnesses" }
    if !mechanisms.isEmpty { item("by", mechanisms.joined(separator: ", ")) }
    item("ends it", finding.change)
    if !finding.cost.isEmpty { item("costs", finding.cost) }
    if let run = finding.cases.first {
      if let release = run.ranOn {
        let words = run.isSameRelease == false ? ", the nearest that was run" : ""
        item("shown", "\(run.id) on Linux \(release)\(words)")
      }
      // To be copied, so on one line.
      lines.append("  see it    \(run.command)")
    }
    return lines
  }
}
