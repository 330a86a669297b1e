/// Entries of a conntrack table as `conntrack -L -p tcp` lists them: `TIME_WAIT src=late dport=8000 dport=40000 [ASSURED]`.
///
/// Words may be left out. The first `src=`, `dst=`, `sport=` and `dport=` of a kind are of the original direction, the
/// second of the answers. `x2` at the end says how many; one otherwise.
public struct ConntrackPattern: Notation {
  /// One direction's addresses and ports; each nil where any will do.
  public struct Direction: Sendable, Hashable {
    public var source: String?
    public var destination: String?
    public var sourcePort: Int?
    public var destinationPort: Int?
  }

  /// As `conntrack -L` names it; nil where any will do.
  public private(set) var state: String?
  public private(set) var original = Direction()
  public private(set) var reply = Direction()
  /// Whether it must be `[ASSURED]`, or must not (`[no ASSURED]`); nil where either will do.
  public private(set) var assured: Bool?
  /// The same of `[UNREPLIED]`.
  public private(set) var unreplied: Bool?
  public private(set) var count = Amount(1)
  private let text: String

  /// `tcp_conntrack_names`, net/netfilter/nf_conntrack_proto_tcp.c.
  public static let states = [
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
    "SYN_SENT2",
  ]

  /// Reads it.
  public init(text: String) throws(NotationError) {
    self.text = text
    var words = text.replacing("[no ", with: "[no-").split(separator: " ")[...]
    if words.first == "tcp" { words.removeFirst() }
    // How often each key was there.
    var said: [Substring: Int] = [:]
    for word in words {
      switch word {
      case "[ASSURED]": assured = true
      case "[no-ASSURED]": assured = false
      case "[UNREPLIED]": unreplied = true
      case "[no-UNREPLIED]": unreplied = false
      case _ where Self.states.contains(String(word)): state = String(word)
      case _ where word.contains("="): try add(word, &said)
      default:
        guard let count = try Amount.times(word) else {
          throw NotationError(
            "\"\(word)\" is no word of conntrack -L; it is a state (\(Self.states.joined(separator: ", "))), "
              + "src=, dst=, sport=, dport=, [ASSURED], [UNREPLIED] or x2")
        }
        self.count = count
      }
    }
  }

  private mutating func add(_ word: Substring, _ said: inout [Substring: Int]) throws(NotationError) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let value = parts[1] == "*" ? nil : parts[1]
    switch parts[0] {
    case "src": try set(\.source, value.map(String.init), word, &said)
    case "dst": try set(\.destination, value.map(String.init), word, &said)
    case "sport": try set(\.sourcePort, Self.port(value), word, &said)
    case "dport": try set(\.destinationPort, Self.port(value), word, &said)
    default: throw NotationError("\"\(word)\": it is src=, dst=, sport= or dport=")
    }
  }

  private static func port(_ text: Substring?) throws(NotationError) -> Int? {
    guard let text else { return nil }
    guard let port = Int(text), (1...65535).contains(port) else {
      throw NotationError("\"\(text)\" is no port: 1 to 65535, or *")
    }
    return port
  }

  private mutating func set<Value>(
    _ path: WritableKeyPath<Direction, Value?>, _ value: Value?, _ word: Substring,
    _ said: inout [Substring: Int]
  ) throws(NotationError) {
    let key = word.prefix { $0 != "=" }
    said[key, default: 0] += 1
    switch said[key] {
    case 1: original[keyPath: path] = value
    case 2: reply[keyPath: path] = value
    default: throw NotationError("\"\(word)\": \(key)= stands three times, and an entry has two directions")
    }
  }

  public var description: String { text }
}
