import Foundation
import Scenario

/// A run as one self-contained page: which setting on which kernel does what, and each cell's evidence.
///
/// Everything is in the file, and nothing is fetched. The page works without JavaScript but for the ladders and the
/// charts, which are drawn when their case is opened: a thousand cases are there in a moment.
public struct HTMLReport {
  private let results: Results
  private let title: String
  /// Ladders and charts of cases, by place, as JSON; nil where nothing was seen.
  private let load: (Results.Entry) throws -> CaseResult?

  /// - Parameter load: what a case gave, packets and all; nil where nothing was seen. What it throws is said there.
  public init(_ results: Results, title: String, load: @escaping (Results.Entry) throws -> CaseResult?) {
    self.results = results
    self.title = title
    self.load = load
  }

  /// The page.
  public var text: String {
    var page = """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>pawslab: \(escaped(title))</title>
      <link rel="icon" href="data:,">
      <style>\(HTMLAssets.style)</style></head><body>
      <header><h1>pawslab: \(escaped(title))</h1><p>\(escaped(results.headline))</p>

      """
    if results.cases.contains(where: { $0.emulated == true }) {
      page += """
        <p class="note">Columns marked <em>emulated</em> show a rule that Linux removed in 4.12, brought back by eBPF: \
        they are not what that kernel does.</p>

        """
    }
    let bad = results.cases.enumerated().filter { [.fail, .error].contains($0.element.verdict) }
    if !bad.isEmpty {
      page += "<h2>Not as expected</h2><ul>\n"
      for (number, entry) in bad {
        page +=
          "<li><a href=\"#c\(number)\">\(escaped(entry.id))</a> on \(escaped(entry.kernel)): "
          + "\(escaped(entry.reason))</li>\n"
      }
      page += "</ul>\n"
    }
    page += "</header><main>\n<h2>Settings by kernels</h2>\n" + legend
    var numbers: [String: Int] = [:]
    for (number, entry) in results.cases.enumerated() { numbers["\(entry.kernel) \(entry.id)"] = number }
    for scenario in results.scenarios { page += map(of: scenario, numbers) }
    let names = results.kernelNames
    let differences = names.count > 1 ? Difference.all(results.cases, between: names) : []
    if !differences.isEmpty {
      page +=
        "<h2>Where the kernels differ</h2>\n<pre>"
        + escaped(Difference.lines(differences).joined(separator: "\n")) + "</pre>\n"
    }
    page += "<h2>Cases</h2>\n"
    for (number, entry) in results.cases.enumerated() where entry.verdict != .skip {
      page += section(entry, number)
    }
    page += skipped + again
    return page + "</main>\n<script>\(HTMLAssets.script)</script></body></html>\n"
  }

