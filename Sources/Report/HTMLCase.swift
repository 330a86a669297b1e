import Foundation
import Judging
import Model

extension HTMLReport {
  /// One case: what was expected, what was seen.
  func section(_ entry: Results.Entry, _ number: Int) -> HTMLText {
    var result: CaseResult?
    var unread: HTMLText = ""
    do { result = try load(entry) } catch {
      unread = "<p class=\"note\">its packets cannot be shown: \("\(error)")</p>\n"
    }
    let kernel = results.kernels[entry.kernel]
    var text: HTMLText =
      """
      <details class="case" id="c\(number)"><summary><span class="v \(entry.verdict.rawValue)">\(entry.label)\
      \(entry.emulation != nil ? " (emulated)" : "")</span> \(entry.words) \
      <span class="on">on \(entry.kernel)</span></summary>
      <p>\(entry.title)</p>
      <p><strong>\(entry.why)</strong></p>

      """
    if let fits = entry.fits { text += "<p>\(whatFits(fits))</p>\n" }
    if let first = entry.again { text += "<p>\(ranAgain(first))</p>\n" }
    if !entry.attempts.isEmpty {
      text +=
        "<div class=\"scroll\"><table class=\"w\"><thead><tr><th>attempt</th><th>expected</th><th>seen</th><th>SYNs</th>"
        + "<th>at the server</th><th>ms</th></tr></thead><tbody>\n"
      for judged in entry.attempts.prefix(20) {
        text +=
          "<tr><td>\(judged.attempt.label) #\(judged.attempt.id)</td><td>\(judged.expected.description)</td>"
          + "<td class=\"\(judged.holds ? "" : "fail")\">\(judged.word)"
          + "\(judged.attempt.errno.map { " (\($0))" } ?? "")</td><td>\(judged.syns)</td>"
          + "<td>\(judged.synsAtServer)</td><td>\(fixed(judged.milliseconds, decimals: 1))</td></tr>\n"
      }
      text += "</tbody></table></div>\n"
      if entry.attempts.count > 20 { text += "<p>and \(entry.attempts.count - 20) more attempts</p>\n" }
    }
    text += unread
    if let until = result?.untilItBroke, !until.isEmpty {
      text += "<h4>Until it broke</h4><pre>" + until.map { "\($0)\n" }.joined() + "</pre>\n"
    }
    if let result, let kernel { text += drawings(result, on: kernel) }
    let moved = entry.counters.sorted { $0.key < $1.key }.flatMap { node, counters in
      counters.sorted { $0.key < $1.key }.map { "\(node) \($0.key) +\($0.value)" }
    }
    text += witnesses(of: entry)
    text +=
      "<details><summary>all counters that moved (\(moved.count))</summary><pre>"
      + moved.map { "\($0)\n" }.joined() + "</pre></details>\n"
    text +=
      "<details><summary>settings in force</summary><pre>"
      + settings(of: entry).map { "\($0)\n" }.joined() + "</pre></details>\n"
    var ends: [HTMLText] = []
    if let capture = entry.capture {
      ends.append(
        HTML.link(toFile: capture).map { "packets: <a href=\"\($0)\">\(capture)</a>" }
          ?? "packets: \(capture)")
    }
    if let source = entry.source { ends.append("written in: <code>\(source.description)</code>") }
    ends.append("again: <code>\(entry.command)</code>")
    return text + "<p>" + ends.joined(separator: "<br>") + "</p></details>\n"
  }

  /// Everything that was held against an expectation: what disagrees first, then what holds, which is how the cause
  /// is known.
  private func witnesses(of entry: Results.Entry) -> HTMLText {
    guard !entry.witnesses.isEmpty else { return "" }
    let ordered = entry.witnesses.filter { !$0.holds } + entry.witnesses.filter(\.holds)
    var text: HTMLText = "<h4>Witnesses</h4>" + table(ordered.prefix(40))
    if ordered.count > 40 {
      text +=
        "<details class=\"more\"><summary>and \(ordered.count - 40) more witnesses</summary>"
        + table(ordered.dropFirst(40))
        + "</details>\n"
    }
    return text
  }

