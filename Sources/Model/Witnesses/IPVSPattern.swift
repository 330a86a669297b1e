/// Entries of a director's connection table as `ipvsadm -Lnc` lists them: `TIME_WAIT client:40000 *:8000 server.1:8000`,
/// the state, the client, the virtual service, the real server. `x2` at the end says how many; one otherwise.
public struct IPVSPattern: Notation {
  /// As ipvsadm names it; nil where any will do.
  public let state: String?
  public let client: EndPattern
  public let virtual: EndPattern
  public let server: EndPattern
  public let count: Amount
  private let text: String

  /// `tcp_state_name_table`, net/netfilter/ipvs/ip_vs_proto_tcp.c.
  public static let states = [
    "NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
    "LISTEN", "SYNACK",
  ]

  /// Reads it.
  public init(text: String) throws(NotationError) {
    self.text = text
    var words = text.split(separator: " ")
    if words.first == "TCP" { words.removeFirst() }
    let count = try words.last.flatMap { (word) throws(NotationError) in try Amount.times(word) }
    if count != nil { words.removeLast() }
    self.count = count ?? Amount(1)
    guard words.count == 4 else {
      throw NotationError(
        "\"\(text)\": write the state, the client, the virtual service and the real server, as ipvsadm -Lnc does"
      )
    }
    guard words[0] == "*" || Self.states.contains(String(words[0])) else {
      throw NotationError(
        "no state is called \"\(words[0])\"; it is one of \(Self.states.joined(separator: ", ")), or *")
    }
    state = words[0] == "*" ? nil : String(words[0])
    client = try EndPattern(words[1])
    virtual = try EndPattern(words[2])
    server = try EndPattern(words[3])
  }

  public var description: String { text }
}
