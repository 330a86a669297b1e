import Foundation
import Model
import Testing

/// What an author may write of packets, sockets and tables, and what is said of what cannot be read.
@Suite struct NotationTests {
  @Test(arguments: [
    "late > server Flags [S]", "at server: late > server Flags [S] x2", "none server > late Flags [S.]",
    "late > server Flags [S] <TS older> x2 then server > late Flags [.] seq 3 ack 3 then late > server Flags [R]",
    "IP 198.18.0.2.50000 > 198.19.0.2.8000: Flags [S], seq 0, win 65535, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0",
    "of again client.1:40000 > * Flags [P.] seq 1:2 length 1 x1-3",
    "[2001:2::2]:8000 > 2001:2::3.40000: Flags [S.] <no TS,no wscale,no sackOK,mss 1460>",
  ])
  func aPacketIsReadAndKeptAsItIs(text: String) throws {
    let pattern = try PacketPattern(text: text)
    #expect(pattern.description == text)
    let saved = try JSONEncoder().encode([pattern])
    #expect(try JSONDecoder().decode([PacketPattern].self, from: saved) == [pattern])
  }

  @Test func itsWordsMeanWhatTcpdumpMeans() throws {
    let pattern = try PacketPattern(
      text: "at hop of again client.1:40000 > 198.19.0.2.8000: Flags [FP.], seq 1:11, ack 3, win 7, "
        + "options [nop,nop,TS val older ecr 5,mss 1460], length 10 x1-3 then server > * Flags [R]")
    #expect(pattern.kinds.count == 2)
    let kind = pattern.kinds[0]
    #expect((kind.node, kind.label) == ("hop", "again"))
    #expect((kind.from.host, kind.from.port) == ("client.1", 40000))
    #expect((kind.to.host, kind.to.port, kind.to.isAddress) == ("198.19.0.2", 8000, true))
    #expect(kind.flags == 0x19)
    #expect((kind.sequence, kind.sequenceEnd, kind.acknowledgement) == (1, 11, 3))
    #expect((kind.window, kind.length) == (7, 10))
    #expect(kind.options == [.timestamp(value: .older, echo: 5), .mss(1460)])
    #expect(kind.count?.range == 1...3)
    #expect(pattern.kinds[1].to.host == nil)
    #expect(pattern.nodes == ["hop", "client.1", "server"])
    #expect(pattern.labels == ["again"])
  }

