/// The words for witnesses; the only place that has them. A judgement's reason is made of them, and reports show them.
extension Witness {
  /// What was looked at: `server TcpExt.PAWSTimewait`, `late #1 old ACKs`.
  public var name: String {
    switch subject {
    case .counter(let node, let name): "\(node) \(name)"
    case .packets(let title, let what): "\(title) \(what)"
    case .reason(let title, let names): "\(title) drop reason \(names.joined(separator: ", "))"
    case .stamp(let title): "\(title) cached stamp"
    case .clock(let client): "\(client) clock"
    case .isn(let client): "\(client) ISN"
    case .source(let title?, let server): "\(title) source at \(server ?? "the server")"
    case .source(nil, _): "source"
    case .served(let label): "\(label) served"
    case .branches(let label): "\(label) branches"
    case .share(let label): "\(label) refused"
    case .attempts(let label): label
    case .timeWait: "servers' TIME_WAIT"
    case .sockets(let node, let named): "\(node) sockets: \(named)"
    case .conntrack(let node, let named): "\(node) conntrack: \(named)"
    case .ipvs(let node, let named): "\(node) ipvs: \(named)"
    case .drops(let node, let reason): "\(node) drops: \(reason)"
    case .pattern(let text): "packets: \(text)"
    case .text(let name): name
    }
  }

  /// What was expected: `+2`, `1 to 3`, `as pinned`.
  public var expectedWords: String { words(expected) }
  /// What was seen.
  public var seenWords: String { words(seen) }

  private func words(_ reading: Reading) -> String {
    let sign = if case .counter = subject { "+" } else { "" }
    switch reading {
    case .number(let number): return "\(sign)\(number)"
    case .range(let from, nil): return "at least \(sign)\(from)"
    case .range(let from, let to?): return "\(sign)\(from) to \(sign)\(to)"
    case .words(let words): return words
    }
  }
}

extension Witness.Title: CustomStringConvertible {
  /// `late #1`
  public var description: String { "\(label) #\(id)" }
}
