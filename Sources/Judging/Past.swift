import Evidence

/// What passed on one 4-tuple of the server's link before a SYN, and what it left the server with.
struct Past {
  private let connection: ArraySlice<Segment>
  /// The last segment.
  var last: Segment? { connection.last }

  /// Of all segments of the 4-tuple, the last connection that was answered.
  init(_ segments: [Segment]) {
    let start = segments.lastIndex { $0.outgoing && $0.isSYNACK }
    connection = start.map { segments[$0...] } ?? []
  }

  private func fin(outgoing: Bool) -> Segment? {
    connection.first { $0.outgoing == outgoing && $0.flags.contains(.fin) }
  }

  private var wasReset: Bool { connection.contains { $0.flags.contains(.rst) } }
  private var wasOpened: Bool { connection.contains { !$0.outgoing && $0.flags.contains(.ack) } }

  /// Whether the client has sent its FIN.
  var clientHasClosed: Bool { fin(outgoing: false) != nil }

  /// Whether the server has not closed it: ESTABLISHED or CLOSE_WAIT.
  var isOpen: Bool { wasOpened && !wasReset && fin(outgoing: true) == nil }

  /// The sequence number that the server awaits where it has closed, that was acknowledged, and the client has not:
  /// FIN_WAIT2. Nil in any other state.
  var finWait2: UInt32? {
    guard !wasReset, !clientHasClosed, let fin = fin(outgoing: true) else { return nil }
    let next = fin.sequence &+ UInt32(truncatingIfNeeded: fin.payload) &+ 1
    guard
      connection.contains(where: { !$0.outgoing && $0.flags.contains(.ack) && $0.acknowledgement == next })
    else { return nil }
    return connection.last { !$0.outgoing }.map { $0.sequence &+ UInt32(truncatingIfNeeded: $0.payload) }
  }

  /// Whether a timestamp is older than the client's last by more than TCP_PAWS_WINDOW.
  func isNewer(than tsval: UInt32?) -> Bool {
    guard let tsval, let recent = connection.last(where: { !$0.outgoing && $0.tsval != nil })?.tsval else {
      return false
    }
    return Int32(bitPattern: recent &- tsval) > 1
  }

  /// For a witness.
  var words: String {
    if connection.isEmpty { return "none" }
    if wasReset { return "reset" }
    if isOpen { return clientHasClosed ? "closed by the client" : "open" }
    if finWait2 != nil { return "closed by the server" }
    return "closed"
  }
}
