/// Workflow commands of GitHub Actions.
public typealias GitHubText = FormatText<GitHubCommand>

public enum GitHubCommand: TextFormat {
  /// For messages (`escapeData`, actions/toolkit packages/core/src/command.ts).
  public static func escaped(_ text: String) -> String { Visible.line(text).replacing("%", with: "%25") }
}

extension FormatText.Interpolation where Format == GitHubCommand {
  /// For a property's value (`escapeProperty`, as above).
  mutating func appendInterpolation(property text: String) {
    append(
      escaped: GitHubCommand.escaped(text).replacing(":", with: "%3A").replacing(",", with: "%2C"))
  }

  /// Lines of a message.
  mutating func appendInterpolation(lines: [String]) {
    append(escaped: lines.map(GitHubCommand.escaped).joined(separator: "%0A"))
  }
}
