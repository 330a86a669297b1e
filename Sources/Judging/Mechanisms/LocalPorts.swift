import Evidence
import Model

/// No free local port.
struct LocalPorts: MechanismRule {
  let name: Mechanism = "local-ports"
  let outcomes: [Outcome] = [.exhausted]
  let summary = "no local port is free towards that address and port: EADDRNOTAVAIL, and no SYN is sent"
  let source = "__inet_hash_connect, net/ipv4/inet_hashtables.c"
  let mutations: [Mutation] = []

  func expect(_ book: inout Book) {
    book.count("SYNs on the client's link", book.attempt.syns, is: .number(0))
  }
}
