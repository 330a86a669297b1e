import Model

/// The lab file of a story, for who reads it and for the parser.
struct EnactText {
  private let story: Story
  private let plot: Plot
  private let expected: String

  init(_ story: Story, _ plot: Plot, expected: String) {
    (self.story, self.plot, self.expected) = (story, plot, expected)
  }

  var text: String {
    (head + body).joined(separator: "\n") + "\n"
  }

  /// What may have come from a file is printed in what every parser and terminal takes.
  static func plain(_ text: String) -> String {
    String(text.unicodeScalars.map { (0x20..<0x7f).contains($0.value) ? Character($0) : "?" })
  }

  /// Lines of at most so many characters, by words.
  static func wrapped(_ text: String, _ first: String, _ rest: String, width: Int = 100) -> [String] {
    var lines: [String] = []
    var line = first
    for word in plain(text).split(separator: " ") {
      if line.count + word.count + 1 > width, line.count > rest.count {
        lines.append(line)
        line = rest
      }
      line += (line.hasSuffix(" ") || line.isEmpty ? "" : " ") + word
    }
    return lines + [line]
  }

  private var head: [String] {
    var lines = ["# What was diagnosed, enacted: written by pawslab diagnose --enact."]
    lines += Self.wrapped(
      "\(story.mechanism) (\(story.certainty.rawValue)), captured \(Words.place(story.view)).", "# ", "# ")
    for words in story.evidence { lines += Self.wrapped(words, "#   - ", "#     ") }
    if !plot.names.isEmpty {
      lines += ["#", "# theirs, and here:"]
      let width = plot.names.map(\.theirs.count).max() ?? 0
      for (theirs, here) in plot.names {
        lines.append(
          Self.plain("#   \(theirs)\(String(repeating: " ", count: width - theirs.count))  \(here)"))
      }
    }
    if let kernel = story.facts.kernel {
      lines += ["#", Self.plain("# Their kernel is \(kernel.prefix(60)).")]
    }
    for (title, words) in [
      ("Otherwise here than there", plot.changed), ("What was brought does not tell", plot.untold),
    ]
    where !words.isEmpty {
      lines += ["#", "# \(title):"]
      for word in words { lines += Self.wrapped(word, "#   - ", "#     ") }
    }
    return lines
  }

  private var body: [String] {
    var lines = [
      "title: \(Self.quoted("As diagnosed: \(expected), \(plot.label) as they saw it"))", "why: |",
    ]
    lines += Self.wrapped(
      Knowledge.of(.init(name: story.mechanism, isMechanism: true)).summary + ".", "  ", "  ")
    lines += Self.wrapped(
      "What they saw is what is expected; another outcome, or another mechanism, speaks against the diagnosis.",
      "  ", "  ")
    lines += ["", "topology:"] + plot.topology.map { "  \($0)" }
    lines += ["clients:"] + plot.clients.map { Self.line("  \($0.yaml)", $0.remark) }
    if !plot.settings.isEmpty {
      lines.append("settings:")
      var nodes: [String] = []
      for value in plot.settings where !nodes.contains(value.node) { nodes.append(value.node) }
      for node in nodes {
        lines.append("  \(node):")
        for value in plot.settings where value.node == node {
          lines.append(Self.line("    \(value.name): \(value.value)", value.remark))
        }
      }
    }
    lines += ["workload:"] + plot.steps.map { Self.line("  - \($0.yaml)", $0.remark) }
    lines += ["expect:", "  - otherwise: true", "    \(plot.label): \(expected)"]
    lines += plot.beside.map { "    \($0)" }
    let seen = story.evidence.first.map { "what was seen there: \($0)" } ?? "what was seen there"
    lines.append("    because: \(Self.quoted(String(seen.prefix(300))))")
    return lines
  }

  private static func line(_ yaml: String, _ remark: String?) -> String {
    remark.map { "\(yaml)  # \(plain($0))" } ?? yaml
  }

  /// A YAML scalar in double quotes.
  static func quoted(_ text: String) -> String {
    "\"" + plain(text).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
