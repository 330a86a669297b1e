import Judging
import Model

/// What a lab file does to show a story again: the parts of which its text is made.
struct Plot {
  /// A step as it is written, and why it is there.
  struct Line {
    var yaml: String
    var remark: String?
  }

  struct Value {
    var node: String
    var name: String
    var value: String
    var remark: String?
  }

  /// Lines below `topology:`.
  var topology: [String] = []
  var clients: [Line] = []
  var settings: [Value] = []
  var steps: [Line] = []
  /// The label of the attempt that theirs is.
  var label = "late"
  /// The client whose attempt it is, a node.
  var client = "late"
  var outcome = "dropped"
  /// `dropped by tw-paws`, where that is not outcome and mechanism.
  var expected: String?
  /// What is expected of others: `first: dropped by lost-answer`.
  var beside: [String] = []
  /// Addresses and ports of theirs, and what stands for them.
  var names: [(theirs: String, here: String)] = []
  /// What is otherwise here than there.
  var changed: [String] = []
  /// What nothing that was brought tells.
  var untold: [String] = []
  /// A release from which on the kernel does otherwise.
  var before: (Int, Int)?

  mutating func step(_ yaml: String, _ remark: String? = nil) {
    steps.append(Line(yaml: yaml, remark: remark))
  }
  mutating func client(_ yaml: String, _ remark: String? = nil) {
    clients.append(Line(yaml: yaml, remark: remark))
  }
  /// A setting that nobody has brought, and what says that it must have been so.
  mutating func suppose(_ node: String, _ name: String, _ value: String, _ why: String) {
    settings.append(Value(node: node, name: name, value: value, remark: "not brought: \(why)"))
  }

  init() {}

  /// - Returns: nil for a mechanism of which no packet tells enough.
  init?(_ story: Story) {
    switch story.mechanism {
    case "tw-paws", "tw-seq", "fin-wait-2", "challenge-ack": meets(story)
    case "recycle": recycle(story)
    case "established-paws": stale(story)
    case "no-socket": noSocket(story)
    case "conntrack-invalid": unwritten(story)
    case "hop": ports(story)
    case "nat-race": race(story)
    case "conntrack-full": tableFull(story)
    case "ipvs", "ipvs-quiesced": director(story)
    case "listen-overflow": queueFull(story)
    case "syn-queue": halfOpenFull(story)
    case "rp-filter": askew(story)
    case "lost-answer": answerLost(story)
    case "icmp": rejected(story)
    case "ts-echo": rewritten(story)
    default: return nil
    }
    takeSettings(story)
    name(story)
  }

  // MARK: what lay before on the same ends

  /// A clock in a lab file goes by milliseconds, one tick each, and is bounded.
  static func clock(_ ticks: Int) -> Int { min(2_000_000_000, max(-2_000_000_000, ticks)) }

  /// Seconds that a lab file waits itself; what is longer runs in a guest's own time, and is left to who wants it.
  private static let longestWait = 1.0

  private mutating func wait(_ story: Story) {
    guard let gap = story.gap else {
      untold.append("how long the connection before had been over, for it is not in the capture")
      return
    }
    guard gap >= 0.05 else { return }
    let rounded = "\((min(gap, 86_400) * 1000).rounded() / 1000)"
    if gap <= Self.longestWait {
      step("{wait: \(rounded)}", "as long as there")
    } else {
      changed.append(
        "\(Words.seconds(gap)) lay in between, on which nothing depends: {wait: \(rounded)} would take as long"
      )
    }
  }

  /// The newcomer's clock, relative to that of who was there before, as the case has it in the end.
  private func offset(_ story: Story) -> Int? {
    guard let behind = story.ticksBehind else { return nil }
    // What is ahead by no more than time passes is one clock.
    if !story.clocksDiffer, behind <= 0 { return nil }
    if behind > 0, behind < 2_000 {
      // As far behind when it is sent: a little time passes here too.
      return Self.clock(-behind - 2_000)
    }
    return Self.clock(-behind)
  }

  private func clockWords(_ story: Story) -> String {
    guard let behind = story.ticksBehind else { return "" }
    return behind > 0 ? "\(behind) ticks behind, as there" : "\(-behind) ticks ahead, as there"
  }

