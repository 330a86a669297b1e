/// What there is to say to who brought an incident.
public struct Answer: Sendable, Codable {
  public enum Verdict: String, Sendable, Codable {
    /// One of the lab's mechanisms, or several, are shown or likely.
    case mechanism
    /// Some fit, and nothing says which.
    case notEnough = "not enough"
    /// Something is wrong, and it is none of the lab's mechanisms.
    case noneOfThese = "none of these"
    /// Nothing is wrong in what was brought.
    case nothingWrong = "nothing wrong"
  }

  /// A cause that fits.
  public struct Suspect: Sendable, Codable {
    /// As the lab calls it, `tw-paws`; of what is none of its mechanisms a word of this program, `nobody-listens`.
    public var name: String
    public var isMechanism: Bool
    public var certainty: Certainty
    public var summary: String
    /// Attempts and connections that it fits.
    public var count: Int
    /// Of whom: `198.18.0.2 (3)`.
    public var clients: [String]
    public var evidence: [String]
    public var against: [String]
    /// The lab file that shows it, and the command.
    public var lab: String?
    public var run: String?
    public var change: String?
  }

  /// Something that was seen, how often, of whom.
  public struct Event: Sendable, Codable {
    /// Of many: `connections that went well`.
    public var what: String
    public var count: Int
    public var who: [String]

    /// `2 SYNs answered by a RST`, `1 SYN answered by a RST`.
    var words: String {
      guard count == 1, let noun = ["connections", "SYN-ACKs", "SYNs"].first(where: what.contains),
        let range = what.firstRange(of: noun)
      else { return "\(count) \(what)" }
      return "1 " + what.replacingCharacters(in: range, with: noun.dropLast())
    }
  }

  /// What would tell more, and the command that gets it.
  public struct Missing: Sendable, Codable, Hashable {
    public var what: String
    public var command: String
  }

  public struct File: Sendable, Codable {
    public var name: String
    /// `pcap`, `sysctl -a`; `unknown`.
    public var kind: String
    public var notes: [String]
  }

  public var verdict: Verdict
  /// One sentence.
  public var headline: String
  public var suspects: [Suspect]
  public var missing: [Missing]
  public var happened: [Event]
  public var files: [File]

  /// Names of mechanisms that are shown or likely.
  public var named: [String] { suspects.filter { $0.isMechanism && $0.certainty >= .likely }.map(\.name) }
  /// Names of all that fit.
  public var fitting: [String] { suspects.filter(\.isMechanism).map(\.name) }
}
