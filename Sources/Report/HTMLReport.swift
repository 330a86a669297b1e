import Foundation
import Judging
import Model

/// A run as one self-contained page: which setting on which kernel does what, and each cell's evidence.
///
/// Everything is in the file, and nothing is fetched. The page works without JavaScript but for the ladders and the
/// charts, which are drawn when their case is opened: a thousand cases are there in a moment.
public struct HTMLReport {
  let results: Results
  private let title: String
  private let origin: Origin?
  /// Ladders and charts of cases, by place, as JSON; nil where nothing was seen.
  let load: (Results.Entry) throws -> CaseResult?

  /// Where a run comes from: when it began, what was typed, which version ran it.
  public struct Origin: Sendable {
    var began: Date
    var command: [String]?
    var program: String?

    /// As the folder's plan has it.
    public init(_ plan: PlannedRun) {
      (began, command, program) = (plan.began, plan.command, plan.program)
    }

    /// `2026-11-29 17:14 UTC`
    var time: String {
      let seconds = began.timeIntervalSince1970
      let minute = Int((seconds - (seconds / 86_400).rounded(.down) * 86_400) / 60)
      func digits(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
      return "\(CalendarDate(began)) \(digits(minute / 60)):\(digits(minute % 60)) UTC"
    }
  }

  /// - Parameters:
  ///   - origin: where the run comes from; nil where nobody knows any more.
  ///   - load: what a case gave, packets and all; nil where nothing was seen. What it throws is said there.
  public init(
    _ results: Results, title: String, origin: Origin? = nil,
    load: @escaping (Results.Entry) throws -> CaseResult?
  ) {
    self.results = results
    self.title = title
    self.origin = origin
    self.load = load
  }

  /// The page.
  public var text: String { page.description }

  private var page: HTMLText {
    var page: HTMLText = """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
      script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>pawslab: \(title)</title>
      <link rel="icon" href="data:,">
      <style>\(HTMLText(HTMLAssets.style))</style></head><body>
      <header><h1>pawslab: \(title)</h1><p>\(results.headline)</p>

      """
    page += provenance
    for emulation in Set(results.cases.compactMap(\.emulation)).sorted(by: { $0.name < $1.name }) {
      page += """
        <p class="note">Columns marked <em>emulated</em>: \(emulation.caution). What it cannot do: \
        \(emulation.limits.joined(separator: "; ")).</p>

        """
    }
    if results.nothingWasJudged, !results.cases.isEmpty {
      page += "<p class=\"note\">Nothing was judged: every case was skipped.</p>\n"
    }
    page += list("Not as expected", of: { $0.isBad })
    var numbers: [String: Int] = [:]
    for (number, entry) in results.cases.enumerated() { numbers["\(entry.kernel) \(entry.key)"] = number }
    let names = results.kernelNames
    let findings = Finding.all(results.cases, on: names)
    let differences = names.count > 1 ? Difference.all(results.cases, between: names) : []
    let short = InShort(findings)
    let sentences = self.sentences(findings, numbers)
    page += short.map { inShort($0, differs: !differences.isEmpty) } ?? sentences
    page += list("Known to fail", of: { $0 == .known })
    if let remarks = results.remarks {
      page += "<ul>\n" + remarks.map { "<li>\($0)</li>\n" }.joined() + "</ul>\n"
    }
    let seeds = results.ofSeeds.flatMap { Results.lines(of: $0, among: names) }
    page += contents(
      [
        ("found", "Who is hurt", !findings.isEmpty),
        ("differ", "Where the kernels differ", !differences.isEmpty),
        ("maps", "Settings by kernels", true), ("seeds", "Over seeds", !seeds.isEmpty),
        ("cases", "Cases", true),
      ])
    page += "</header><main>\n" + (short == nil ? "" : sentences)
    if !differences.isEmpty {
      page +=
        "<h2 id=\"differ\">Where the kernels differ</h2>\n<pre>"
        + Difference.lines(differences, kernels: results.kernels).map { "\($0)\n" }.joined() + "</pre>\n"
    }
    page += "<h2 id=\"maps\">Settings by kernels</h2>\n" + legend
    for (number, scenario) in results.scenarios.enumerated() { page += map(of: scenario, number, numbers) }
    if !seeds.isEmpty {
      page += "<h2 id=\"seeds\">Over seeds</h2>\n<pre>" + seeds.map { "\($0)\n" }.joined() + "</pre>\n"
    }
    page += "<h2 id=\"cases\">Cases</h2>\n"
    for (number, entry) in results.cases.enumerated() where entry.verdict != .skip {
      page += section(entry, number)
    }
    page += skipped + again
    return page + "</main>\n<script>\(HTMLText(HTMLAssets.script))</script></body></html>\n"
  }

