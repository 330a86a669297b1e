import Judging
import Model

/// What is said about the incident, and what is true of it: under which conditions, and with the cases that show it.
///
/// The words are Markdown, of which only code spans are used. The table of lab/README.md, `pawslab claims` and its tests
/// are all printed from these values.
public struct Claim: Sendable {
  /// As it is usually put.
  public let text: String
  public let verdict: Verdict
  /// What is so in fact, in a sentence.
  public let why: String
  /// Under which conditions that holds: kernels, settings, who closes first; `always` where there is none.
  public let conditions: String
  /// Patterns of the cases that show it; none where the lab has no case.
  public let cases: [String]
  public let measured: Measured

  /// How much of it holds.
  public enum Verdict: Sendable, Equatable, CustomStringConvertible {
    case right, partly, wrong, worse
    /// It was so, last in this release of Linux.
    case until(release: String)

    /// `yes`, `partly`, `no`, `worse`, `until 6.15`
    public var description: String {
      switch self {
      case .right: "yes"
      case .partly: "partly"
      case .wrong: "no"
      case .worse: "worse"
      case .until(let release): "until \(release)"
      }
    }
  }

  /// On which kernels its cases were as said.
  public struct Measured: Sendable, Equatable, CustomStringConvertible {
    /// Releases whose runs lie in lab/recorded; a test holds these against the folder.
    public let stored: [String]
    /// Releases whose runs nobody stored.
    public let seen: [String]

    init(stored: [String] = [], seen: [String] = []) { (self.stored, self.seen) = (stored, seen) }

    /// `4.9.115, stored`, `no stored run; seen on 6.18.44`, `no stored run`.
    public var description: String {
      let others = seen.isEmpty ? [] : ["seen on \(seen.joined(separator: ", "))"]
      let own = stored.isEmpty ? "no stored run" : "\(stored.joined(separator: ", ")), stored"
      return ([own] + others).joined(separator: "; ")
    }
  }

  /// Whether a case shows it.
  public func isShown(by id: String) -> Bool { cases.contains { Glob($0).matches(id) } }

  /// For a terminal: what is said, what is so and when, what shows it, where that was measured.
  public var lines: [String] {
    func plain(_ text: String) -> String { text.replacing("`", with: "") }
    let shown = cases.isEmpty ? "shown by no case" : "shown by \(cases.joined(separator: ", "))"
    return ["\(pad(verdict.description, 10)) \(plain(text))"]
      + [plain(why), "when: \(plain(conditions))", shown, "measured: \(measured)"].map { "           \($0)" }
  }

  /// The table of lab/README.md.
  public static var table: String {
    let head = ["claim", "true?", "in fact", "when", "shown by", "measured on"]
    let rows = all.map { claim in
      let shown = claim.cases.map { pattern in
        guard pattern.hasSuffix("/*"), let file = pattern.split(separator: "/").first else {
          return "`\(pattern)`"
        }
        return "[`\(file)`](\(file).yaml)"
      }
      return [
        claim.text, claim.verdict.description, claim.why, claim.conditions,
        shown.isEmpty ? "no case" : shown.joined(separator: ", "), claim.measured.description,
      ]
    }
    return Markdown.table(head, rows)
  }
}
