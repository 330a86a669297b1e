/// Text for a terminal, or for whatever reads standard output line by line.
public typealias TerminalText = FormatText<Terminal>

public enum Terminal: TextFormat {
  /// Shown and obeyed by nobody.
  public static func escaped(_ text: String) -> String { Visible.line(text) }

  /// Colours of SGR (ECMA-48 8.3.117), by their numbers.
  public enum Colour: Int, Sendable {
    case red = 31
    case green = 32
    case yellow = 33
    case magenta = 35
  }
}

extension FormatText.Interpolation where Format == Terminal {
  /// Text in a colour; nil is the terminal's own. The only way in for an escape sequence.
  public mutating func appendInterpolation(_ text: String, _ colour: Terminal.Colour?) {
    let text = Terminal.escaped(text)
    append(escaped: colour.map { "\u{1b}[\($0.rawValue)m\(text)\u{1b}[0m" } ?? text)
  }
}

extension FormatText where Format == Terminal {
  /// Text of several lines: what follows a line end is indented and marked, so that no value can pretend to be
  /// the program's next line.
  public init(lines text: String) {
    self = ""
    for (index, line) in Visible.lines(text).enumerated() {
      self += index == 0 ? "\(line)" : "\n       | \(line)"
    }
  }
}
