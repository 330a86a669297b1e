import Evidence
import Model

/// An ICMP error ends the attempt.
struct ICMP: MechanismRule {
  let name: Mechanism = "icmp"
  let outcomes: [Outcome] = [.refused, .unreachable]
  let summary = "an ICMP error in answer to the SYN ends the attempt"
  let source =
    "tcp_v4_err and tcp_v6_err, net/ipv4/tcp_ipv4.c; icmp_err_convert, net/ipv4/icmp.c; RFC 1122, 4.2.3.9"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    let errors = book.icmpErrors
    book.count("ICMP errors about its SYNs", errors.count, is: .within(1...max(1, book.attempt.syns)))
    book.count("RSTs", book.flow.atServer.count { $0.flags.contains(.rst) }, is: .number(0))
    let errno = book.attempt.attempt.errno ?? "none"
    let meant = errors.last.map { "\($0.words): \($0.errno ?? "no end")" } ?? "none"
    book.check("what the last of them means", errno, meant, errors.last?.errno == errno)
    let old = errors.filter(\.isIPv4)
    book.move("Icmp.InDestUnreachs", old.count { $0.type == 3 }, on: book.client)
    // Who says it, by its address.
    let names = NodeNames(book.test.network, book.observation)
    for error in old where error.type == 3 {
      let nodes = book.test.network.nodes.filter { names.matches(host: $0, error.source) }
      guard let node = nodes.first ?? book.test.network.forwardingNodes.first else { continue }
      book.move("Icmp.OutDestUnreachs", 1, on: node)
    }
  }

  func loss(_ book: Book, counts: Bool) -> String? {
    book.icmpErrors.last.map { "answered by \($0.words) of \($0.source)" }
  }
}

extension Book {
  /// ICMP errors that came to the client about the attempt's SYNs.
  var icmpErrors: [ICMPError] {
    let own = attempt.attempt
    let sequences = Set(flow.synsAtClient.map(\.sequence))
    return observation.packets.compactMap { packet in
      guard packet.node == own.client, !packet.outgoing, packet.time >= own.began, packet.time <= own.ended,
        let error = ICMPError(packet), sequences.contains(error.sequence),
        error.segmentSourcePort == own.localPort
      else { return nil }
      return error
    }
  }
}