  /// The cases that count as something, each with a way to its evidence.
  private func list(_ title: HTMLText, of counts: (Standing) -> Bool) -> HTMLText {
    let entries = results.cases.enumerated().filter { counts($0.element.standing) }
    guard !entries.isEmpty else { return "" }
    let items: [HTMLText] = entries.map { number, entry in
      let name: HTMLText =
        entry.verdict == .skip ? "\(entry.words)" : "<a href=\"#c\(number)\">\(entry.words)</a>"
      return "<li>" + name + " on \(entry.kernel): \(entry.why)</li>\n"
    }
    let first = "<h2>" + title + "</h2><ul>\n" + items.prefix(Self.listed).joined() + "</ul>\n"
    let rest = items.dropFirst(Self.listed)
    guard !rest.isEmpty else { return first }
    return first + "<details><summary>and \(rest.count) more</summary><ul>\n" + rest.joined()
      + "</ul></details>\n"
  }

  /// So many cases are named before the answer; more would push it off the first screen.
  private static let listed = 5

  /// When, by which program, what was typed, from which seeds; the kernels are in the line before.
  private var provenance: HTMLText {
    var parts: [HTMLText] = []
    if let origin {
      parts.append("\(origin.time)")
      if let program = origin.program { parts.append("\(program)") }
      if let command = origin.command {
        parts.append("<code>\(command.map(ShellWord.quoted).joined(separator: " "))</code>")
      }
    }
    let seeds = Set(results.cases.compactMap(\.seed)).sorted()
    if let first = seeds.first, let last = seeds.last {
      let isRange = last > first && last - first == UInt64(seeds.count - 1)
      parts.append(
        seeds.count == 1
          ? "seed \(first)"
          : isRange ? "seeds \(first)-\(last)" : "\(seeds.count) seeds from \(first) to \(last)")
    }
    return parts.isEmpty ? "" : "<p class=\"origin\">" + parts.joined(separator: "; ") + "</p>\n"
  }

  /// What a run of many lab files comes to, in a few lines.
  private func inShort(_ short: InShort, differs: Bool) -> HTMLText {
    let places = Dictionary(results.scenarios.enumerated().map { ($1, $0) }) { first, _ in first }
    var text: HTMLText =
      "<section class=\"answer\"><h2>In short</h2>\n<p>\(short.sentence.asSentence).</p>\n<ul>\n"
    for line in short.lines {
      let links: [HTMLText] = line.scenarios.prefix(InShort.Line.most).map { name in
        places[name].map { "<a href=\"#m\($0)\">\(name)</a>" } ?? "\(name)"
      }
      let more = line.scenarios.count - links.count
      text +=
        "<li>\(line.words.asSentence): " + links.joined(separator: ", ")
        + (more > 0 ? " and \(more) more" : "")
        + "</li>\n"
    }
    if short.more > 0 { text += "<li><a href=\"#found\">and by \(short.more) more mechanisms</a></li>\n" }
    if differs { text += "<li><a href=\"#differ\">The kernels differ</a>.</li>\n" }
    return text + "</ul></section>\n"
  }

