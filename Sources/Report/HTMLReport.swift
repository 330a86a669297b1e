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
  /// Ladders and charts of cases, by place, as JSON; nil where nothing was seen.
  let load: (Results.Entry) throws -> CaseResult?

  /// - Parameter load: what a case gave, packets and all; nil where nothing was seen. What it throws is said there.
  public init(_ results: Results, title: String, load: @escaping (Results.Entry) throws -> CaseResult?) {
    self.results = results
    self.title = title
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
    for emulation in Set(results.cases.compactMap(\.emulation)).sorted(by: { $0.name < $1.name }) {
      page += """
        <p class="note">Columns marked <em>emulated</em>: \(emulation.caution). What it cannot do: \
        \(emulation.limits.joined(separator: "; ")).</p>

        """
    }
    if results.nothingWasJudged, !results.cases.isEmpty {
      page += "<p class=\"note\">Nothing was judged: every case was skipped.</p>\n"
    }
    page += list("Not as expected", of: { $0.isBad }) + list("Known to fail", of: { $0 == .known })
    if let remarks = results.remarks {
      page += "<ul>\n" + remarks.map { "<li>\($0)</li>\n" }.joined() + "</ul>\n"
    }
    var numbers: [String: Int] = [:]
    for (number, entry) in results.cases.enumerated() { numbers["\(entry.kernel) \(entry.key)"] = number }
    page += findings(numbers) + "</header><main>\n<h2>Settings by kernels</h2>\n" + legend
    for (number, scenario) in results.scenarios.enumerated() { page += map(of: scenario, number, numbers) }
    let names = results.kernelNames
    let seeds = results.ofSeeds.flatMap { Results.lines(of: $0, among: names) }
    if !seeds.isEmpty {
      page += "<h2>Over seeds</h2>\n<pre>" + seeds.map { "\($0)\n" }.joined() + "</pre>\n"
    }
    let differences = names.count > 1 ? Difference.all(results.cases, between: names) : []
    if !differences.isEmpty {
      page +=
        "<h2>Where the kernels differ</h2>\n<pre>"
        + Difference.lines(differences).map { "\($0)\n" }.joined() + "</pre>\n"
    }
    page += "<h2>Cases</h2>\n"
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
    return "<h2>" + title + "</h2><ul>\n" + items.joined() + "</ul>\n"
  }

  /// What it came to, in sentences, each with a way to the case that shows it.
  private func findings(_ numbers: [String: Int]) -> HTMLText {
    let names = results.kernelNames
    let findings = Finding.all(results.cases, on: names)
    guard !findings.isEmpty else { return "" }
    var text: HTMLText = "<h2>Who is hurt</h2>\n<dl class=\"found\">\n"
    for (place, scenario) in results.scenarios.enumerated() {
      let own = findings.filter { $0.scenario == scenario }
      guard !own.isEmpty else { continue }
      text += "<dt><a href=\"#m\(place)\">\(scenario)</a></dt>\n"
      for finding in own {
        let proof: HTMLText =
          numbers["\(finding.kernels[0]) \(finding.proof)"].map { "<a href=\"#c\($0)\">shown</a>" } ?? ""
        let extent: HTMLText = finding.effect == nil ? "" : " <small>\(finding.extent), " + proof + "</small>"
        text += "<dd>\(finding.text)\(finding.place(among: names))" + extent + "</dd>\n"
      }
    }
    return text + "</dl>\n"
  }

  private var legend: HTMLText {
    let cells = [
      ("connected", "connected"), ("delayed", "delayed"), ("dropped", "dropped"), ("fail", "not as expected"),
      ("skip", "cannot run there"),
    ]
    return "<p class=\"legend\">"
      + cells.map { "<span class=\"\($0.0)\">\($0.1)</span>" }.joined(separator: " ")
      + " The word is what happened to the connection in question; every cell leads to its case.</p>\n"
  }

  // MARK: the map

  /// Axis values down, kernels across.
  private func map(of scenario: String, _ place: Int, _ numbers: [String: Int]) -> HTMLText {
    let own = results.cases.filter { $0.scenario == scenario }
    guard let first = own.first else { return "" }
    let kernels = results.kernelNames.filter { name in own.contains { $0.kernel == name } }
    var keys: [String] = []
    var seen: Set<String> = []
    for entry in own where seen.insert(entry.key).inserted { keys.append(entry.key) }
    let hasSeeds = own.contains { $0.key != $0.id }
    let axes = first.axisOrder
    var text: HTMLText =
      """
      <section class="map"><h3 id="m\(place)">\(scenario)</h3><p>\(first.title)</p>\
      <div class="scroll" tabindex="0" role="region" aria-labelledby="m\(place)"><table><thead><tr>
      """
    for axis in axes { text += "<th scope=\"col\">\(axis)</th>" }
    if hasSeeds { text += "<th scope=\"col\">seed</th>" }
    for kernel in kernels {
      let release = results.kernels[kernel]?.release.prefix { $0 != "-" && $0 != "+" } ?? ""
      text += "<th scope=\"col\" class=\"k\">\(kernel)<br><small>\(release)</small></th>"
    }
    text += "</tr></thead><tbody>\n"
    for key in keys {
      text += "<tr>"
      var named = false
      for kernel in kernels {
        let number = numbers["\(kernel) \(key)"]
        if !named, let entry = number.map({ results.cases[$0] }) ?? own.first(where: { $0.key == key }) {
          for axis in axes { text += "<td>\(entry.axes[axis] ?? "")</td>" }
          if hasSeeds {
            text += "<td>\(entry.over.map { "over \($0)" } ?? entry.seed.map { "\($0)" } ?? "")</td>"
          }
          named = true
        }
        text += number.map { cell(results.cases[$0], $0) } ?? "<td></td>"
      }
      text += "</tr>\n"
    }
    return text + "</tbody></table></div></section>\n"
  }

  private func cell(_ entry: Results.Entry, _ number: Int) -> HTMLText {
    guard entry.verdict != .skip else {
      return entry.standing == .failed
        ? "<td class=\"fail\" title=\"\(entry.why)\">&#x2717; required</td>"
        : "<td class=\"skip\" title=\"\(entry.why)\">&ndash;</td>"
    }
    let word = entry.word
    let bad = entry.standing.isBad
    let known = entry.standing == .known
    let label = "\(entry.words) on \(entry.kernel): \(entry.label), \(word)"
    return "<td class=\"\(bad ? "fail" : word)\"><a href=\"#c\(number)\" aria-label=\"\(label)\">"
      + (bad ? "&#x2717; " : "") + "\(word)\(known ? " (known)" : "")</a></td>"
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