  private var legend: String {
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
  private func map(of scenario: String, _ numbers: [String: Int]) -> String {
    let own = results.cases.filter { $0.scenario == scenario }
    guard let first = own.first else { return "" }
    let kernels = results.kernelNames.filter { name in own.contains { $0.kernel == name } }
    var ids: [String] = []
    var seen: Set<String> = []
    for entry in own where seen.insert(entry.id).inserted { ids.append(entry.id) }
    let axes = first.axisOrder
    var text =
      "<section class=\"map\"><h3 id=\"m-\(escaped(scenario))\">\(escaped(scenario))</h3>"
      + "<p>\(escaped(first.title))</p><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      + "aria-labelledby=\"m-\(escaped(scenario))\"><table><thead><tr>"
    for axis in axes { text += "<th scope=\"col\">\(escaped(axis))</th>" }
    for kernel in kernels {
      let release = results.kernels[kernel]?.release.prefix { $0 != "-" && $0 != "+" } ?? ""
      text += "<th scope=\"col\" class=\"k\">\(escaped(kernel))<br><small>\(escaped(release))</small></th>"
    }
    text += "</tr></thead><tbody>\n"
    for id in ids {
      text += "<tr>"
      var named = false
      for kernel in kernels {
        let number = numbers["\(kernel) \(id)"]
        if !named, let entry = number.map({ results.cases[$0] }) ?? own.first(where: { $0.id == id }) {
          for axis in axes { text += "<td>\(escaped(entry.axes[axis] ?? ""))</td>" }
          named = true
        }
        text += number.map { cell(results.cases[$0], $0) } ?? "<td></td>"
      }
      text += "</tr>\n"
    }
    return text + "</tbody></table></div></section>\n"
  }

  private func cell(_ entry: Results.Entry, _ number: Int) -> String {
    guard entry.verdict != .skip else {
      return "<td class=\"skip\" title=\"\(escaped(entry.reason))\">&ndash;</td>"
    }
    let word = entry.word
    let bad = entry.verdict == .fail || entry.verdict == .error
    let label = "\(entry.id) on \(entry.kernel): \(entry.verdict.rawValue), \(word)"
    return "<td class=\"\(bad ? "fail" : word)\"><a href=\"#c\(number)\" aria-label=\"\(escaped(label))\">"
      + (bad ? "&#x2717; " : "") + "\(escaped(word))</a></td>"
  }

  // MARK: a case

  private func section(_ entry: Results.Entry, _ number: Int) -> String {
    var result: CaseResult?
    var unread = ""
    do { result = try load(entry) } catch {
      unread = "<p class=\"note\">its packets cannot be shown: \(escaped("\(error)"))</p>\n"
    }
    let kernel = results.kernels[entry.kernel]
    var text =
      "<details class=\"case\" id=\"c\(number)\"><summary><span class=\"v \(entry.verdict.rawValue)\">"
      + "\(entry.verdict.rawValue)\(entry.emulated == true ? " (emulated)" : "")</span> \(escaped(entry.id)) "
      + "<span class=\"on\">on \(escaped(entry.kernel))</span></summary>\n"
    text += "<p>\(escaped(entry.title))</p>\n<p><strong>\(escaped(entry.reason))</strong></p>\n"
    if let first = entry.again { text += "<p>\(escaped(ranAgain(first)))</p>\n" }
    if !entry.attempts.isEmpty {
      text +=
        "<div class=\"scroll\"><table><thead><tr><th>attempt</th><th>expected</th><th>seen</th><th>SYNs</th>"
        + "<th>at the server</th><th>ms</th></tr></thead><tbody>\n"
      for judged in entry.attempts.prefix(20) {
        text +=
          "<tr><td>\(escaped(judged.attempt.label)) #\(judged.attempt.id)</td><td>\(escaped("\(judged.expected)"))</td>"
          + "<td class=\"\(judged.holds ? "" : "fail")\">\(judged.word)"
          + "\(judged.attempt.errno.map { " (\(escaped($0)))" } ?? "")</td><td>\(judged.syns)</td>"
          + "<td>\(judged.synsAtServer)</td><td>\(fixed(judged.milliseconds, decimals: 1))</td></tr>\n"
      }
      text += "</tbody></table></div>\n"
      if entry.attempts.count > 20 { text += "<p>and \(entry.attempts.count - 20) more attempts</p>\n" }
    }
    text += unread
    if let result, let kernel { text += drawings(result, on: kernel) }
    let moved = entry.counters.sorted { $0.key < $1.key }.flatMap { node, counters in
      counters.sorted { $0.key < $1.key }.map { "\(node) \($0.key) +\($0.value)" }
    }
    let guarded = entry.witnesses.filter { $0.seen.hasPrefix("+") || !$0.holds }
    if !guarded.isEmpty {
      text +=
        "<h4>Witnesses</h4><div class=\"scroll\"><table><thead><tr><th></th><th>expected</th><th>seen</th></tr></thead><tbody>\n"
      for witness in guarded.prefix(40) {
        text +=
          "<tr><td>\(escaped(witness.name))</td><td>\(escaped(witness.expected))</td>"
          + "<td class=\"\(witness.holds ? "" : "fail")\">\(escaped(witness.seen))</td></tr>\n"
      }
      text += "</tbody></table></div>\n"
    }
    text +=
      "<details><summary>all counters that moved (\(moved.count))</summary><pre>\(escaped(moved.joined(separator: "\n")))</pre></details>\n"
    text +=
      "<details><summary>settings in force</summary><pre>\(escaped(settings(of: entry).joined(separator: "\n")))</pre></details>\n"
    var ends: [String] = []
    if let capture = entry.capture {
      ends.append("packets: <a href=\"\(escaped(capture))\">\(escaped(capture))</a>")
    }
    let options = (entry.emulated == true ? " --emulate tw_recycle" : "")
    let name = entry.kernel.replacing("-emulated", with: "")
    ends.append(
      "again: <code>pawslab run --kernel \(escaped(name))\(options) --case '\(escaped(entry.id))'</code>")
    return text + "<p>\(ends.joined(separator: "<br>"))</p></details>\n"
  }

  /// Those that are not the baseline.
  private func settings(of entry: Results.Entry) -> [String] {
    entry.settings.sorted { $0.key < $1.key }.flatMap { node, values in
      values.sorted { $0.key < $1.key }.compactMap { name, value in
        Setting.named(name)?.baseline == value.split(separator: "\t").joined(separator: " ")
          ? nil : "\(node): \(name)=\(value)"
      }
    } + ["all others as the baseline: see results.json"]
  }

  /// The ladder, and for a churn how long connects took and how many sockets were in TIME_WAIT.
  private func drawings(_ result: CaseResult, on kernel: Kernel) -> String {
    guard let observation = result.observation else { return "" }
    var text = ""
    let clients = Set(result.test.network.clients.prefix(3).map(\.name))
    let ladder = Ladder(
      observation, hop: result.test.network.hop != nil, around: result.test.network.topology.hasRouter,
      clients: clients, limit: 60,
      remarks: remarks(on: result.judgement, of: result.test, on: kernel, seen: observation))
    text +=
      "<h4>Packets</h4><div class=\"scroll draw\" tabindex=\"0\" data-ladder=\"\(escaped(ladder.json))\"></div>\n"
    let churn = result.test.workload.contains { if case .churn = $0 { true } else { false } }
    guard churn, let begin = observation.attempts.first?.began else { return text }
    let connects = observation.attempts.filter { $0.kind == .connect }
    // A thousand points are enough for a picture.
    let step = max(1, connects.count / 1000)
    let points = stride(from: 0, to: connects.count, by: step).map { index in
      let attempt = connects[index]
      return
        "[\(fixed(Double(attempt.began.subtracting(begin)) / 1e6, decimals: 1)),\(fixed(Double(attempt.ended.subtracting(attempt.began)) / 1e6, decimals: 2))]"
    }
    text +=
      "<h4>Connect latency</h4><div class=\"scroll draw\" data-points=\"[\(points.joined(separator: ","))]\" data-y=\"ms until the outcome\"></div>\n"
    let waiting = observation.samples.map {
      "[\(fixed(Double($0.time.subtracting(begin)) / 1e6, decimals: 1)),\($0.timeWait)]"
    }
    if waiting.count > 1 {
      text +=
        "<h4>TIME_WAIT on the servers</h4><div class=\"scroll draw\" data-line=\"[\(waiting.joined(separator: ","))]\" data-y=\"sockets\"></div>\n"
    }
    return text
  }

  // MARK: the end

  private var skipped: String {
    var reasons: [(reason: String, count: Int)] = []
    for entry in results.cases where entry.verdict == .skip {
      let reason = "\(entry.kernel): \(entry.reason)"
      if let index = reasons.firstIndex(where: { $0.reason == reason }) {
        reasons[index].count += 1
      } else {
        reasons.append((reason, 1))
      }
    }
    guard !reasons.isEmpty else { return "" }
    return "<h2>Skipped</h2><ul>\n"
      + reasons.map { "<li>\($0.count): \(escaped($0.reason))</li>\n" }.joined() + "</ul>\n"
  }

  private var again: String {
    """
    <h2>Run it again</h2><p>In the folder of this page: <code>pawslab replay .</code> runs the same cases on the same \
    kernels and says where they differ now; <code>pawslab judge .</code> judges what was seen again; Wireshark opens \
    everything in <code>captures</code>.</p>

    """
  }
}

extension Results.Entry {
  /// Axes in the order of the case's name.
  var axisOrder: [String] {
    let parts = id.split(separator: "/").last.map { $0.split(separator: ",") } ?? []
    func place(_ axis: String) -> Int {
      let name = axis.split(separator: ".").last ?? ""
      return parts.firstIndex { part in
        let key = part.prefix { $0 != "=" }
        return name.hasSuffix(key) && part.dropFirst(key.count + 1) == axes[axis] ?? ""
      } ?? parts.count
    }
    return axes.keys.sorted { (place($0), $0) < (place($1), $1) }
  }

  /// What happened to the attempt in question: one that was not as expected, else the worst.
  var word: String {
    if verdict == .error { return "error" }
    let worst: [Outcome] = [
      .dropped, .lost, .refused, .reset, .exhausted, .unacknowledged, .delayed,
    ]
    let odd =
      attempts.first { !$0.holds }?.word
      ?? worst.first { outcome in attempts.contains { $0.outcome == outcome } }?.rawValue
    return odd ?? attempts.last?.word ?? "connected"
  }
}

extension Ladder {
  /// For the page: whether there is a hop, then a row per packet: ms, client, seen on the left, on the right, bound
  /// for the server, name, text, remark.
  var json: String {
    struct Drawing: Encodable {
      var hop: Bool
      var rows: [[String]]
      var more: Int
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let drawing = Drawing(hop: hop, rows: cells, more: dropped)
    return (try? encoder.encode(drawing)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