  /// What it came to, in sentences, each with a way to the case that shows it.
  private func sentences(_ findings: [Finding], _ numbers: [String: Int]) -> HTMLText {
    let names = results.kernelNames
    guard !findings.isEmpty else { return "" }
    var text: HTMLText =
      "<section class=\"answer\"><h2 id=\"found\">Who is hurt</h2>\n<dl class=\"found\">\n"
    for (place, scenario) in results.scenarios.enumerated() {
      let own = findings.filter { $0.scenario == scenario }
      guard !own.isEmpty else { continue }
      text += "<dt><a href=\"#m\(place)\">\(scenario)</a></dt>\n"
      for finding in own {
        let proof: HTMLText =
          numbers["\(finding.kernels[0]) \(finding.proof)"].map {
            "<a class=\"proof\" href=\"#c\($0)\">shown</a>"
          } ?? ""
        let extent: HTMLText = finding.effect == nil ? "" : " <small>\(finding.extent), " + proof + "</small>"
        text += "<dd>\(finding.text)\(finding.place(among: names))." + extent + "</dd>\n"
      }
    }
    return text + "</dl></section>\n"
  }

  /// A way to each part, and to each lab file's table.
  private func contents(_ parts: [(id: StaticString, title: HTMLText, isThere: Bool)]) -> HTMLText {
    let links: [HTMLText] = parts.filter(\.isThere).map { part in
      "<a href=\"#" + HTMLText(part.id) + "\">" + part.title + "</a>"
    }
    let files: [HTMLText] = results.scenarios.enumerated().map { "<a href=\"#m\($0)\">\($1)</a>" }
    let all: HTMLText =
      files.count < 2
      ? ""
      : "<details><summary>\(files.count) lab files</summary><p class=\"files\">"
        + files.joined(separator: " ")
        + "</p></details>"
    return "<nav><p>" + links.joined(separator: " &middot; ") + "</p>" + all
      + "<p id=\"find\"></p></nav>\n"
  }

  private var legend: HTMLText {
    let cells = [
      ("connected", "connected"), ("delayed", "delayed"), ("dropped", "dropped"), ("fail", "not as expected"),
      ("skip", "cannot run there"),
    ]
    return "<p class=\"legend\">"
      + cells.map { "<span class=\"\($0.0)\">\($0.1)</span>" }.joined(separator: " ")
      + " What happened to the connection in question, and by which mechanism; every cell leads to its case.</p>\n"
  }

  // MARK: the map

  /// Axis values down, kernels across; cases that do the same on all kernels together, the worst first.
  private func map(of scenario: String, _ place: Int, _ numbers: [String: Int]) -> HTMLText {
    let own = results.cases.filter { $0.scenario == scenario }
    guard let first = own.first else { return "" }
    let kernels = results.kernelNames.filter { name in own.contains { $0.kernel == name } }
    let hasSeeds = own.contains { $0.key != $0.id }
    let axes = first.axisOrder
    let varying = axes.filter { axis in own.contains { $0.axes[axis] != first.axes[axis] } }
    let fixed = axes.filter { !varying.contains($0) }.map { "\($0)=\(first.axes[$0] ?? "")" }
    let shown = own.count > 1 ? varying : axes
    var text: HTMLText =
      "<section class=\"map\"><h3 id=\"m\(place)\">\(scenario)</h3><p>\(first.title)</p>"
    if own.count > 1, !fixed.isEmpty { text += "<p class=\"on\">In all of them \(fixed.listed("and")).</p>" }
    text += """
      <div class="scroll" tabindex="0" role="region" aria-labelledby="m\(place)"><table><thead><tr>
      """
    for axis in shown { text += "<th scope=\"col\">\(axis)</th>" }
    if hasSeeds { text += "<th scope=\"col\">seed</th>" }
    for kernel in kernels {
      let release = results.kernels[kernel]?.release.prefix { $0 != "-" && $0 != "+" } ?? ""
      text += "<th scope=\"col\" class=\"k\">\(kernel)<br><small>\(release)</small></th>"
    }
    text += "</tr></thead>\n"
    let known = Dictionary(own.map { ($0.key, $0) }) { first, _ in first }
    let width = shown.count + (hasSeeds ? 1 : 0) + kernels.count
    for group in groups(of: own, on: kernels) {
      text += "<tbody>"
      if group.keys.count > 1 {
        text +=
          "<tr class=\"g\"><th colspan=\"\(width)\" scope=\"rowgroup\">\(group.words), \(group.keys.count) cases</th></tr>\n"
      }
      for key in group.keys {
        text += row(key, known, shown, kernels, hasSeeds: hasSeeds, numbers)
      }
      text += "</tbody>"
    }
    return text + "</table></div></section>\n"
  }