  private func table(_ witnesses: some Sequence<Witness>) -> HTMLText {
    var text: HTMLText =
      """
      <div class="scroll"><table class="w"><thead><tr><th></th><th>expected</th><th>seen</th></tr></thead><tbody>

      """
    for witness in witnesses {
      text +=
        """
        <tr><td>\(witness.name)</td><td>\(witness.expectedWords)</td>\
        <td class="\(witness.holds ? "" : "fail")">\(witness.seenWords)</td></tr>

        """
    }
    return text + "</tbody></table></div>\n"
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
  private func drawings(_ result: CaseResult, on kernel: Kernel) -> HTMLText {
    guard let observation = result.observation else { return "" }
    var text: HTMLText = ""
    let clients = Set(result.test.network.clients.prefix(3).map(\.name))
    let ladder = Ladder(
      observation, lanes: Lanes(result.test.network), clients: clients, limit: 60,
      remarks: remarks(on: result.judgement, of: result.test, on: kernel, seen: observation))
    text +=
      "<h4>Packets</h4><div class=\"draw\" tabindex=\"0\" data-ladder=\"\(json: ladder.json)\"></div>\n"
    let isSeries = result.test.workload.contains { $0.action.size(in: result.test).isSeries }
    guard isSeries, let begin = observation.attempts.first?.began else { return text }
    let connects = observation.attempts.filter { $0.kind == .connect }
    // A thousand points are enough for a picture.
    let step = max(1, connects.count / 1000)
    let points = stride(from: 0, to: connects.count, by: step).map { index in
      let attempt = connects[index]
      let (at, took) = (
        milliseconds(from: begin, to: attempt.began), milliseconds(from: attempt.began, to: attempt.ended)
      )
      return "[\(fixed(at, decimals: 1)),\(fixed(took, decimals: 2))]"
    }
    text +=
      """
      <h4>Connect latency</h4><div class="draw" data-points="[\(points.joined(separator: ","))]" \
      data-y="ms until the outcome"></div>

      """
    let waiting = observation.samples.map {
      "[\(fixed(milliseconds(from: begin, to: $0.time), decimals: 1)),\($0.timeWait)]"
    }
    if waiting.count > 1 {
      text +=
        """
        <h4>TIME_WAIT on the servers</h4><div class="draw" data-line="[\(waiting.joined(separator: ","))]" \
        data-y="sockets"></div>

        """
    }
    return text
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

  /// The attempt in question: one that was not as expected, else the worst.
  private var inQuestion: JudgedAttempt? {
    attempts.first { !$0.holds }
      ?? attempts.filter { $0.harm != nil }.min { ($0.outcome?.severity ?? 0) < ($1.outcome?.severity ?? 0) }
      ?? attempts.last
  }

  /// What happened to the attempt in question, in a word.
  var word: String {
    if verdict == .error { return "error" }
    if over != nil { return verdict.rawValue }
    return inQuestion?.word ?? "connected"
  }

  /// The same with its mechanism, and of how many connections of that label: `dropped by time-wait, 5 of 24`.
  var told: String {
    guard [.pass, .fail].contains(verdict), over == nil, let attempt = inQuestion else {
      return verdict == .skip ? "not run" : word
    }
    let words = attempt.word + (attempt.mechanism.map { " by \($0)" } ?? "")
    let alike = attempts.filter { $0.attempt.label == attempt.attempt.label }
    let same = alike.count { $0.word == attempt.word && $0.mechanism == attempt.mechanism }
    return alike.count > 1 && same < alike.count ? "\(words), \(same) of \(alike.count)" : words
  }

  /// The less the earlier it is to be read.
  var rank: Int {
    if standing.isBad { return 0 }
    if verdict == .skip { return 100 }
    return 1 + (inQuestion?.harm?.severity ?? 50)
  }
}

extension String {
  /// With its first letter a capital one, as a sentence begins.
  var asSentence: String { prefix(1).uppercased() + dropFirst() }
}

extension Ladder {
  /// For the page: the columns' names, then a row per packet: ms, client, seen on each lane, bound for the server, name,
  /// text, remark.
  var json: String {
    struct Drawing: Encodable {
      var columns: [String]
      var rows: [[String]]
      var more: Int
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let rows = cells.map { row in row.map { Visible.line($0) } }
    let drawing = Drawing(columns: lanes.columns.map { Visible.line($0) }, rows: rows, more: dropped)
    return (try? encoder.encode(drawing)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
