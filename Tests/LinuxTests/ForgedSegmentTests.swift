import Foundation
import Linux
import Netlink
import Evidence
import SystemPackage
import TestSupport
import Testing

@Suite struct ForgedFlagsTests {
  @Test func flagsAreReadAsTcpdumpWritesThem() {
    #expect(ForgedSegment.Flags(tcpdump: "S.") == [.syn, .ack])
    #expect(ForgedSegment.Flags(tcpdump: "R") == .rst)
    #expect(ForgedSegment.Flags(tcpdump: "FPU") == [.fin, .psh, .urg])
    #expect(ForgedSegment.Flags(tcpdump: "SS") == nil)
    #expect(ForgedSegment.Flags(tcpdump: "x") == nil)
  }

  @Test func whatNoPacketCanBeIsRefused() throws {
    let (v4, v6) = (try SocketAddress("198.18.0.1", port: 1), try SocketAddress("2001:2::1", port: 1))
    let mixed = try #require(throws: SystemError.self) {
      try ForgedSegment(from: v4, to: v6, .syn, sequence: 0).packet()
    }
    #expect(mixed.errno == .invalidArgument)
    let long = try #require(throws: SystemError.self) {
      try ForgedSegment(
        from: v4, to: v4, .ack, sequence: 0, payload: [UInt8](repeating: 0, count: 1_401)
      ).packet()
    }
    #expect(long.errno == .messageTooLong)
  }
}

extension KernelTests {
  @Suite struct Forged {
    private static func own(_ pair: Pair, port: Int = 40_000) throws -> SocketAddress {
      try SocketAddress(pair.ipv6 ? "2001:2::2" : "198.18.0.2", port: port)
    }

    /// With every option; the listener answers, and the client's kernel, which knows of nothing, resets.
    @Test(arguments: [false, true]) func aSYNIsAnswered(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let sender = try pair.client.namespace.run { try RawSender(ipv6: ipv6) }
        try sender.send(
          ForgedSegment(
            from: Self.own(pair), to: pair.serverAddress, .syn, sequence: 1_000, maximumSegmentSize: 1_460,
            windowScale: 7, selectiveAcknowledgement: true,
            timestamps: ForgedSegment.Timestamps(value: 4_711, echo: 0)))
        var seen: [(segment: Segment, checksum: Bool?)] = []
        try waitUntil("the RST is captured") {
          seen += try pair.segments()
          return seen.count >= 3
        }
        let (syn, answer, reset) = (seen[0].segment, seen[1].segment, seen[2].segment)
        #expect(syn.isSYN && syn.sequence == 1_000 && syn.tsval == 4_711 && syn.tsecr == 0)
        #expect(seen[0].checksum == true)
        #expect(answer.isSYNACK && answer.acknowledgement == 1_001 && answer.tsecr == 4_711)
        #expect(reset.flags.contains(.rst))
      }
    }

