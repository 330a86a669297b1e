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

  /// The line of a terminal that what happens now is said on, and that is written over by whatever comes next.
  private static let passing = PassingLine()

  /// From now on notes are written over one another, where a person watches both outputs; they are said again by
  /// ``tellNotes()``.
  static func letNotesPass() {
    if isTerminal, isatty(2) == 1 { passing.begin() }
  }

  /// Says the notes that have passed, and lets no other pass.
  static func tellNotes() { for note in passing.end() { error(note) } }

  static func print(_ line: String) { print(TerminalText(lines: line)) }

  static func print(_ line: TerminalText) { write(line, to: .standardOutput) }

  /// Lines of our own, which end where they do.
  static func print(lines: String) {
    for line in lines.split(separator: "\n", omittingEmptySubsequences: false) { print(String(line)) }
  }

  /// A line of progress, on standard error.
  @Sendable static func note(_ line: String) async {
    let text = "pawslab: \(line)"
    guard passing.note(text) else { return error(text) }
    try? FileHandle.standardError.write(
      contentsOf: Data("\r\u{1b}[K\(Terminal.escaped(text).prefix(width - 1))".utf8))
  }

  /// Columns of the terminal; 80 where there is none.
  static var width: Int {
    var size = winsize()
    return ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
  }

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
    if passing.isOver() { try? FileHandle.standardError.write(contentsOf: Data("\r\u{1b}[K".utf8)) }
    do { try handle.write(contentsOf: Data(text.utf8)) } catch { _exit(128 + SIGPIPE) }
  }
}

/// What has been said on a line that passes.
private final class PassingLine: @unchecked Sendable {
  private let lock = NSLock()
  private var passes = false
  private var isShown = false
  private var notes: [String] = []

  func begin() { lock.withLock { passes = true } }

  func end() -> [String] {
    lock.withLock {
      defer { (passes, notes) = (false, []) }
      return notes
    }
  }

  /// - Returns: whether it passes.
  func note(_ text: String) -> Bool {
    lock.withLock {
      guard passes else { return false }
      notes.append(text)
      isShown = true
      return true
    }
  }

  /// Whether a line has to be cleared before anything else is written.
  func isOver() -> Bool {
    lock.withLock {
      defer { isShown = false }
      return isShown
    }
  }
}