  /// TIME_WAIT, FIN_WAIT2, or a connection that is open.
  private mutating func meets(_ story: Story) {
    let isNAT = story.way == .snat || story.way == .ipvsFullNAT
    var isn = story.isAhead == true ? "ahead" : "behind"
    let behind = story.ticksBehind ?? 0
    if story.mechanism == "tw-seq" { isn = "behind" }
    if story.mechanism == "fin-wait-2", behind <= 0, isn == "ahead" {
      isn = "behind"
      changed.append(
        "its number lay ahead, and lies behind here: in the window FIN_WAIT2 would answer by a RST")
    }
    if story.isAhead == nil { untold.append("whether its number lay past what was received before") }
    let offset = offset(story)
    outcome = story.isConnected ? "delayed" : "dropped"
    if story.mechanism == "fin-wait-2", outcome == "dropped" {
      outcome = "delayed"
      untold.append(
        "that it connected in the end: FIN_WAIT2 is over with the RST that answers its ACK, so here it does")
    }
    if isNAT {
      topology = kind(story.way.rawValue, story) + ["hop: {ports: \(story.port)-\(story.port)}"]
      if story.sideIsOneClient {
        changed.append("it was one client of the NAT's, and is two here, which the server cannot tell")
      }
      client("early: {}", "who had the port before")
      client("late: {\(clockOption(story, offset))isn: \(isn)}", offset == nil ? nil : clockWords(story))
      before(story, client: "early", label: "early", port: nil)
      wait(story)
      step("{flush: conntrack}", "the NAT gives the port again")
      step("{connect: late}")
    } else {
      topology = kind("direct", story)
      (client, label) = ("client", "after")
      if story.view != .client, !story.wayIsSeen {
        untold.append("whether one client stands behind that address, or a NAT: here it is one")
      }
      let isOff = !story.hasTimestamps
      client("client: {\(isOff ? "clock: off, " : "")isn: \(isn)}")
      before(story, client: "client", label: "before", port: story.port)
      wait(story)
      if !isOff, let offset { step("{clock: {client: \(offset)}}", clockWords(story)) }
      step("{connect: client, port: \(story.port), as: after}", "the same port again")
    }
    if story.mechanism.hasPrefix("tw-") { timeWaitSettings(story) }
  }

  private func clockOption(_ story: Story, _ offset: Int?) -> String {
    if !story.hasTimestamps { return "clock: off, " }
    return offset.map { "clock: \($0), " } ?? ""
  }

  /// The connection that was there.
  private mutating func before(_ story: Story, client: String, label: String, port: Int?) {
    let own = port.map { ", port: \($0)" } ?? ""
    let name = label == client ? "" : ", as: \(label)"
    switch story.mechanism {
    case "fin-wait-2":
      step("{connect: \(client)\(own), closes: nobody\(name)}")
      step("{close: server, on: \(label), peer: stays}", "the server closes, the client does not")
      step("{wait: 0.2}", "until its FIN is acknowledged, which may be late by 40 ms (TCP_DELACK_MIN)")
      if port != nil { step("{vanish: client}") }
    case "challenge-ack":
      step("{connect: \(client)\(own), closes: nobody\(name)}", "it stays open at the server")
      if port != nil { step("{vanish: client}") }
    default:
      step(
        "{connect: \(client)\(own), closes: server\(name)}", "the server closes first, and so keeps TIME_WAIT"
      )
    }
  }

  /// What ends TIME_WAIT or does not is told by the packets where nobody has brought the setting.
  private mutating func timeWaitSettings(_ story: Story) {
    if story.serverHasTimestamps == false {
      suppose("server", "tcp_timestamps", "0", "its answer has none")
    }
    guard !story.brings("tcp_rfc1337", of: .server) else { return }
    if !story.isConnected {
      suppose("server", "tcp_rfc1337", "1", "the client's RST did not end it")
      untold.append(
        "tcp_rfc1337 of the server: 1 is what the packets say, or something eats the client's RSTs")
    } else {
      suppose("server", "tcp_rfc1337", "0", "the RST ended it")
    }
  }

