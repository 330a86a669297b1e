import Model

/// What a lab file says of a network that it spells out: `nodes` and `links` under `topology`.
extension Grammar {
  static let nodes = Field(
    "nodes", .entries(key: .newName, .record(node)),
    "In place of kind: every node that is no client alone, by its name")

  static let links = Field(
    "links", .entries(key: .newName, .either([.list(.name(.node), atMost: Bounds.lan), .record(link)])),
    "What joins them, by its name: two nodes, or more on a LAN; a group of clients is all of its members")

  static let node: [Field] = [
    Field("count", .number(1...Bounds.lan), byDefault: "1", "How many it is: NAME, or NAME.1 and so on"),
    Field(
      "listens", .number(1...Bounds.serverPorts),
      "It is a server: on how many ports it listens, from \(Network.serverPort) up"),
    Field(
      "forwards", .flag, byDefault: "false", "Whether it passes packets on; who rewrites or balances does"),
    Field("nat", .record(nat), "It rewrites the source of what leaves by some links"),
    Field(
      "backend", .word(Hop.Backend.allCases.map(\.rawValue)), byDefault: Hop.Backend.auto.rawValue,
      "Which tool writes NAT and rules"),
    Field(
      "rules", .list(.record(rule(of: PacketRule.Verdict.self)), atMost: Bounds.rules),
      "What becomes of packets of one kind that pass it, come to it or leave it, in order"),
    Field(
      "balances", .entries(key: .newName, .record(service)),
      "It is an IPVS director: the name of a virtual address to who is behind it"),
    Field(
      "has", .list(.newName, atMost: Bounds.services),
      "Names of addresses that it has on lo: those that several nodes share, VIPs for which it answers itself"
    ),
    Field(
      "routes", .entries(key: .name(.end), .name(.node)),
      "What goes another way than the shortest: a node, an address' name or default, to the node that is next"
    ),
  ]

  static let nat: [Field] = [
    Field(
      "out", .list(.name(.link), atMost: Bounds.services), isRequired: true,
      "The links by which what leaves is rewritten"),
    Field("as", .newName, "The name of the source address; else its own on the first of these links"),
    Field(
      "target", .word(Hop.NAT.allCases.map(\.rawValue)), byDefault: Hop.NAT.snat.rawValue,
      "Which target rewrites the source"),
    Field("ports", .ports, byDefault: "32768-60999", "The source ports that it gives"),
    Field(
      "random", .word(Hop.Randomness.allCases.map(\.rawValue)), byDefault: Hop.Randomness.none.rawValue,
      "How one is chosen: --random, --random-fully"),
  ]

  static let service: [Field] = [
    Field(
      "to", .list(.name(.node), atMost: Bounds.lan), isRequired: true,
      "The real servers; rr begins with the first"),
    Field(
      "by", .word(VirtualService.Forwarding.allCases.map(\.rawValue)),
      byDefault: VirtualService.Forwarding.nat.rawValue, "How packets go there: ipvsadm -m, -g, -i"),
    Field(
      "scheduler", .word(Network.Scheduler.allCases.map(\.rawValue)),
      byDefault: Network.Scheduler.rr.rawValue, "How it chooses"),
    Field(
      "persistence", .number(1...86_400, unit: "s"), "For how long a client stays with its server: ipvsadm -p"
    ),
    Field(
      "ports", .number(1...Bounds.serverPorts),
      "On how many ports; else on as many as the first server listens on"),
  ]

  static let link: [Field] =
    [
      Field("nodes", .list(.name(.node), atMost: Bounds.lan), isRequired: true, "Whom it joins"),
      Field("captured", .flag, byDefault: "true", "Whether what passes it is captured"),
    ] + Impairment.fields + [
      Field(
        "from", .entries(key: .name(.node), .record(Impairment.fields)),
        "What happens besides to packets that one of them sends"),
      Field(
        "to", .entries(key: .name(.node), .record(Impairment.fields)),
        "What happens besides to packets that one of them gets"),
    ]

  private static func rule(of type: PacketRule.Verdict.Type) -> [Field] {
    type.allCases.map { verdict in
      let what =
        switch verdict {
        case .drop: "They are dropped"
        case .reset: "They are answered by a RST"
        case .reject: "They are answered by ICMP port unreachable"
        case .strip: "Their timestamp option is taken out (TCPOPTSTRIP)"
        case .tsval: "Their TSval is another clock's, 2^30 ticks off, one way only (nft)"
        case .tsecr: "Their TSecr is 2^30 ticks off, one way only (nft)"
        case .notrack: "Conntrack does not see them"
        case .synproxy: "They are answered by a cookie, before the server hears of them (SYNPROXY)"
        }
      let kinds = verdict == .synproxy ? [.syn] : PacketRule.Kind.allCases
      return Field(verdict.rawValue, .word(kinds.map(\.rawValue)), what)
    } + [
      Field("in", .name(.link), "Only what comes by this link"),
      Field("out", .name(.link), "Only what leaves by this link"),
      Field("from", .name(.end), "Only from this node or address"),
      Field("to", .name(.end), "Only to this node or address"),
      Field("nth", .number(1...10_000), "Only the n-th that matches"),
    ] + SynProxy.fields
  }
}
