import Evidence
import Model

/// A byte of an open connection, or the probe of a keepalive before it, comes to a host that has no such connection.
struct NoSocket: MechanismRule {
  let name: Mechanism = "no-socket"
  let outcomes: [Outcome] = [.reset]
  let summary =
    "a segment of an open connection comes to a host that knows no such connection, which answers with a RST"
  let source = "tcp_v4_rcv (no_tcp_socket) and tcp_v4_send_reset, net/ipv4/tcp_ipv4.c; RFC 9293, 3.10.7.1"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    let resets = book.resetsAtSender
    book.count("RSTs at the sender", resets, is: .atLeast(1))
    book.count(
      "packets on the server's link that nobody has rewritten", book.unrewritten.count, is: .number(0))
    // tcp_reset ends the sender's end.
    book.move("Tcp.EstabResets", 1, on: book.sender)
    // Whoever answers has it counted: the other end, where it is seen to leave there, else who stands between.
    let other = book.sender == book.client ? book.server : book.client
    let (trace, began) = (book.trace, book.since)
    let own = (book.test.network.isServer(other) ? trace.serverLink : trace.clientLink[other] ?? []).count {
      $0.node == other && $0.outgoing && $0.flags.contains(.rst) && $0.time >= began && $0.time < book.until
    }
    let between = book.test.network.natNodes.first ?? book.test.network.forwardingNodes.first
    let node = own > 0 ? other : between ?? other
    book.move("Tcp.OutRsts", resets, on: node)
    book.reason(book.reasonsOfNobody(on: node), resets, on: node, of: book.sentSince)
    // A NAT that has forgotten the connection, and takes up none in the middle (tcp_new), calls both INVALID.
    if let between, node == between,
      book.test.setting("nf_conntrack_tcp_loose", on: between, inStep: book.attempt.attempt.step) == "0"
    {
      book.move("conntrack.invalid", book.sentSince.count + resets, on: between)
    }
  }
}

extension Book {
  /// The node that sends the attempt's byte: the one that its step names, or the server's where data left it.
  var sender: String {
    let own = attempt.attempt
    guard own.kind == .send else { return own.client }
    if test.workload.indices.contains(own.step), let step = test.workload[own.step].action as? Send {
      return step.from == .server ? server : own.client
    }
    let port = portAtServer
    let fromServer = trace.serverLink.contains {
      $0.outgoing && $0.time >= own.began && $0.time < until && $0.payload > 0
        && $0.destinationPort == port
    }
    return fromServer ? server : own.client
  }

  /// When the next attempt of the same connection began: until then what passes is this one's.
  var until: Int64 {
    let own = attempt.attempt
    return observation.attempts.first {
      $0.id > own.id && $0.client == own.client && $0.local == own.local && $0.remote == own.remote
    }?.began ?? .max
  }

  /// From when on what passes on the attempt's connection is this attempt's: from its beginning. A program that sends is
  /// told of a RST that came before too, where something else, the probe of a keepalive, had met it: then from that on.
  var since: Int64 {
    let own = attempt.attempt
    guard own.kind == .send, own.errno == "ECONNRESET", let opening else { return own.began }
    let seen = atSender.filter { $0.time >= opening.ended && $0.time < until }
    guard let reset = seen.last(where: { !$0.outgoing && $0.flags.contains(.rst) }), reset.time < own.began
    else { return own.began }
    return seen.last { $0.outgoing && $0.time <= reset.time }?.time ?? own.began
  }

  /// What has passed the sender's link on the attempt's connection, or one that had its port.
  private var atSender: [Segment] {
    let own = attempt.attempt
    let isServer = sender != own.client
    return (isServer ? trace.serverLink : trace.clientLink[own.client] ?? []).filter { segment in
      let port = segment.outgoing == isServer ? segment.destinationPort : segment.sourcePort
      return port == (isServer ? portAtServer : own.localPort)
    }
  }

  /// What the sender sent on the attempt's connection since it began.
  var sentSince: [Segment] {
    let since = since
    return atSender.filter { $0.outgoing && $0.time >= since && $0.time < until }
  }

  /// RSTs that came to the sender on the attempt's connection.
  var resetsAtSender: Int {
    let since = since
    return atSender.count {
      !$0.outgoing && $0.flags.contains(.rst) && $0.time >= since && $0.time < until
    }
  }

  /// Segments on the server's link, since the attempt began, whose client's end is the client's own address and port,
  /// where the connection itself came by another: what a NAT did not rewrite.
  var unrewritten: [Segment] {
    let own = attempt.attempt
    let opening = own.kind == .connect ? own : opening
    guard let local = own.local, let syn = opening.flatMap({ trace.flow(of: $0).synsAtServer.last }),
      syn.source != String(local.host).trimmedBrackets
    else { return [] }
    let address = String(local.host).trimmedBrackets
    return trace.serverLink.filter { segment in
      segment.time >= own.began && segment.time < until
        && (segment.outgoing
          ? segment.destination == address && segment.destinationPort == own.localPort
          : segment.source == address && segment.sourcePort == own.localPort)
    }
  }
}

extension String {
  /// `2001:2::2` of `[2001:2::2]`.
  fileprivate var trimmedBrackets: String { first == "[" ? String(dropFirst().dropLast()) : self }
}
