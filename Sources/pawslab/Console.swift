import Foundation
import Report

/// Standard output and error, and whether a person watches.
///
/// All text of the program leaves here. What a `String` holds is shown and never obeyed: it is one line, and what
/// follows a line end in it is indented and marked. Colour and whole documents are types of their own
/// (``TerminalText``, ``Document``).
enum Console {
  static let isTerminal = isatty(1) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  static let colour = isTerminal && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty

  static func print(_ line: String) { print(TerminalText(lines: line)) }

  static func print(_ line: TerminalText) { write(line, to: .standardOutput) }

  /// Lines of our own, which end where they do.
  static func print(lines: String) {
    for line in lines.split(separator: "\n", omittingEmptySubsequences: false) { print(String(line)) }
  }

  /// A line of progress, on standard error.
  @Sendable static func note(_ line: String) async { error("pawslab: \(line)") }

  static func error(_ line: String) { write(TerminalText(lines: line), to: .standardError) }

  /// Lines of our own, which end where they do.
  static func error(lines: String) {
    for line in lines.split(separator: "\n", omittingEmptySubsequences: false) { error(String(line)) }
  }

  private static func write(_ line: TerminalText, to handle: FileHandle) {
    // A runner of GitHub Actions takes a line that begins so for a command (Runner.Common/ActionCommand.cs).
    let inert = isInActions && line.description.drop { $0 == " " }.hasPrefix("::") ? "\\" : ""
    write(inert + line.description + "\n", to: handle)
  }

  static let isInActions = ProcessInfo.processInfo.environment["GITHUB_ACTIONS"] == "true"

  /// What a shell says that has the terminal for itself: it is somebody's own, and obeyed.
  @Sendable static func lend(_ bytes: [UInt8]) {
    do { try FileHandle.standardOutput.write(contentsOf: Data(bytes)) } catch { _exit(128 + SIGPIPE) }
  }

  /// A document in a format, which has escaped what is not its own.
  ///
  /// Ends the process as SIGPIPE would, where nobody reads any more; the workers end with it.
  static func write(_ text: some StringProtocol, to handle: FileHandle) {
    do { try handle.write(contentsOf: Data(text.utf8)) } catch { _exit(128 + SIGPIPE) }
  }
}
