import Model

extension AuthorWitnesses {
  /// Line by line, for an explanation: `server TcpExt.PAWSEstab +2`, `packets late > server Flags [S] x2`.
  var lines: [String] {
    func lines<Value>(_ table: [String: Value], _ words: (String, Value) -> [String]) -> [String] {
      table.sorted { $0.key < $1.key }.flatMap(words)
    }
    return lines(counters) { node, all in lines(all) { ["\(node) \($0) +\($1)"] } }
      + packets.map { "packets \($0)" }
      + lines(sockets) { node, all in all.map { "\(node) sockets \($0)" } }
      + lines(conntrack) { node, all in
        all.isEmpty ? ["\(node) conntrack empty"] : all.map { "\(node) conntrack \($0)" }
      }
      + lines(ipvs) { node, all in all.isEmpty ? ["\(node) ipvs empty"] : all.map { "\(node) ipvs \($0)" } }
      + lines(drops) { node, all in lines(all) { ["\(node) drops \($0) \($1)"] } }
  }
}