  private mutating func recycle(_ story: Story) {
    let way = story.way == .ipvsFullNAT ? "ipvs-fullnat" : "snat"
    if story.way == .direct || story.way == .ipvsNAT {
      untold.append("what makes many clients one address: here a NAT does")
    }
    let first = min(story.port, 65_000)
    topology = kind(way, story) + ["hop: {ports: \(first)-\(first + 400)}"]
    outcome = "dropped"
    client("early: {}", "whose clock is remembered")
    var isYoung = false
    if case .young = story.life.remembered { isYoung = true }
    if let offset = isYoung ? nil : offset(story) {
      client("late: {clock: \(offset)}", clockWords(story))
    } else if !story.hasTimestamps {
      client("late: {clock: off}", "its SYN has no timestamps")
    } else if isYoung {
      client("late: {}")
    } else {
      untold.append(
        "how far the clocks are apart, for what the server remembers is not in the capture: 600 s is a guess")
      client("late: {clock: -600000}", "a guess")
    }
    step(
      "{connect: early, closes: server}", "the server closes first, and remembers the clock of the address")
    wait(story)
    if isYoung { step("{set: {server.tcp_timestamps: 0}}", "they are off now, and were not") }
    step("{connect: late}")
    if !story.brings("tcp_tw_recycle", of: .server) {
      suppose("server", "tcp_tw_recycle", "1", "without it no kernel remembers an address")
    }
    before = (4, 12)
  }

  // MARK: connections that were open

  private mutating func stale(_ story: Story) {
    let life = story.life
    let isClients = life.fromClient.stale >= life.fromServer.stale
    let stale = isClients ? life.fromClient : life.fromServer
    let other = isClients ? life.fromServer : life.fromClient
    let sendsItself = stale.mostRepeats >= other.mostRepeats
    topology = kind("direct", story)
    (client, label) = ("client", "after")
    client("client: {}")
    step("{connect: client, closes: nobody}")
    step("{send: client, as: before}")
    step(
      "{clock: {client: \(Self.clock(-Int(stale.staleBy)))}}", "\(stale.staleBy) ticks back, as there")
    step("{send: \(sendsItself ? "client" : "server"), as: after}")
    outcome = sendsItself ? "lost" : "unacknowledged"
    if !isClients {
      changed.append(
        "it was the server's clock that went back: the ends are changed here, for a lab moves its clients' clocks"
      )
    }
  }

  private mutating func noSocket(_ story: Story) {
    let reset = story.life.reset
    let byServer = reset?.byServer ?? true
    let own = byServer ? story.life.fromServer.ttl : story.life.fromClient.ttl
    let isHops = own != nil && reset != nil && own != reset?.ttl
    (client, label, outcome) = ("client", "later", "reset")
    client("client: {}")
    if isHops, byServer == false {
      topology = kind("snat", story) + ["hop: {ports: \(story.port)-\(story.port)}"]
      step("{connect: client, closes: nobody}")
      step("{flush: conntrack}", "the box in between has forgotten the connection: its own TTL is on the RST")
      step("{send: server, as: later}")
    } else {
      topology = [
        "nodes: {wall: {forwards: true}, server: {listens: 1}}",
        "links: {outside: [client, wall], inside: [wall, server]}",
      ]
      if !story.isIPv4 { topology.append("family: ipv6") }
      step("{connect: client, closes: nobody}")
      step("{vanish: \(byServer ? "server" : "client")}", "it has no such connection any more")
      step("{send: \(byServer ? "client" : "server"), as: later}")
      if isHops { untold.append("which box in between has sent the RST: here the end itself does") }
    }
    if let idle = reset?.idle, idle > 5_000_000_000 {
      changed.append("it was idle for \(Words.seconds(of: idle)) before, and is not here")
    }
  }

  private mutating func unwritten(_ story: Story) {
    (client, label) = ("client", "later")
    outcome = "reset"
    let port = max(1, story.life.outer.map { Int($0.client.port) } ?? 40_000)
    topology = kind("snat", story) + ["hop: {ports: \(port)-\(port)}"]
    client("client: {}")
    step("{connect: client, closes: nobody}")
    step("{flush: conntrack}", "the NAT forgets the connection")
    step("{send: client, as: later}")
    if !story.brings("nf_conntrack_tcp_loose", of: .hop) {
      suppose(
        "hop", "nf_conntrack_tcp_loose", "0", "with 1 it would have been picked up, and been rewritten")
    }
  }
}

extension Story {
  /// Whether both connections were of one client, as the box in between saw them.
  var sideIsOneClient: Bool {
    guard let before = life.past?.inner?.address, let now = life.inner?.client.address else { return false }
    return before == now
  }
}
