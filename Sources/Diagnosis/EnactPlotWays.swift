import Judging
import Model

extension Plot {
  func kind(_ name: String, _ story: Story) -> [String] {
    ["kind: \(name)"] + (story.isIPv4 ? [] : ["family: ipv6"])
  }

  /// A port that a range can begin with.
  private func range(_ first: Int, _ count: Int) -> String {
    let first = max(1, min(first, 65_536 - count))
    return "\(first)-\(first + count - 1)"
  }

  // MARK: NATs

  /// All ports of the range are given.
  mutating func ports(_ story: Story) {
    let given = story.traffic.portsGiven.filter { $0.key.port == story.life.server.port }
      .values.reduce(into: Set<UInt16>()) { $0.formUnion($1) }
    let count = min(64, max(1, story.facts.portRange?.count ?? given.count))
    let first = story.facts.portRange?.lowerBound ?? given.min().map(Int.init) ?? 40_000
    let closed = story.traffic.closedByServer + story.traffic.closedByClient > 0
    topology = kind(story.way == .ipvsFullNAT ? "ipvs-fullnat" : "snat", story)
    topology.append("hop: {ports: \(range(first, count))}")
    client("first: {}", "\(Words.count(count, "port")), as there")
    outcome = "dropped"
    let times = count == 1 ? "" : ", times: \(count)"
    if closed {
      client("late: {isn: behind}", "one that lies ahead would take a closed connection's port since 6.5")
      step(
        "{connect: first, closes: \(story.traffic.closedByServer > 0 ? "server" : "client")\(times)}",
        "each keeps its port in the NAT's table for two minutes")
      changed.append("its number lies behind that of who had the port before, which no kernel gives way to")
    } else {
      client("late: {}")
      step("{connect: first, closes: nobody\(times)}", "each keeps its port")
    }
    step("{connect: late}")
  }

  mutating func race(_ story: Story) {
    let port = max(1, Int(story.life.client.port))
    topology = kind("snat", story) + ["hop: {ports: \(range(port, 16))}"]
    (client, label, outcome) = ("client.1", "client", "predicted")
    client("client: {count: 2}", "two clients with one source port")
    settings.append(
      Value(node: "client", name: "ip_local_port_range", value: "\(port) \(port)", remark: "as there"))
    step(
      "{burst: client, closes: nobody, held: hop}",
      "both SYNs between the choice of a port and the entry that makes it known, as there by chance")
  }

  mutating func tableFull(_ story: Story) {
    topology = kind("snat", story)
    outcome = "dropped"
    client("first: {}")
    client("late: {}")
    settings.append(
      Value(node: "hop", name: "nf_conntrack_max", value: "1", remark: "a table of one is full as soon"))
    changed.append(
      "nf_conntrack_max is \(story.facts.setting("nf_conntrack_max").map { "\($0) there and " } ?? "")1 here, and the table as full"
    )
    step("{connect: first, closes: nobody}", "what is open gives way to nobody")
    step("{connect: late}")
  }

  mutating func director(_ story: Story) {
    topology = kind("ipvs-nat", story) + ["servers: 2"]
    let port = Int(story.life.client.port)
    client = "client"
    label = "again"
    client("client: {isn: ahead}")
    settings.append(
      Value(
        node: "client", name: "ip_local_port_range", value: "\(max(1, port)) \(max(1, port))",
        remark: "the same port again, as there"))
    step("{connect: client, closes: server, as: first}")
    if story.mechanism == "ipvs" {
      outcome = "dropped"
      step("{remove: server.1}", "the server of the old connection is taken out")
      for name in ["conn_reuse_mode", "expire_nodest_conn"] where story.facts.setting(name) == nil {
        suppose("hop", "vs.\(name)", "0", "with 1 this does not happen")
      }
    } else {
      outcome = "refused"
      step("{weight: {server.1: 0}}")
      step("{weight: {server.2: 0}}", "nobody has a weight")
      // An error that comes while connect() still holds the socket is a soft one, and counts not (tcp_v4_err).
      beside = ["counters: {client: {Tcp.AttemptFails: 0-1}}"]
    }
    step("{connect: client, closes: server, as: again}")
  }

