/// Text of GitHub-flavoured Markdown.
public typealias MarkdownText = FormatText<Markdown>

public enum Markdown: TextFormat {
  /// Text and no mark-up, in a paragraph, an item or a cell of a table: any punctuation that may open something has
  /// a backslash before it (CommonMark 2.4); so has what makes a block of a line if it comes first. `@` and `:` are
  /// entities, for a name would be told and an address be a link (GFM 6.9).
  public static func escaped(_ text: String) -> String {
    var result = ""
    var atStart = true
    for character in Visible.line(text) {
      switch character {
      case "\\", "`", "*", "_", "[", "]", "<", ">", "&", "|", "~", "!", "$": result += "\\\(character)"
      case _ where atStart && "#+-=".contains(character): result += "\\\(character)"
      case "@": result += "&#64;"
      case ":"
      where ["http", "https", "ftp", "mailto", "xmpp"].contains(where: result.lowercased().hasSuffix):
        result += "&#58;"
      case ".", ")":
        // `1.` and `1)` open a list, `www.` a link.
        let opens =
          !result.isEmpty && result.allSatisfy(\.isWholeNumber) || result.lowercased().hasSuffix("www")
        result += opens ? "\\\(character)" : "\(character)"
      default: result.append(character)
      }
      atStart = atStart && character == " "
    }
    return result
  }

  /// A table of cells that are Markdown already.
  static func table(_ head: [String], _ rows: [[String]]) -> String {
    ([head, head.map { _ in "---" }] + rows).map { "| \($0.joined(separator: " | ")) |\n" }.joined()
  }

  /// More backticks than the text has in a row, and no fewer than `least`.
  fileprivate static func fence(around text: String, least: Int) -> String {
    var longest = 0
    var run = 0
    for character in text {
      run = character == "`" ? run + 1 : 0
      longest = max(longest, run)
    }
    return String(repeating: "`", count: max(least, longest + 1))
  }
}

extension FormatText.Interpolation where Format == Markdown {
  /// A code span: the text to the letter (CommonMark 6.1).
  public mutating func appendInterpolation(code text: String) {
    let text = Visible.line(text)
    let fence = Markdown.fence(around: text, least: 1)
    let space = text.hasPrefix("`") || text.hasSuffix("`") || text.isEmpty ? " " : ""
    append(escaped: fence + space + text + space + fence)
  }

  /// A fenced block: lines to the letter (CommonMark 4.5).
  public mutating func appendInterpolation(block lines: [String]) {
    let text = lines.map(Visible.line).joined(separator: "\n")
    let fence = Markdown.fence(around: text, least: 3)
    append(escaped: "\(fence)\n\(text)\n\(fence)")
  }
}
