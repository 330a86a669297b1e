import LabFile
import Report

/// The reference for a terminal.
enum ReferenceText {
  /// Characters of a line.
  private static let width = 100

  /// The topics, each with its words.
  static func overview(_ reference: Reference) -> [String] {
    var lines = ["A lab file has these words; pawslab reference WORD says more of each."]
    for topic in reference.topics {
      lines += ["", "\(topic.name): \(topic.summary)"]
      let names = topic.entries.map(\.name)
      lines +=
        names.count > 60
        ? ["  \(names.count), by pawslab reference \(topic.name)"] : wrapped(names, indent: 2)
    }
    return lines
  }

  /// A topic, or what was asked for of it.
  static func lines(of topic: Reference.Topic) -> [String] {
    let isList = topic.entries.count > 1 && topic.entries.allSatisfy { $0.facts.isEmpty && $0.rows.isEmpty }
    var lines = ["\(topic.name): \(topic.summary)"]
    if isList {
      let longest = min(34, topic.entries.map(\.name.count).max() ?? 0)
      for entry in topic.entries { lines += item(entry.name, longest, entry.summary) }
      return lines + [""]
    }
    for entry in topic.entries { lines += [""] + self.lines(of: entry) }
    return lines + [""]
  }

  private static func lines(of entry: Reference.Entry) -> [String] {
    var lines = item(entry.name, 0, entry.summary)
    for fact in entry.facts { lines += item(fact.term, 12, fact.words, indent: 4) }
    let longest = min(20, entry.rows.map(\.name.count).max() ?? 0)
    if !entry.rows.isEmpty { lines.append("") }
    for row in entry.rows {
      lines += item(row.name, longest, row.kind, indent: 4)
      lines += wrapped(words(row.summary), indent: 6 + longest, separator: " ")
    }
    if let example = entry.example { lines += ["", "      \(example)"] }
    return lines
  }

  /// A name, and behind it words that go on below themselves.
  private static func item(_ name: String, _ longest: Int, _ text: String, indent: Int = 2) -> [String] {
    let margin = String(repeating: " ", count: indent)
    guard !text.isEmpty else { return [margin + name] }
    let fill = String(repeating: " ", count: max(0, longest - name.count))
    let first = margin + name + fill + "  "
    var lines = wrapped(words(text), indent: first.count, separator: " ")
    if !lines.isEmpty { lines[0] = first + lines[0].dropFirst(first.count) }
    return lines
  }

  private static func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

  private static func wrapped(_ words: [String], indent: Int, separator: String = ", ") -> [String] {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    var line = ""
    for word in words {
      if line.isEmpty {
        line = margin + word
      } else if line.count + separator.count + word.count + (separator == " " ? 0 : 1) > width {
        lines.append(line + (separator == " " ? "" : ","))
        line = margin + word
      } else {
        line += separator + word
      }
    }
    return line.isEmpty ? lines : lines + [line]
  }
}

/// The reference as a document.
enum ReferenceMarkdown {
  static func document(_ topics: [Reference.Topic]) -> String {
    topics.map(section).joined(separator: "\n").description
  }

  private static func section(_ topic: Reference.Topic) -> MarkdownText {
    var text: MarkdownText =
      "## \(topic.name.prefix(1).uppercased() + topic.name.dropFirst())\n\n\(topic.summary).\n\n"
    if topic.entries.allSatisfy(\.rows.isEmpty) { return text + table(topic.entries) }
    for entry in topic.entries {
      text += "### \(code: entry.name)\n\n\(entry.summary).\n\n"
      for fact in entry.facts { text += "- \(fact.term): \(fact.words)\n" }
      if !entry.facts.isEmpty { text += "\n" }
      if !entry.rows.isEmpty {
        text += "| key | value | what it says |\n| --- | --- | --- |\n"
        for row in entry.rows { text += "| \(code: row.name) | \(row.kind) | \(row.summary) |\n" }
        text += "\n"
      }
      if let example = entry.example { text += "\(block: [example])\n\n" }
    }
    return text
  }

  /// Entries that have facts only: a column for each.
  private static func table(_ entries: [Reference.Entry]) -> MarkdownText {
    var terms: [String] = []
    for term in entries.flatMap({ $0.facts.map(\.term) }) where !terms.contains(term) { terms.append(term) }
    var text: MarkdownText = "| name | what it is |"
    for term in terms { text += " \(term) |" }
    text += "\n| --- | --- |"
    for _ in terms { text += " --- |" }
    for entry in entries {
      text += "\n| \(code: entry.name) | \(entry.summary) |"
      for term in terms { text += " \(entry.facts.first { $0.term == term }?.words ?? "") |" }
    }
    return text + "\n"
  }
}
