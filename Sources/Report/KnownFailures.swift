import Judging
import Model

/// Failures that somebody knows of, with the reason and the day until which that is one: what `--known-failures`
/// names. They change the exit status and never a verdict; an error of the lab is never known.
///
/// One a line, `#` begins a comment, a pattern with spaces stands in single quotes:
///
///     CASE [on KERNEL] until YYYY-MM-DD because REASON
///     port-range/clients=one,*  on debian-*  until 2027-01-31  because the backport is asked for, bug 1234567
public struct KnownFailures: Sendable {
  /// One of them.
  public struct Known: Sendable, Equatable {
    /// Where it is written.
    public let place: Place
    /// ``CasePattern``
    public let pattern: String
    /// A pattern of kernels' names as in results; nil for all.
    public let kernel: String?
    /// The last day on which it counts.
    public let until: CalendarDate
    public let reason: String
  }

  /// A line that is none.
  public struct Mistake: Sendable, Equatable, CustomStringConvertible {
    public let place: Place
    public let message: String

    /// `known.txt:3: there is no day 2027-02-30; ...`
    public var description: String { "\(place): \(message)" }
  }

  /// All mistakes of a file.
  public struct Mistakes: Error, Sendable { public let all: [Mistake] }

  /// In the order of the file.
  public let entries: [Known]
  /// Whether what is judged is one shard of a run.
  public var isOfShard = false

  /// None.
  public init() { entries = [] }

  /// Reads a file's text.
  ///
  /// - Throws: ``Mistakes``, all of them at once, each at its line.
  public init(_ text: String, file: String) throws(Mistakes) {
    var entries: [Known] = []
    var mistakes: [Mistake] = []
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    {
      let place = Place(file: file, line: number + 1)
      switch Self.read(String(line), at: place) {
      case nil: break
      case .success(let entry)?: entries.append(entry)
      case .failure(let mistake)?: mistakes.append(Mistake(place: place, message: mistake.text))
      }
    }
    guard mistakes.isEmpty else { throw Mistakes(all: mistakes) }
    self.entries = entries
  }

  /// The first that a case's failure is known by; nil where it did not fail or is not known.
  func entry(for entry: Results.Entry, on today: CalendarDate) -> Known? {
    guard entry.verdict == .fail else { return nil }
    return entries.first { $0.until >= today && $0.names(entry) }
  }

  /// What is to be said of the file: entries that are over, that name nothing, and whose cases all pass.
  func remarks(on cases: [Results.Entry], today: CalendarDate) -> [String] {
    entries.compactMap { known in
      let own = cases.filter(known.names)
      let what = "\(known.place): known failure \(known.pattern)" + (known.kernel.map { " on \($0)" } ?? "")
      if known.until < today { return "\(what) was one until \(known.until): it no longer counts" }
      // What a shard lacks, or passes there, may be or fail in another.
      if isOfShard { return nil }
      if own.isEmpty { return "\(what): no case of this run is called so" }
      let judged = own.filter { $0.verdict != .skip }
      guard !judged.isEmpty, judged.allSatisfy({ $0.verdict == .pass }) else { return nil }
      return "\(what): \(judged.count == 1 ? "it passes" : "all \(judged.count) pass"): the entry can go"
    }
  }

  // MARK: reading

  private struct Problem: Error { let text: String }

  private static func read(_ line: String, at place: Place) -> Result<Known, Problem>? {
    var rest = Substring(line)
    let pattern: String?
    do { pattern = try word(&rest) } catch { return .failure(error) }
    guard let pattern else { return nil }
    var kernel: String?
    var until: CalendarDate?
    do {
      while let key = try word(&rest) {
        switch key {
        case "on":
          guard let name = try word(&rest) else { throw Problem(text: "after \"on\" comes a kernel's name") }
          kernel = name
        case "until":
          let text = try word(&rest) ?? ""
          guard let date = CalendarDate(text) else {
            throw Problem(
              text: text.isEmpty
                ? "after \"until\" comes a date: YYYY-MM-DD"
                : "there is no day \"\(text)\"; a date is YYYY-MM-DD")
          }
          until = date
        case "because":
          let reason = trimmed(rest)
          guard !reason.isEmpty else { throw Problem(text: "after \"because\" comes the reason") }
          guard let until else {
            throw Problem(text: "it lacks \"until YYYY-MM-DD\"; that comes before \"because\"")
          }
          return .success(
            Known(place: place, pattern: pattern, kernel: kernel, until: until, reason: reason))
        default:
          let near = Nearest.to(key, among: ["on", "until", "because"])
          throw Problem(
            text: "unknown word \"\(key)\"" + (near.map { "; did you mean \"\($0)\"?" } ?? "")
              + "; a line is CASE [on KERNEL] until YYYY-MM-DD because REASON")
        }
      }
      throw Problem(
        text: until == nil
          ? "it lacks \"until YYYY-MM-DD because REASON\"" : "it lacks \"because\" and the reason")
    } catch let problem as Problem {
      return .failure(problem)
    } catch {
      return .failure(Problem(text: "\(error)"))
    }
  }

  /// The next word; in single quotes as a shell takes them. Nil at the line's end or a comment.
  private static func word(_ rest: inout Substring) throws(Problem) -> String? {
    rest = rest.drop(while: \.isWhitespace)
    guard let first = rest.first, first != "#" else { return nil }
    var word = ""
    var quoted = false
    while let character = rest.first, quoted || !character.isWhitespace {
      rest = rest.dropFirst()
      if character == "'" {
        quoted.toggle()
      } else if character == "\\", !quoted, let next = rest.first {
        word.append(next)
        rest = rest.dropFirst()
      } else {
        word.append(character)
      }
    }
    guard !quoted else { throw Problem(text: "a quote is not closed") }
    return word
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text = text.dropLast() }
    return String(text)
  }
}

extension KnownFailures.Known {
  fileprivate func names(_ entry: Results.Entry) -> Bool {
    CasePattern(pattern).matches(entry.id, of: entry.scenario)
      && (kernel.map { Glob($0).matches(entry.kernel) } ?? true)
  }
}