  /// Cases that do the same on each of the kernels.
  private func groups(of own: [Results.Entry], on kernels: [String]) -> [(words: String, keys: [String])] {
    var keys: [String] = []
    var told: [String: [String: (words: String, rank: Int)]] = [:]
    for entry in own {
      if told[entry.key] == nil { keys.append(entry.key) }
      told[entry.key, default: [:]][entry.kernel] = (entry.told, entry.rank)
    }
    var groups: [(words: String, rank: Int, keys: [String])] = []
    for key in keys {
      let cells = kernels.map { told[key]?[$0]?.words ?? "" }
      let words =
        Set(cells).count == 1
        ? cells[0]
        : zip(kernels, cells).filter { !$1.isEmpty }.map { "\($0): \($1)" }.joined(separator: "; ")
      if let index = groups.firstIndex(where: { $0.words == words }) {
        groups[index].keys.append(key)
      } else {
        groups.append((words, kernels.compactMap { told[key]?[$0]?.rank }.min() ?? .max, [key]))
      }
    }
    let order = groups.indices.sorted { (groups[$0].rank, $0) < (groups[$1].rank, $1) }
    return order.map { (groups[$0].words, groups[$0].keys) }
  }

  private func row(
    _ key: String, _ own: [String: Results.Entry], _ axes: [String], _ kernels: [String], hasSeeds: Bool,
    _ numbers: [String: Int]
  ) -> HTMLText {
    guard let entry = own[key] else { return "" }
    var text: HTMLText = "<tr>"
    for axis in axes { text += "<td data-a=\"\(axis)\">\(entry.axes[axis] ?? "")</td>" }
    if hasSeeds {
      text +=
        "<td data-a=\"seed\">\(entry.over.map { "over \($0)" } ?? entry.seed.map { "\($0)" } ?? "")</td>"
    }
    for kernel in kernels {
      text +=
        numbers["\(kernel) \(key)"].map { cell(results.cases[$0], $0, isOnly: kernels.count == 1) }
        ?? "<td></td>"
    }
    return text + "</tr>\n"
  }

  private func cell(_ entry: Results.Entry, _ number: Int, isOnly: Bool) -> HTMLText {
    let place: HTMLText = isOnly ? "" : " data-k=\"\(entry.kernel)\""
    guard entry.verdict != .skip else {
      return entry.standing == .failed
        ? "<td class=\"fail\"" + place + " title=\"\(entry.why)\">&#x2717; required</td>"
        : "<td class=\"skip\"" + place + " title=\"\(entry.why)\">&ndash;</td>"
    }
    let bad = entry.standing.isBad
    let known = entry.standing == .known
    let label = "\(entry.words) on \(entry.kernel): \(entry.label), \(entry.told)"
    return "<td class=\"\(bad ? "fail" : entry.word)\"" + place
      + "><a href=\"#c\(number)\" aria-label=\"\(label)\">" + (bad ? "&#x2717; " : "")
      + "\(entry.told)\(known ? " (known)" : "")</a></td>"
  }

  // MARK: the end

  private var skipped: HTMLText {
    var reasons: [(reason: String, count: Int)] = []
    for entry in results.cases where entry.verdict == .skip {
      let reason = "\(entry.kernel): \(entry.why)"
      if let index = reasons.firstIndex(where: { $0.reason == reason }) {
        reasons[index].count += 1
      } else {
        reasons.append((reason, 1))
      }
    }
    guard !reasons.isEmpty else { return "" }
    return "<h2>Skipped</h2><ul>\n"
      + reasons.map { "<li>\($0.count): \($0.reason)</li>\n" }.joined() + "</ul>\n"
  }

  private var again: HTMLText {
    """
    <h2>Run it again</h2><p>In the folder of this page: <code>pawslab replay .</code> runs the same cases on the same \
    kernels and says where they differ now; <code>pawslab judge .</code> judges what was seen again; Wireshark opens \
    everything in <code>captures</code>.</p>

    """
  }
}