  // MARK: listeners

  mutating func queueFull(_ story: Story) {
    topology = kind("direct", story)
    outcome = "dropped"
    client("first: {count: 3}")
    client("late: {}")
    let theirs = story.facts.fullQueues.first
    changed.append(
      "\(theirs.map { "theirs was \($0)" } ?? "theirs is in ss -ltn, which was not brought"), here two may wait and one more"
    )
    step("{listen: server, backlog: 2, accept: false}", "the program does not accept")
    step("{connect: first, closes: nobody}", "the queue is full")
    step("{connect: late}")
    if story.isConnected {
      changed.append(
        "the program accepted again there, and does not here: who was late there does not come at all")
    }
  }

  mutating func halfOpenFull(_ story: Story) {
    topology = [
      "nodes:", "  wall: {forwards: true, rules: [{drop: syn-ack, to: first}]}", "  server: {listens: 1}",
      "links: {outside: [first, late, wall], inside: [wall, server]}",
    ]
    if !story.isIPv4 { topology.append("family: ipv6") }
    outcome = "dropped"
    client("first: {}", "whose SYN-ACK is lost, so that it stays half open")
    client("late: {}")
    changed.append("the queue of half-open connections holds one here")
    step("{listen: server, backlog: 0}")
    step("{connect: first}")
    step("{connect: late}")
    beside = ["first: dropped by lost-answer"]
    if story.facts.setting("tcp_syncookies") == nil {
      suppose("server", "tcp_syncookies", "0", "with 1 no SYN is dropped by it")
    }
  }

  // MARK: ways

  mutating func askew(_ story: Story) {
    topology = [
      "nodes:", "  gate: {forwards: true}", "  back: {forwards: true}",
      "  server: {listens: 1, routes: {client: back}}",
      "links: {outside: [client, gate], aside: [gate, back], inside: [gate, server], behind: [back, server]}",
    ]
    (client, label, outcome) = ("client", "client", "dropped")
    client("client: {}")
    settings.append(
      Value(
        node: "server", name: "rp_filter", value: "1", remark: "where the way back is another, this drops"))
    untold.append(
      "which box drops, and which way its answer would take: here the server does, whose way back is another router's"
    )
    step("{connect: client}")
  }

  /// A client, a box with a rule, a server.
  private mutating func walled(_ story: Story, _ rule: String) {
    topology = [
      "nodes:", "  wall: {forwards: true, rules: [\(rule)]}", "  server: {listens: 1}",
      "links: {outside: [client, wall], inside: [wall, server]}",
    ]
    if !story.isIPv4 { topology.append("family: ipv6") }
    (client, label) = ("client", "client")
    client("client: {}")
  }

  mutating func answerLost(_ story: Story) {
    walled(story, "{drop: syn-ack}")
    outcome = "dropped"
    untold.append("what loses the answers: here a rule of a box on the way does")
    step("{connect: client}")
    settings.append(
      Value(
        node: "server", name: "tcp_synack_retries", value: "0",
        remark: "one SYN-ACK for each SYN: the lab counts them"))
  }

  mutating func rewritten(_ story: Story) {
    walled(story, "{tsval: syn, to: server}")
    outcome = "dropped"
    untold.append("which box on the way rewrites timestamps, and which way: here one does those of SYNs")
    step("{connect: client}", "what comes back echoes what the client has not sent")
    // One for each SYN, of which the lab's clients send two.
    beside = ["counters: {wall: {rule.tsval: 2}}"]
    if let echo = story.life.wrongEcho, let tsval = story.life.tsval {
      changed.append(
        "the echo lay \(Int(Int32(bitPattern: echo &- tsval))) ticks from what was sent, and lies 2^30 here")
    }
  }

  mutating func rejected(_ story: Story) {
    walled(story, "{reject: syn}")
    outcome = "refused"
    step("{connect: client}")
    if let complaint = story.life.complaint {
      names.append(("\(complaint.from), who says it", "wall"))
      if complaint.words != "ICMP port unreachable" {
        changed.append("theirs was \(complaint.words), and is ICMP port unreachable here")
      }
    }
  }

  // MARK: settings and names

