import Diagnosis
import Foundation
import Model
import Testing

/// What programs print is recognised, read, and a line that is not as it should be is named. The texts were printed in a
/// namespace of a Debian 12 with Linux 6.18, but for those of old kernels and of ipvsadm, which stand here.
@Suite struct TextTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "Texts")

  static func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
  }

  static func answer(_ texts: String...) throws -> Answer {
    var incident = Incident()
    for (index, text) in texts.enumerated() { try incident.add(text: text, file: "\(index)") }
    return incident.answer()
  }

  static let kinds: [String: TextKind] = [
    "sysctl": .sysctl, "netstat": .netstat, "nstat": .nstat, "proc-netstat": .procNet, "proc-snmp": .procNet,
    "iptables": .iptables, "nft": .nft, "conntrack": .conntrack, "ss": .sockets, "uname": .kernel,
  ]

  @Test(arguments: kinds.keys.sorted()) func itIsRecognised(name: String) throws {
    let answer = try Self.answer(try Self.text(name))
    #expect(answer.files.map(\.kind) == [Self.kinds[name]?.rawValue])
  }

  @Test func whatIsUnknownIsNamed() throws {
    #expect(try Self.answer("dear all,\nit does not work\n").files.map(\.kind) == ["unknown"])
    #expect(try Self.answer("").files.map(\.kind) == ["unknown"])
    guard case .other(let why) = Incident.kind(of: [0x1f, 0x8b, 8]) else { throw Unexpected() }
    #expect(why.contains("zcat"))
  }
  struct Unexpected: Error {}

  /// The same overflow, counted by four programs; and what was counted in between is shown, not likely.
  @Test func countersOfAllProgramsAgree() throws {
    for name in ["nstat", "netstat", "proc-netstat"] {
      let answer = try Self.answer(try Self.text(name))
      #expect(answer.named == ["listen-overflow"], "\(name): \(answer.headline)")
      #expect(answer.suspects.first?.certainty == .likely)
      #expect(answer.suspects.first?.evidence == ["ListenOverflows is 4 since the machine began"])
    }
    #expect(try Self.answer(try Self.text("ss")).named == ["listen-overflow"])
    let both = try Self.answer(try Self.text("nstat-before"), try Self.text("nstat"))
    #expect(both.suspects.first?.certainty == .shown)
    #expect(both.suspects.first?.evidence == ["ListenOverflows is 4 between the two readings"])
    // Two programs print the same numbers, which are no difference.
    #expect(
      try Self.answer(try Self.text("nstat"), try Self.text("netstat")).suspects.first?.certainty == .likely)
  }

  @Test func oldCountersAreKnown() throws {
    let text =
      "TcpExt:\n    43 passive connections rejected because of time stamp\n    43 SYNs to LISTEN sockets dropped\n"
    #expect(try Self.answer(text).named == ["recycle"])
    #expect(
      try Self.answer("net.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_timestamps = 1\n").fitting == ["recycle"])
    #expect(
      try Self.answer("net.ipv4.tcp_tw_recycle = 1\n", "Linux version 6.1.0 (x) #1 SMP\n").fitting.isEmpty)
  }

  /// A number that is too large to be summed is still one.
  @Test func largeCountersAreRead() throws {
    let line = "cpu=0 insert_failed=9223372036854775807 drop=9223372036854775807\n"
    #expect(try Self.answer(line + line).files.map(\.kind) == ["conntrack -S"])
  }

  @Test func directorsAreRead() throws {
    let table = "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 0\n"
    #expect(try Self.answer(table).named == ["ipvs-quiesced"])
    #expect(try Self.answer(table.replacing("-w 0", with: "-w 1")).named.isEmpty)
  }

  static let spoilt: [(String, String, String)] = [
    ("sysctl", "net.ipv4.tcp_abc 1", "no ="), ("nstat", "TcpExtPAWSEstab many 0.0", "no name and number"),
    ("proc-netstat", "TcpExt: 1 2", "not the numbers of the line above"),
    ("iptables", "--A INPUT", "outside of a table"), ("nft", "}", "a brace closes what none has opened"),
    ("conntrack", "cpu=2 drop=", "no name=number"),
    ("ss", "ESTAB 0 0 127.0.0.1:1", "no state, two queues and two ends"),
    ("netstat", "    sockets without a number", "no number"),
  ]

  /// At the end of the file, so that its line is known.
  @Test(arguments: spoilt) func aSpoiltLineIsNamed(name: String, line: String, words: String) throws {
    var text = try Self.text(name)
    if !text.hasSuffix("\n") { text += "\n" }
    if name == "proc-netstat" { text += "TcpExt: A B C\n" }
    let number = text.split(separator: "\n", omittingEmptySubsequences: false).count
    let failure = #expect(throws: Failure.self) { try Self.answer(text + line + "\n") }
    #expect(failure?.object == "0:\(number)", "\(failure?.description ?? "")")
    #expect(failure?.cause.contains(words) == true, "\(failure?.description ?? "")")
    #expect(failure?.isUsage == true)
  }

  /// A counter that stands still excludes, one that moved decides; and what cannot be by a setting is not said.
  @Test func textsWeighWhatACaptureLeavesOpen() throws {
    let capture = try Data(contentsOf: ForeignTests.folder.appendingPathComponent("input_drop.server.pcap"))
    func fitting(_ texts: String...) throws -> Answer {
      var incident = Incident()
      var stream = Incident.CaptureStream(file: "c")
      try capture.withUnsafeBytes { try stream.add($0) }
      incident.add(stream, file: "c")
      for text in texts { try incident.add(text: text, file: "t") }
      return incident.answer()
    }
    #expect(try fitting().fitting.contains("syn-queue"))
    #expect(
      try !fitting("net.ipv4.tcp_syncookies = 1\nnet.ipv4.tcp_timestamps = 1\n").fitting.contains("syn-queue")
    )
    #expect(
      try !fitting("TcpExtListenOverflows 0 0.0\nTcpExtListenDrops 0 0.0\n").fitting.contains(
        "listen-overflow"))
    #expect(
      try fitting("TcpExtListenOverflows 9 0.0\nTcpExtListenDrops 9 0.0\n").named == ["listen-overflow"])
  }
}
