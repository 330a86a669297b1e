import Foundation
import Testing

@testable import Diagnosis

/// Lab files that do again what was diagnosed; of captures that tcpdump has made of nginx and curl (Bridge/record.sh).
@Suite struct EnactTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "Bridge")

  static func incident(_ name: String, settings: Bool = true) throws -> Incident {
    var incident = Incident()
    let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(name + ".pcap")))
    var stream = Incident.CaptureStream(file: name)
    try bytes.withUnsafeBytes { try stream.add($0) }
    incident.add(stream, file: name)
    if settings {
      let text = try String(contentsOf: folder.appendingPathComponent(name + ".sysctl"), encoding: .utf8)
      try incident.add(text: text, file: name)
    }
    return incident
  }

  private static func theirs(_ enactment: Enactment, _ name: String) throws -> EnactTrace {
    let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(name + ".pcap")))
    var stream = enactment.theirs(file: name)
    try bytes.withUnsafeBytes { try stream.add($0) }
    return EnactTrace(stream.watched, client: enactment.story.life.client, opens: true)
  }

  @Test(arguments: [
    ("rfc1337", "dropped by tw-paws", ["kind: snat", "{ports: 51000-51000}", "tcp_rfc1337: 1  # theirs"]),
    ("delayed", "delayed by tw-paws", ["kind: snat", "{ports: 51000-51000}", "tcp_rfc1337: 0  # theirs"]),
    (
      "untimed", "dropped by tw-seq",
      ["kind: direct", "{isn: behind}", "port: 51000, as: after", "tcp_timestamps: 0  # theirs"]
    ),
    ("forgets", "delayed by challenge-ack", ["{connect: early, closes: nobody}", "- {flush: conntrack}"]),
  ]) func whatWasCapturedIsInTheFile(name: String, expected: String, words: [String]) throws {
    let enactment = try Self.incident(name).enacted()
    #expect(enactment.expected == expected)
    for word in words + ["\(enactment.label): \(expected)", "203.0.113.80:80"] {
      #expect(enactment.text.contains(word), "\(word): \(enactment.text)")
    }
    // Their addresses are said, and nothing is called by them.
    let body = enactment.text.split(separator: "\n").map { $0.prefix { $0 != "#" } }.filter {
      !$0.contains("because:")
    }
    #expect(!body.contains { $0.contains("203.0.113") || $0.contains("51000:") }, "\(enactment.text)")
    #expect(enactment.text.unicodeScalars.allSatisfy { $0 == "\n" || (0x20..<0x7f).contains($0.value) })
  }

  /// The clock is as far behind as theirs, in ticks.
  @Test func clocksAreAsCaptured() throws {
    let enactment = try Self.incident("rfc1337").enacted()
    let behind = try #require(enactment.story.ticksBehind)
    #expect(behind > 0 && enactment.text.contains("late: {clock: -\(behind), "))
    #expect(try Self.theirs(enactment, "rfc1337").ticksBehind == behind)
  }

  /// Without sysctl -a the packets say what they say, and the file what is not known.
  @Test func whatWasNotBroughtIsInferredAndSaid() throws {
    let dropped = try Self.incident("rfc1337", settings: false).enacted()
    #expect(dropped.text.contains("tcp_rfc1337: 1  # not brought: the client's RST did not end it"))
    #expect(dropped.untold.contains { $0.hasPrefix("tcp_rfc1337 of the server") })
    #expect(dropped.untold.contains { $0.contains("no sysctl -a was brought") })
    let delayed = try Self.incident("delayed", settings: false).enacted()
    #expect(delayed.text.contains("tcp_rfc1337: 0  # not brought: the RST ended it"))
    let untimed = try Self.incident("untimed", settings: false).enacted()
    #expect(untimed.text.contains("tcp_timestamps: 0  # not brought: its answer has none"))
    #expect(untimed.untold.contains { $0.contains("one client stands behind") })
  }

  /// A SYN-ACK whose echo the client has not sent, seen at the client's end: the box on the way is enacted with it.
  @Test func anEchoOfNobodysIsNamedAndEnacted() throws {
    let file = Self.folder.deletingLastPathComponent().appendingPathComponent("Cases/ts-echo.pcap")
    let bytes = [UInt8](try Data(contentsOf: file))
    func incident(_ bytes: [UInt8]) throws -> Incident {
      var incident = Incident()
      var stream = Incident.CaptureStream(file: "ts-echo")
      try bytes.withUnsafeBytes { try stream.add($0) }
      incident.add(stream, file: "ts-echo")
      return incident
    }
    let theirs = try incident(bytes)
    let named = theirs.answer().suspects.map { "\($0.name) \($0.certainty)" }
    #expect(named == ["ts-echo shown"])
    let enactment = try theirs.enacted()
    #expect(enactment.expected == "dropped by ts-echo")
    for word in [
      "wall: {forwards: true, rules: [{tsval: syn, to: server}]}", "counters: {wall: {rule.tsval: 2}}",
    ] {
      #expect(enactment.text.contains(word), "\(enactment.text)")
    }
    // With the echo that was sent it is another's RST: the same packets but for four bytes of each SYN-ACK.
    let told = enactment.story.life
    let (wrong, sent) = (try #require(told.wrongEcho), try #require(told.tsval))
    func words(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    var right = bytes
    let place = try #require(right.indices.dropLast(3).first { Array(right[$0..<$0 + 4]) == words(wrong) })
    right.replaceSubrange(place..<place + 4, with: words(sent))
    #expect(
      try incident(right).answer().suspects.first?.evidence.first?.contains("1 SYN-ACK of 2 echoes") == true)
  }

  @Test func whatIsNotNamedIsNotEnacted() throws {
    #expect(throws: Enactment.Refusal.self) { try Incident().enacted() }
    #expect {
      try Self.incident("rfc1337").enacted("recycle")
    } throws: { "\($0)".contains("recycle does not fit what was brought; these do: tw-paws") }
    // Counters have no ports and no order.
    var counted = Incident()
    try counted.add(text: "TcpExtListenOverflows 5 0.0\nTcpExtListenDrops 5 0.0\n", file: "nstat")
    #expect {
      try counted.enacted()
    } throws: { "\($0)".contains("listen-overflow is named by counters and settings alone") }
  }

  // MARK: packet by packet

  @Test func thePacketsOfTwoAttemptsAreHeldAgainstOneAnother() throws {
    func trace(_ name: String) throws -> EnactTrace {
      try Self.theirs(try Self.incident(name).enacted(), name)
    }
    let (dropped, delayed, untimed, forgets) =
      (try trace("rfc1337"), try trace("delayed"), try trace("untimed"), try trace("forgets"))
    #expect(
      delayed.steps.map(\.key) == [
        "client: SYN", "server: ACK of something older", "client: RST of the old number", "client: SYN",
        "server: SYN-ACK", "client: ACK",
      ])
    for trace in [dropped, delayed, untimed, forgets] { #expect(trace.difference(from: trace) == nil) }
    // How often it was tried again, and whether by a timestamp or a number, are not the packets' kinds.
    #expect(dropped.difference(from: untimed) == nil && delayed.difference(from: forgets) == nil)
    #expect(dropped.difference(from: delayed) == "packet 5 here, server: SYN-ACK, comes only here")
    #expect(delayed.difference(from: dropped) == "packet 5 theirs, server: SYN-ACK, comes only there")
    #expect(untimed.isAhead == false && untimed.ticksBehind == nil)
  }

  private static func segment(
    _ fromClient: Bool, _ flags: Sighting.Flags, _ sequence: UInt32, ack: UInt32 = 0, tsval: UInt32?,
    payload: Int = 0,
    time: Int64
  ) -> Sighting {
    let (a, b) = (
      Endpoint(address: Address(ipv4: 1), port: 40_000), Endpoint(address: Address(ipv4: 2), port: 80)
    )
    var segment = Sighting(source: fromClient ? a : b, destination: fromClient ? b : a)
    (segment.flags, segment.sequence, segment.acknowledgement) = (flags, sequence, ack)
    (segment.tsval, segment.payload, segment.time) = (tsval, payload, time)
    return segment
  }

  @Test func anOpenConnectionIsHeldFromItsTroubleOn() throws {
    let client = Endpoint(address: Address(ipv4: 1), port: 40_000)
    let healthy = [
      Self.segment(true, .ack, 10, ack: 5, tsval: 1_000, payload: 1, time: 0),
      Self.segment(false, .ack, 5, ack: 11, tsval: 7, time: 1),
    ]
    let stale = Self.segment(true, .ack, 11, ack: 5, tsval: 400, payload: 1, time: 2)
    let again = Self.segment(true, .ack, 11, ack: 5, tsval: 410, payload: 1, time: 3)
    let trace = EnactTrace(healthy + [stale, again], client: client, opens: false)
    #expect(
      trace.steps.map(\.key) == [
        "client: data, older by timestamp", "client: data again, older by timestamp",
      ])
    #expect(trace.ticksBehind == 600)
    let reset = EnactTrace(
      healthy + [
        Self.segment(true, .ack, 11, ack: 5, tsval: 1_400, payload: 1, time: 2),
        Self.segment(false, .rst, 5, tsval: nil, time: 3),
      ], client: client, opens: false)
    #expect(reset.steps.map(\.key) == ["client: data", "server: RST"])
    #expect(trace.difference(from: reset)?.hasPrefix("packet 1: theirs is client: data, older") == true)
    #expect(
      EnactTrace([], client: client, opens: false).isEmpty
        && EnactTrace([], client: client, opens: true).isEmpty)
  }

  @Test func theirWordsCannotLeaveTheirPlace() {
    #expect(EnactText.quoted("a\"b\\c\nd\u{202e}é") == #""a\"b\\c?d??""#)
    #expect(EnactText.plain("a\u{1b}[2J\n- x") == "a?[2J?- x")
    #expect(EnactText.wrapped("one two three", "# ", "# ", width: 8) == ["# one", "# two", "# three"])
  }
}