  @Test(arguments: [
    ("", "the end that sends is missing"),
    ("late", "late is not followed by > and the end that receives"),
    ("late > server Flags S", "\"S\": flags stand in brackets, as in Flags [S.]"),
    ("late > server Flags [SX]", "\"X\" in [SX] is no flag; they are S, F, R, P, . (ACK), U, E, W"),
    ("late > server flags [S]", "\"flags\" is no word of a packet: at, of, Flags [...], seq"),
    ("late > server Flags [S] <TS elder>", "write TS, TS val 1 ecr 0, TS older, TS newer or TS same"),
    ("late > server Flags [S] <wsc 7>", "\"wsc 7\" is no option; they are mss 1460"),
    ("late > server:0 Flags [S]", "\"0\" is no port: 1 to 65535, or *"),
    ("late > server Flags [S] seq x", "\"x\" is no number"),
    ("late > server Flags [S] x3-1", "\"3-1\" is empty: 3 is more than 1"),
    ("none late > server Flags [S] x2", "none is said of one kind of packet, without a number"),
    ("late > server Flags [S] then", "the end that sends is missing"),
    ("at", "a node behind at is missing"),
  ])
  func whatIsNoPacketIsSaid(text: String, message: String) {
    do {
      _ = try PacketPattern(text: text)
      Issue.record("it was read")
    } catch { #expect(error.description.contains(message), "\(error)") }
  }

  @Test func otherTablesAreReadAsTheirToolsPrintThem() throws {
    let socket = try SocketPattern(sockets: "TIME-WAIT server:8000 *:*", count: "1-2")
    #expect((socket.state, socket.local?.port, socket.peer?.host) == ("TIME-WAIT", 8000, nil))
    #expect(socket.count.range == 1...2)
    #expect(try SocketPattern(text: socket.description) == socket)
    let entry = try ConntrackPattern(
      text:
        "tcp TIME_WAIT src=late dst=server sport=* dport=8000 src=server dport=40000 [ASSURED] [no UNREPLIED] x2"
    )
    #expect((entry.state, entry.assured, entry.unreplied) == ("TIME_WAIT", true, false))
    #expect(
      (entry.original.source, entry.original.destinationPort, entry.original.sourcePort) == (
        "late", 8000, nil
      ))
    #expect((entry.reply.source, entry.reply.destinationPort) == ("server", 40000))
    #expect(entry.count.range == 2...2)
    let connection = try IPVSPattern(text: "TCP TIME_WAIT client:40000 *:8000 server.1:8000")
    #expect(
      (connection.state, connection.server.host, connection.server.port) == ("TIME_WAIT", "server.1", 8000))
  }

  @Test(arguments: [
    ("TIMEWAIT", "no state is called \"TIMEWAIT\"; it is one of ESTAB, SYN-SENT"),
    ("TIME-WAIT server:8000", "write a state, or a state, the local end and the peer, as ss does"),
    ("TIME-WAIT x", "write a state, or a state"),
  ])
  func whatIsNoSocketIsSaid(text: String, message: String) {
    do {
      _ = try SocketPattern(sockets: text, count: "1")
      Issue.record("it was read")
    } catch { #expect(error.description.contains(message), "\(error)") }
  }

  @Test(arguments: [
    ("TIMEWAIT", "\"TIMEWAIT\" is no word of conntrack -L; it is a state (NONE, SYN_SENT"),
    ("src=a src=b src=c", "\"src=c\": src= stands three times, and an entry has two directions"),
    ("port=1", "\"port=1\": it is src=, dst=, sport= or dport="), ("sport=x", "\"x\" is no port"),
  ])
  func whatIsNoConntrackEntryIsSaid(text: String, message: String) {
    do {
      _ = try ConntrackPattern(text: text)
      Issue.record("it was read")
    } catch { #expect(error.description.contains(message), "\(error)") }
  }

  @Test(arguments: ["", "x", "-1", "1-", "3-2", "1-2-3", "99999999999999999999", "1000000001", "+1", " 1"])
  func whatIsNoAmountIsSaid(text: String) {
    #expect(throws: NotationError.self) { try Amount(text: text) }
  }

  /// A case that was saved before there were witnesses of its author has none, and one with some keeps them.
  @Test func aRuleKeepsItsWitnesses() throws {
    var rule = Rule(kernel: [], outcomes: [:], because: "")
    let old = try JSONEncoder().encode(rule)
    #expect(try !#require(String(data: old, encoding: .utf8)).contains("witnesses"))
    #expect(try JSONDecoder().decode(Rule.self, from: old) == rule)
    rule.witnesses = AuthorWitnesses(
      counters: ["server": ["TcpExt.PAWSEstab": Amount(2)]],
      packets: [try PacketPattern(text: "at hop late > server Flags [S]")],
      sockets: ["server": [try SocketPattern(sockets: "TIME-WAIT", count: "1")]], conntrack: ["hop": []],
      ipvs: ["hop": [try IPVSPattern(text: "* *:* *:8000 server.1:8000")]],
      drops: ["server": ["NO_SOCKET": Amount(1)]])
    #expect(try JSONDecoder().decode(Rule.self, from: JSONEncoder().encode(rule)) == rule)
    #expect(rule.witnesses?.nodes == ["server", "hop", "late"])
    #expect(rule.expectsSomethingElse)
  }
}

extension Rule {
  fileprivate var expectsSomethingElse: Bool {
    self != Rule(kernel: kernel, outcomes: outcomes, because: because)
  }
}