    /// Payload of an odd length, options of an established connection: it is as if the client had sent it.
    @Test(arguments: [false, true]) func dataIsDelivered(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let (near, far) = try pair.connect()
        try pass(from: far, to: near)
        let position = try TCP.position(near)
        let seen = try pair.segments().map(\.segment)
        let last = try #require(seen.last { !$0.outgoing })
        #expect(position.nextToWrite == last.sequence && position.nextExpected == last.acknowledgement)
        let tsval = try #require(last.tsval)
        // Pacing dates segments a little ahead.
        let now = Modular.before(position.timestamp, tsval) ? tsval : position.timestamp
        #expect(now &- position.timestamp < 10)
        let sender = try pair.client.namespace.run { try RawSender(ipv6: ipv6) }
        try sender.send(
          ForgedSegment(
            from: #require(TCP.localAddress(near)), to: pair.serverAddress, [.psh, .ack],
            sequence: position.nextToWrite, acknowledgement: position.nextExpected,
            timestamps: ForgedSegment.Timestamps(value: now, echo: last.tsecr ?? 0),
            payload: [1, 2, 3]))
        try wait(far, Poll.readable)
        guard case .bytes([1, 2, 3]) = TCP.receive(far, upTo: 8) else {
          Issue.record("what was forged is not what arrived")
          return
        }
      }
    }

    /// At the expected number the connection ends (RFC 5961, section 3.2); one further it is asked whether it was meant.
    @Test(arguments: [false, true]) func aRSTMustBeExact(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let (near, far) = try pair.connect()
        let position = try TCP.position(near)
        let sender = try pair.client.namespace.run { try RawSender(ipv6: ipv6) }
        var segment = try ForgedSegment(
          from: #require(TCP.localAddress(near)), to: pair.serverAddress, .rst,
          sequence: position.nextToWrite &+ 1)
        let counters = try pair.server.namespace.run { try CounterFiles() }
        try sender.send(segment)
        try waitUntil("it is challenged") { try counters.read()["TcpExt.TCPChallengeACK"] == 1 }
        #expect(try TCP.info(far).state == "ESTAB")
        segment.sequence = position.nextToWrite
        try sender.send(segment)
        try wait(far, Poll.readable)
        guard case .failed(.connectionReset) = TCP.receive(far, upTo: 8) else {
          Issue.record("the connection was not reset")
          return
        }
      }
    }

    /// It passes the node's own firewall, and its connection tracking, as any other packet.
    @Test(arguments: [false, true]) func itPassesOutputAndPostrouting(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let rules =
          "table inet t { chain o { type filter hook output priority 0; tcp sequence 77 counter; "
          + "tcp dport 8001 drop; ct state new; }; chain p { type filter hook postrouting priority 0; "
          + "tcp sequence 77 counter; }; }"
        let (sender, table) = try pair.client.namespace.run {
          let nft = try Tool.run(["nft", "-f", "-"], stdin: rules, environment: [:])
          try #require(nft.status == 0, "\(nft.stderr)")
          return (try RawSender(ipv6: ipv6), try ConntrackSocket())
        }
        let segment = try ForgedSegment(from: Self.own(pair), to: pair.serverAddress, .syn, sequence: 77)
        try sender.send(segment)
        let listed = try pair.client.namespace.run {
          try Tool.run(["nft", "list", "ruleset"], stdin: "", environment: [:])
        }
        #expect(
          listed.stdout.split(separator: "\n").count { $0.contains("77 counter packets 1 ") } == 2,
          "\(listed.stdout)")
        let entries = try table.entries().map(\.original.description)
        #expect(entries.contains("\(segment.source) > \(segment.destination)"), "\(entries)")
        var dropped = segment
        dropped.destination = try SocketAddress(ipv6 ? "2001:2::1" : "198.18.0.1", port: 8_001)
        let error = try #require(throws: SystemError.self) { try sender.send(dropped) }
        #expect(error.errno == .notPermitted)
      }
    }

    /// Nobody asks whether the sender has the address.
    @Test(arguments: [false, true]) func theSourceMayBeAnyone(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        // Who the next hop is must be known: to ask needs an address of the link's own.
        _ = try pair.connect()
        _ = try pair.segments()
        let sender = try pair.client.namespace.run { try RawSender(ipv6: ipv6) }
        let other = try SocketAddress(ipv6 ? "2001:2::77" : "198.18.0.77", port: 5)
        try sender.send(ForgedSegment(from: other, to: pair.serverAddress, .syn, sequence: 9))
        var seen: [Segment] = []
        try waitUntil("it is captured") {
          seen += try pair.segments().map(\.segment).filter { $0.sourcePort == 5 }
          return !seen.isEmpty
        }
        #expect(seen[0].isSYN && seen[0].source == "198.18.0.77" || seen[0].source == "2001:2::77")
        #expect(seen[0].sequence == 9)
      }
    }
  }
}
