import Evidence
import Foundation
import FoundationXML
import Judging
import Model
import Report
import Testing

@Suite struct ReportTests {
  static func folder() -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("run-\(UUID().uuidString)").path
  }

  static func result(_ verdict: Verdict, id: String = "x/a=1") -> CaseResult {
    var test = PlanTests.test()
    test.id = id
    return CaseResult(
      test: test,
      judgement: Judgement(
        verdict: verdict, reason: "a reason",
        witnesses: [Witness(name: "server TcpExt.PAWSEstab", expected: "+1", seen: "+0", holds: false)]),
      observation: Observation(caseID: id), seconds: 1.5)
  }

  @Test func aRunIsReadBackAsItWasWritten() throws {
    let path = Self.folder()
    defer { try? FileManager.default.removeItem(atPath: path) }
    do {
      let folder = try RunFolder(creating: path)
      try folder.save(Self.result(.pass), on: PlanTests.kernel())
      try folder.save(Results([Self.result(.pass)], kernels: ["host": PlanTests.kernel()], seconds: 2))
    }
    let again = try RunFolder(reading: path)
    #expect(try again.load("x/a=1", kernel: "host") == Self.result(.pass))
    let results = try again.loadResults()
    #expect(results.version == EvidenceFormat())
    #expect(results.summary == Results.Summary([Self.result(.pass)], seconds: 2))
    #expect(results.cases.map(\.id) == ["x/a=1"])
    #expect(FileManager.default.fileExists(atPath: path + "/" + (results.cases[0].observation ?? "-")))
    // A folder of an earlier run is taken again.
    _ = try RunFolder(creating: path)
  }

  /// A capture has its limit; what is beyond is said, and nothing is judged by half of the packets.
  @Test func whatIsCutIsSaidAndNotJudged() throws {
    let path = Self.folder()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let folder = try RunFolder(creating: path)
    var result = Self.result(.pass)
    result.observation?.packets = (0..<10).map { number in
      Packet(
        node: "server", interface: "eth0", time: Int64(number), outgoing: false, length: 66,
        bytes: Data(repeating: 0, count: 66))
    }
    try folder.save(result, on: PlanTests.kernel(), limit: 500)
    let seen = try #require(try folder.load("x/a=1", kernel: "host").observation)
    #expect(seen.packets.count == 4)
    #expect(seen.packetsNotKept == 6)
    let judgement = judge(result.test, on: PlanTests.kernel(), seen: seen)
    #expect(judgement.verdict == .error)
    #expect(judgement.reason.hasPrefix("6 packets were seen and not kept"))
    let file = try #require(
      FileManager.default.enumerator(atPath: path + "/captures")?.allObjects.last as? String)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path + "/captures/" + file))
    #expect(bytes.range(of: Data("cut: 6 packets that came later".utf8)) != nil)
  }

  /// What XML, HTML and TAP give a meaning of their own stays text.
  @Test func otherToolsReadWhatIsSaid() throws {
    var bad = Self.result(.fail, id: "x/a=<1>&\"#\u{1}")
    bad.judgement.reason = "a <b> & \"c\" 100 % # d"
    let results = Results(
      [bad, Self.result(.skip), Self.result(.pass)], kernels: ["host": PlanTests.kernel()], seconds: 2)
    let junit = XMLParser(data: Data(results.junit(time: Date(timeIntervalSince1970: 0)).utf8))
    #expect(junit.parse(), "\(String(describing: junit.parserError))")
    #expect(results.junit(time: Date(timeIntervalSince1970: 0)).contains("timestamp=\"1970-01-01T00:00:00\""))
    #expect(results.ktap.contains("  not ok 1 x.a_-1----"))
    #expect(results.ktap.contains("  ok 2 x.a_1 # SKIP a reason"))
    #expect(results.ktap.hasSuffix("not ok 1 host.x\n"))
    #expect(results.github().contains("::error title=x.a_-1----"))
    #expect(results.github().contains("100 %25 # d%0A"))
    #expect(results.markdown.contains("| x | 1 pass, 1 fail, 1 skip |"))
    #expect(HTMLReport(results, title: "<script>") { _ in nil }.text.contains("pawslab: &lt;script&gt;"))
  }

  @Test func aFolderOfSomethingElseIsRefused() throws {
    let path = Self.folder()
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try "mine".write(toFile: path + "/thesis.txt", atomically: true, encoding: .utf8)
    let failure = #expect(throws: Failure.self) { try RunFolder(creating: path) }
    #expect(failure?.cause == "holds something that is not a run of pawslab")
    #expect(throws: Failure.self) { try RunFolder(creating: path + "/thesis.txt") }
    #expect(throws: Failure.self) { try RunFolder(creating: "/proc/no") }
    #expect(throws: Failure.self) { try RunFolder(reading: path) }
  }

  @Test func aFailureShowsWhatDisagreed() {
    let report = TextReport(detail: .normal, colour: false)
    #expect(
      report.lines(Self.result(.fail)) == [
        "fail   x/a=1  1.50 s", "       a reason",
        "       NO  server TcpExt.PAWSEstab: expected +1, saw +0",
      ])
    #expect(report.lines(Self.result(.pass)) == ["pass   x/a=1  1.50 s"])
    #expect(TextReport(detail: .quiet, colour: false).lines(Self.result(.pass)) == [])
    #expect(
      TextReport(detail: .normal, colour: true).lines(Self.result(.pass))[0].description.hasPrefix(
        "\u{1b}[32mpass"))
  }

  @Test func theLadderShowsWhereAPacketStopped() {
    var observation = Observation(caseID: "x/a=1")
    let clients = [Client(name: "late", group: "late", clock: .offset(milliseconds: 0), isn: .ahead)]
    let lanes = Lanes(Network(topology: .snat, family: .ipv4, clients: clients))
    func packet(_ node: String, outgoing: Bool, _ time: Int64, seq: UInt8, ack: UInt8, flags: UInt8) {
      let client: [UInt8] = [198, 18, 0, 2]
      let server: [UInt8] = [198, 19, 0, 2]
      let fromClient = (node == "server") != outgoing
      let ip: [UInt8] =
        [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0] + (fromClient ? client + server : server + client)
      let ports: [UInt8] = fromClient ? [0x9c, 0x40, 0x1f, 0x40] : [0x1f, 0x40, 0x9c, 0x40]
      let tcp: [UInt8] = ports + [0, 0, 0, seq, 0, 0, 0, ack, 0x50, flags, 0, 0, 0, 0, 0, 0]
      observation.packets.append(
        Packet(
          node: node, interface: "eth0", time: time, outgoing: outgoing, length: 54,
          bytes: Data([UInt8](repeating: 0, count: 12) + [8, 0] + ip + tcp)))
    }
    packet("late", outgoing: true, 1_000_000, seq: 10, ack: 0, flags: 2)
    packet("late", outgoing: true, 3_000_000, seq: 10, ack: 0, flags: 2)
    packet("server", outgoing: false, 3_010_000, seq: 10, ack: 0, flags: 2)
    packet("server", outgoing: true, 3_020_000, seq: 90, ack: 5, flags: 16)
    packet("late", outgoing: false, 3_030_000, seq: 90, ack: 5, flags: 16)
    #expect(
      Ladder(observation, lanes: lanes).lines == [
        "        ms  client  client      hop      server",
        "     0.000  late    |--SYN--->|         |  seq 0  <- never left the hop",
        "     2.000  late    |--SYN--->|--SYN--->|  seq 0  <- SYN again, not accepted",
        "     2.020  late    |<--ACK---|<--ACK---|  seq 0 ack -5  <- old ACK",
      ])
    // In direct routing the answer passes the router, and never the director.
    let direct = Lanes(Network(topology: .ipvsDR, family: .ipv4, clients: clients))
    #expect(
      Ladder(observation, lanes: direct).lines.prefix(1) == [
        "        ms  client  client      router   server"
      ])
    // On the link of a client alone nothing is said of the rest of the way.
    observation.packets.removeLast()
    #expect(
      Ladder(observation, lanes: lanes).lines.last
        == "     2.020          |         |<--ACK---|  seq 0 ack -5  <- old ACK")
  }
}
