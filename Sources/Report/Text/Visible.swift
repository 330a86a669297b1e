/// Text that shows and does nothing: what a file, a kernel or a saved result says may hold characters that move a
/// cursor, end a line or turn the direction of writing, and no format is to be told what to do by a title.
public enum Visible {
  /// One line of the text. Each character that does something instead of being seen is written as Swift would in a
  /// literal: `\n`, `\u{1b}`. A tab is a space. Twice is as once.
  ///
  /// Those are the controls (C0, DEL, C1), line and paragraph separators, formats (bidirectional overrides and
  /// isolates, tags, invisible operators; UAX 9, UTS 55) but the two joiners that scripts need, and what Unicode has
  /// not assigned or will not. So is the character without which a CI finds no command of its own in what passes:
  /// `##[error]` (Azure Pipelines, and the GitHub runner anywhere in a line), `##teamcity[`, and `::error::` where a
  /// line begins so (Runner.Common/ActionCommand.cs, which skips spaces before it).
  public static func line(_ text: some StringProtocol) -> String { inert(shown(text)) }

  private static func inert(_ text: String) -> String {
    var text = text
    if text.contains("##") { text = text.replacing(/##([A-Za-z]*)\[/) { "##\($0.1)\\u{5b}" } }
    if text.drop(while: { $0 == " " }).hasPrefix("::"), text.prefixMatch(of: #/ *::[A-Za-z].*::/#) != nil {
      text = text.replacing("::", with: "\\u{3a}:", maxReplacements: 1)
    }
    return text
  }

  /// Whether a character of the text does something instead of being seen.
  public static func acts(_ text: some StringProtocol) -> Bool {
    !text.utf8.allSatisfy { (0x20...0x7e).contains($0) } && text.unicodeScalars.contains(where: acts)
  }

  private static func shown(_ text: some StringProtocol) -> String {
    guard acts(text) else { return String(text) }
    var result = ""
    for scalar in text.unicodeScalars {
      guard acts(scalar) else {
        result.unicodeScalars.append(scalar)
        continue
      }
      switch scalar {
      case "\t": result += " "
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      default: result += "\\u{\(String(scalar.value, radix: 16))}"
      }
    }
    return result
  }

  /// Each line of the text as ``line(_:)`` has it; at least one.
  public static func lines(_ text: some StringProtocol) -> [String] {
    text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map { line($0) }
  }

  /// The lines of the text as one, with bars between them.
  public static func joined(_ text: some StringProtocol) -> String {
    lines(text).map { $0.drop { $0 == " " } }.filter { !$0.isEmpty }.joined(separator: " | ")
  }

  private static func acts(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7f { return scalar.value < 0x20 }
    switch scalar.properties.generalCategory {
    case .format: return scalar.value != 0x200c && scalar.value != 0x200d
    case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: return true
    default: return false
    }
  }
}
