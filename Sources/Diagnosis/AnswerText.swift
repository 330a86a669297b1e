/// The answer for a terminal of 80 columns: what it is first, then who and why, then what else.
public struct AnswerText {
  private let answer: Answer
  private static let width = 80

  public init(_ answer: Answer) { self.answer = answer }

  public var lines: [String] {
    var lines = Self.wrapped(answer.headline, indent: 0) + [""]
    let (named, others) = (
      answer.suspects.filter { $0.certainty >= .likely }, answer.suspects.filter { $0.certainty < .likely }
    )
    for suspect in named { lines += whole(suspect) }
    if !others.isEmpty {
      lines.append(named.isEmpty ? "What fits" : "What fits too")
      for suspect in others { lines += short(suspect) }
      lines.append("")
    }
    if !answer.missing.isEmpty {
      lines.append("To be surer")
      for missing in answer.missing {
        lines += Self.wrapped(missing.what, indent: 2)
        lines += Self.wrapped(missing.command, indent: 6, first: "    $ ")
      }
      lines.append("")
    }
    if !answer.happened.isEmpty { lines.append("What was seen") }
    for event in answer.happened {
      let who = event.who.isEmpty ? "" : ": " + event.who.joined(separator: ", ")
      lines += Self.wrapped("\(event.words)\(who)", indent: 4, first: "  ")
    }

    if !answer.happened.isEmpty { lines.append("") }
    lines.append("What was read")
    for file in answer.files {
      let notes = file.notes.isEmpty ? "" : "; " + file.notes.joined(separator: "; ")
      lines += Self.wrapped("\(file.name): \(file.kind)\(notes)", indent: 4, first: "  ")
    }
    return lines
  }

  private func whole(_ suspect: Answer.Suspect) -> [String] {
    let count = suspect.count == 0 ? "" : ", \(Words.count(suspect.count, "attempt"))"
    var lines = ["\(suspect.name): \(suspect.certainty.rawValue)\(count)"]
    if !answer.headline.contains(suspect.summary) { lines += Self.wrapped(suspect.summary, indent: 2) }
    for (title, texts) in [
      ("who", suspect.clients), ("for it", suspect.evidence), ("against it", suspect.against),
    ]
    where !texts.isEmpty {
      let texts = title == "who" ? [texts.joined(separator: ", ")] : texts
      for (index, text) in texts.enumerated() { lines += Self.item(index == 0 ? title : "", text) }
    }
    if let change = suspect.change { lines += Self.item("ends it", change) }
    // To be copied, so on one line.
    if let run = suspect.run { lines.append("  see it      \(run)") }
    return lines + [""]
  }

  private func short(_ suspect: Answer.Suspect) -> [String] {
    var lines = Self.wrapped("\(suspect.name): \(suspect.summary)", indent: 4, first: "  ")
    if let words = suspect.evidence.first { lines += Self.wrapped("for it: \(words)", indent: 4) }
    if let words = suspect.against.first { lines += Self.wrapped("against it: \(words)", indent: 4) }
    if let run = suspect.run { lines += Self.wrapped("see it: \(run)", indent: 4) }
    return lines
  }

  private static func item(_ title: String, _ text: String) -> [String] {
    let name = "  \(title)" + String(repeating: " ", count: max(1, 14 - 2 - title.count))
    return wrapped(text, indent: 14, first: name)
  }

  /// A word that is longer than a line stands alone on one.
  static func wrapped(_ text: String, indent: Int, first: String? = nil) -> [String] {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    var line = first ?? margin
    var isEmpty = true
    for word in text.split(separator: " ") {
      if !isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        (line, isEmpty) = (margin, true)
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return lines + [line]
  }
}
