/// Sockets of a node as `ss -tan` lists them: `TIME-WAIT`, or `TIME-WAIT server:8000 198.18.0.2:*` with the local end and
/// the peer; and how many. Written `TIME-WAIT: 1`, kept as `TIME-WAIT x1`.
public struct SocketPattern: Notation {
  /// As `ss` names it; nil where any will do.
  public let state: String?
  /// Nil where any will do.
  public let local: EndPattern?
  public let peer: EndPattern?
  public let count: Amount

  /// By include/net/tcp_states.h and ss's names. `FIN-WAIT-2` is a TIME_WAIT socket too that has no FIN of the peer yet.
  public static let states = [
    "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK",
    "CLOSING",
  ]

  /// Reads the two halves of a line in a lab file.
  public init(sockets text: String, count: String) throws(NotationError) {
    try self.init(text: text, count: Amount(text: count))
  }

  /// Reads `TIME-WAIT server:8000 *:* x1`; without `x1` it is one.
  public init(text: String) throws(NotationError) {
    var words = text.split(separator: " ")
    let count = try words.last.flatMap { (word) throws(NotationError) in try Amount.times(word) }
    if count != nil { words.removeLast() }
    try self.init(text: words.joined(separator: " "), count: count ?? Amount(1))
  }

  private init(text: String, count: Amount) throws(NotationError) {
    let words = text.split(separator: " ")
    guard words.count == 1 || words.count == 3 else {
      throw NotationError("\"\(text)\": write a state, or a state, the local end and the peer, as ss does")
    }
    guard words[0] == "*" || Self.states.contains(String(words[0])) else {
      throw NotationError(
        "no state is called \"\(words[0])\"; it is one of \(Self.states.joined(separator: ", ")), or *")
    }
    state = words[0] == "*" ? nil : String(words[0])
    local = words.count == 3 ? try EndPattern(words[1]) : nil
    peer = words.count == 3 ? try EndPattern(words[2]) : nil
    self.count = count
  }

  /// Without the number.
  public var name: String {
    (state ?? "*") + (local.map { " \($0)" } ?? "") + (peer.map { " \($0)" } ?? "")
  }

  public var description: String { "\(name) x\(count)" }
}