  /// What a mechanism asks of whom.
  private static let asked: [String: [(role: String, names: [String])]] = [
    "tw-paws": [("server", ["tcp_timestamps", "tcp_rfc1337"])],
    "tw-seq": [("server", ["tcp_timestamps", "tcp_rfc1337"])],
    "fin-wait-2": [("server", ["tcp_timestamps", "tcp_rfc1337", "tcp_fin_timeout"])],
    "challenge-ack": [("server", ["tcp_timestamps", "tcp_rfc1337", "tcp_invalid_ratelimit"])],
    "established-paws": [("server", ["tcp_timestamps"])],
    "recycle": [("server", ["tcp_timestamps", "tcp_tw_recycle"])],
    "conntrack-invalid": [("hop", ["nf_conntrack_tcp_loose", "nf_conntrack_tcp_be_liberal"])],
    "hop": [("hop", ["nf_conntrack_tcp_loose"])],
    "ipvs": [("hop", ["vs.conn_reuse_mode", "vs.expire_nodest_conn", "vs.conntrack"])],
    "ipvs-quiesced": [("hop", ["vs.conn_reuse_mode", "vs.expire_nodest_conn", "vs.conntrack"])],
    "listen-overflow": [("server", ["tcp_abort_on_overflow", "tcp_syncookies"])],
    "syn-queue": [("server", ["tcp_syncookies"])],
  ]

  /// Of those that were brought only what the mechanism asks for, and a lab can set.
  mutating func takeSettings(_ story: Story) {
    let facts = story.facts
    var missing: [String] = []
    for (node, names) in Self.asked[story.mechanism] ?? [] {
      for name in names {
        let isTheirs = node == story.settingsOf.rawValue || name.hasPrefix("vs.") || name.hasPrefix("nf_")
        let short = name.hasPrefix("vs.") ? String(name.dropFirst(3)) : name
        guard isTheirs, let value = facts.setting(short)?.split(separator: " ").joined(separator: " ") else {
          if !settings.contains(where: { $0.node == node && $0.name == name }) { missing.append(name) }
          continue
        }
        settings.removeAll { $0.node == node && $0.name == name }
        guard let known = Setting.named(name), Self.takes(known, value) else {
          changed.append("\(name) is \(value.prefix(40)) there, which no lab file can say")
          continue
        }
        settings.append(Value(node: node, name: name, value: value, remark: "theirs"))
      }
    }
    if facts.settings.isEmpty {
      untold.append("settings, for no sysctl -a was brought: what is not said here has the lab's own value")
    } else if !missing.isEmpty {
      untold.append("\(missing.joined(separator: ", ")): not in what was brought")
    }
  }

  private static func takes(_ setting: Setting, _ value: String) -> Bool {
    switch setting.values {
    case .flag: value == "0" || value == "1"
    case .number(let range, _): Int(value).map(range.contains) ?? false
    case .text: false
    }
  }

  mutating func name(_ story: Story) {
    let life = story.life
    if let ticks = story.ticksPerSecond, ticks != 1_000 {
      changed.append(
        "their client's clock ticks \(ticks) times a second, and here 1000 times: what is compared are ticks")
    }
    let hasHop = topology.contains { $0.hasPrefix("kind: snat") || $0.hasPrefix("kind: ipvs-fullnat") }
    let hasDirector = topology.contains { $0.hasPrefix("kind: ipvs-nat") }
    if let newcomer = story.newcomer { names.append(("\(newcomer)", client)) }
    if let before = life.past?.inner, before != story.newcomer {
      names.append(("\(before), before", "early"))
    }
    let isHop = hasHop && (story.newcomer.map { $0 != story.seen } ?? true)
    if isHop, story.way != .direct || story.view != .hop {
      names.append(("\(story.seen), as the server sees it", "hop, port \(story.port)"))
    } else if story.newcomer == nil {
      names.append(("\(story.seen)", client))
    }
    let servers = Set([life.server, life.outer?.server, life.inner?.server].compactMap(\.self)).sorted()
    for server in servers {
      let isVIP = hasDirector && server == (life.inner ?? (life.client, life.server)).server
      names.append(("\(server)", isVIP ? "hop, the director's address" : "server:8000"))
    }
  }
}
