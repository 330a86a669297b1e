import Diagnosis
import Foundation
import LabFile
import Model
import Report
import TestSupport
import Testing

/// `pawslab diagnose --enact`, as somebody calls it who wants to see it again.
@Suite(.serialized) struct EnactProgramTests {
  private static let bridge = ProgramTests.repository + "/Tests/DiagnosisTests/Bridge/"

  /// Of the lab's own cases, as bench diagnose --enact keeps them.
  private static let captures = ProgramTests.repository + "/Tests/DiagnosisTests/Cases/"

  private static func temporary() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("enact-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  /// tcpdump has captured nginx and curl: the lab's own client and server do the same, packet by packet; with another
  /// setting than theirs they do not, and that is said.
  @Test(.enabled(if: ProgramTests.canRun, "SKIPPED: needs root")) func whatWasSeenIsSeenAgain() throws {
    let folder = try Self.temporary()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("theirs.yaml").path
    let same = try ProgramTests.run(
      "diagnose", Self.bridge + "delayed.pcap", Self.bridge + "delayed.sysctl", "--enact", file, "--run",
      "--kernel", "host")
    #expect(same.status == 0, "\(same)")
    #expect(same.output.contains("\nSame mechanism, same packets: delayed by tw-paws\n"), "\(same.output)")
    #expect(same.output.contains("diagnose says of the lab's own packets, seen from there: tw-paws (shown)"))
    #expect(same.output.contains("    $ pawslab cure \(file)"))
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(try LabFiles.parse(text, file: file).cases().count == 1)

    // The file by itself is a lab file, and what ends it is asked of it as of any other.
    let cured = try ProgramTests.run(
      "cure", file, "--change", "NAT ports*", "--times", "1", "--kernel", "host")
    #expect(cured.status == 0 && cured.output.contains("late: delayed by tw-paws"), "\(cured)")
    #expect(cured.output.contains("ends it\n  NAT ports="), "\(cured)")

    let other = folder.appendingPathComponent("sysctl").path
    try "net.ipv4.tcp_rfc1337 = 1\nnet.ipv4.tcp_timestamps = 1\n".write(
      toFile: other, atomically: true, encoding: .utf8)
    let doubted = try ProgramTests.run(
      "diagnose", Self.bridge + "delayed.pcap", other, "--enact", file, "--run", "--kernel", "host")
    #expect(doubted.status == 1, "\(doubted)")
    #expect(
      doubted.output.contains(
        "\nNOT THE SAME MECHANISM: theirs delayed by tw-paws, here late: dropped by tw-paws\n"),
      "\(doubted.output)")
    #expect(doubted.output.contains("The diagnosis is in doubt"))
  }

  /// Whatever is enacted, of whatever fits: no mistake is possible in what is written.
  @Test func everyFilePassesTheParser() throws {
    let foreign = ProgramTests.repository + "/Tests/DiagnosisTests/Foreign/"
    var written: Set<String> = []
    let captures =
      try FileManager.default.contentsOfDirectory(atPath: foreign).map { foreign + $0 }
      + FileManager.default.contentsOfDirectory(atPath: Self.bridge).map { Self.bridge + $0 }
      + FileManager.default.contentsOfDirectory(atPath: Self.captures).map { Self.captures + $0 }
    for path in captures.sorted() where path.hasSuffix(".pcap") {
      var incident = Incident()
      var stream = Incident.CaptureStream(file: path)
      try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes { try stream.add($0) }
      incident.add(stream, file: path)
      written.formUnion(try Self.parses(incident))
    }
    // A director whose servers all have weight 0 says what a firewall says.
    var drained = Incident()
    var stream = Incident.CaptureStream(file: "icmp")
    try Data(contentsOf: URL(fileURLWithPath: Self.captures + "icmp.pcap")).withUnsafeBytes {
      try stream.add($0)
    }
    drained.add(stream, file: "icmp")
    try drained.add(
      text: "-A -t 198.19.0.2:8000 -s wlc\n-a -t 198.19.0.2:8000 -r 10.0.0.2:8000 -m -w 0\n", file: "ipvsadm")
    written.formUnion(try Self.parses(drained))
    let kept = try RunFolder(reading: ProgramTests.repository + "/lab/recorded/linux-4.9.115")
    for entry in try kept.loadResults().cases where entry.observation != nil {
      let result = try kept.load(entry.place)
      guard let observation = result.observation, let attempt = result.judgement.attempts.last?.attempt else {
        continue
      }
      let network = result.test.network
      let servers = Set(network.nodes.filter(network.isServer))
      for vantage in [Vantage.server, .hop, .client] {
        let capture = vantage.capture(observation.packets, client: attempt.client, servers: servers)
        var incident = Incident()
        var stream = Incident.CaptureStream(file: "capture")
        try capture.withUnsafeBytes { try stream.add($0) }
        incident.add(stream, file: "capture")
        written.formUnion(try Self.parses(incident))
      }
    }
    #expect(
      written.isSuperset(of: [
        "tw-paws", "tw-seq", "challenge-ack", "recycle", "listen-overflow", "syn-queue", "rp-filter",
        "lost-answer",
        "hop", "conntrack-full", "nat-race", "ipvs", "icmp", "no-socket", "fin-wait-2", "conntrack-invalid",
        "established-paws", "ipvs-quiesced", "ts-echo",
      ]), "\(written.sorted())")
  }

  /// Captures in which bytes are others: ports of 0, numbers and clocks anywhere, times that no clock has.
  @Test func whateverWasCapturedPassesTheParser() throws {
    var state: UInt64 = 14
    func next(_ bound: Int) -> Int {
      // Knuth's MMIX.
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var written = 0
    let captures = try [Self.bridge, Self.captures].flatMap { folder in
      try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".pcap") }.map {
        folder + $0
      }
    }
    for path in captures.sorted() {
      let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      for _ in 0..<60 {
        var bytes = whole
        for _ in 0...next(12) {
          bytes[24 + next(bytes.count - 24)] = [0, 1, 0x80, 0xff, UInt8(next(256))][next(5)]
        }
        var incident = Incident()
        var stream = Incident.CaptureStream(file: "spoilt")
        do { try bytes.withUnsafeBytes { try stream.add($0) } } catch { continue }
        incident.add(stream, file: "spoilt")
        written += try Self.parses(incident).count
      }
    }
    #expect(written > 100, "\(written)")
  }

  /// Each mechanism that fits, enacted, and that file read.
  private static func parses(_ incident: Incident) throws -> [String] {
    try incident.answer().fitting.filter { mechanism in
      guard let enactment = try? incident.enacted(mechanism) else { return false }
      let cases = try LabFiles.parse(enactment.text, file: "enacted.yaml").cases()
      #expect(cases.count == 1, "\(enactment.text)")
      return true
    }
  }

  @Test func usageIsSaid() throws {
    let folder = try Self.temporary()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("theirs.yaml").path
    let own = folder.appendingPathComponent("own.yaml").path
    try "title: mine\n".write(toFile: own, atomically: true, encoding: .utf8)
    let capture = Self.bridge + "delayed.pcap"
    let well = ProgramTests.repository + "/Tests/DiagnosisTests/Foreign/closed.client.pcap"
    for (arguments, status, words) in [
      ([capture, "--run"], 2, "--enact FILE.yaml"),
      ([capture, "--suspect", "tw-paws"], 2, "--enact FILE.yaml"),
      ([capture, "--enact", "theirs"], 2, "ends in .yaml"),
      ([capture, "--enact", file, "--kernel", "host"], 2, "--kernel says where --run runs it"),
      ([capture, "--enact", file, "--run", "--format", "json"], 2, "--run says in text what it saw"),
      ([capture, "--enact", own], 2, "a file that this has not written"),
      ([capture, "--enact", "/none/there.yaml"], 2, "cannot be written"),
      (
        [capture, "--enact", file, "--suspect", "recycle"], 1,
        "recycle does not fit what was brought; these do: tw-paws"
      ),
      ([well, "--enact", file], 1, "nothing is enacted: no mechanism is named"),
    ] as [([String], Int32, String)] {
      let ended = try ProgramTests.run(["diagnose"] + arguments)
      #expect(ended.status == status && ended.errors.contains(words), "\(arguments): \(ended)")
    }
    #expect(try String(contentsOfFile: own, encoding: .utf8) == "title: mine\n")
    #expect(!FileManager.default.fileExists(atPath: file))
    let written = try ProgramTests.run("diagnose", capture, "--enact", file)
    #expect(written.status == 0 && written.output.contains("Next\n    $ pawslab run \(file)\n"), "\(written)")
    // What this has written it may write again.
    #expect(try ProgramTests.run("diagnose", capture, "--enact", file).status == 0)
  }

  // MARK: sosreport, supportconfig

  @Test func supportArchivesAreRead() throws {
    let folder = try Self.temporary()
    defer { try? FileManager.default.removeItem(at: folder) }
    let top = folder.appendingPathComponent("sosreport-web1-2026")
    func add(_ path: String, _ text: String) throws {
      let file = top.appendingPathComponent(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    try add("sos_commands/kernel/sysctl_-a", "net.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_timestamps = 1\n")
    try add(
      "sos_commands/networking/netstat_-s",
      "TcpExt:\n    42 passive connections rejected because of time stamp\n")
    try add("sos_commands/kernel/uname_-a", "Linux web1 4.9.115 #1 SMP x86_64 GNU/Linux\n")
    try add("sos_commands/networking/nstat_-zas", "what it could not print\n")
    // As sos's plugins firewall_tables and ipvs call them.
    try add(
      "sos_commands/firewall_tables/iptables_-t_nat_-nvL",
      "Chain POSTROUTING (policy ACCEPT 0 packets, 0 bytes)\n"
        + " pkts bytes target     prot opt in     out     source               destination         \n"
        + "   12   720 SNAT       6    --  *      *       0.0.0.0/0            0.0.0.0/0            "
        + "to:198.19.0.1:40000-40003\n")
    try add(
      "sos_commands/firewall_tables/nft_-a_list_ruleset",
      "table ip t { # handle 1\n\tchain c { # handle 1\n\t\taccept # handle 2\n\t}\n}\n")
    try add("sos_commands/ipvs/ipvsadm_-Ln_--rate", "IP Virtual Server version 1.2.1 (size=4096)\n")
    try FileManager.default.createSymbolicLink(
      atPath: top.appendingPathComponent("sos_commands/networking/conntrack_-S").path,
      withDestinationPath: "/etc/passwd")
    func tar(_ arguments: String...) throws {
      let tar = Process()
      tar.executableURL = URL(fileURLWithPath: "/usr/bin/tar")
      tar.arguments = arguments
      tar.currentDirectoryURL = folder
      try tar.run()
      tar.waitUntilExit()
      #expect(tar.terminationStatus == 0)
    }
    for (option, name) in [
      ("-cJf", "r.tar.xz"), ("-czf", "r.tar.gz"), ("-cjf", "r.tar.bz2"), ("-cf", "r.tar"),
    ] {
      try tar(option, name, "sosreport-web1-2026")
    }
    for name in ["r.tar.xz", "r.tar.gz", "r.tar.bz2", "r.tar", "sosreport-web1-2026"] {
      let ended = try ProgramTests.run("diagnose", folder.appendingPathComponent(name).path)
      #expect(ended.status == 0 && ended.output.hasPrefix("recycle (likely): "), "\(name): \(ended)")
      let words = ended.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      #expect(words.contains("\(name): sos_commands/kernel/sysctl_-a: sysctl -a"), "\(words)")
      #expect(words.contains("\(name): sos_commands/networking/nstat_-zas: unknown"), "\(words)")
      for (member, kind) in [
        ("iptables_-t_nat_-nvL", "iptables -nvL"), ("nft_-a_list_ruleset", "nft list ruleset"),
      ] {
        #expect(words.contains("\(name): sos_commands/firewall_tables/\(member): \(kind)"), "\(words)")
      }
      #expect(!words.contains("--rate"), "\(words)")
      // A link leads nowhere.
      #expect(!words.contains("conntrack_-S") && !words.contains("root:"), "\(words)")
    }

    // An audit of it, packed or not, has the rule at its line.
    for name in ["r.tar.xz", "sosreport-web1-2026"] {
      let ended = try ProgramTests.run("audit", folder.appendingPathComponent(name).path)
      let words = ended.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      #expect(ended.status == 1 && words.contains("counted-recycle: "), "\(name): \(ended)")
      #expect(words.contains("--to-source 198.19.0.1:40000-40003 at "), "\(words)")
      #expect(words.contains("sos_commands/firewall_tables/iptables_-t_nat_-nvL:3 "), "\(words)")
    }

    // What is packed and no archive does no harm beside what is known.
    let packed = Process()
    packed.executableURL = URL(fileURLWithPath: "/bin/sh")
    packed.arguments = [
      "-c", "gzip -c \(Self.bridge)rfc1337.pcap > p.pcap.gz; echo net.ipv4.x = 1 | gzip -c > s.gz",
    ]
    packed.currentDirectoryURL = folder
    try packed.run()
    packed.waitUntilExit()
    let beside = try ProgramTests.run(
      "diagnose", folder.appendingPathComponent("p.pcap.gz").path, folder.appendingPathComponent("s.gz").path,
      folder.appendingPathComponent("r.tar").path)
    let said = beside.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(beside.status == 0 && said.components(separatedBy: "packed by gzip").count == 3, "\(beside)")

    // Cut short; leading out of itself; no archive at all.
    let whole = try Data(contentsOf: folder.appendingPathComponent("r.tar.xz"))
    try whole.prefix(whole.count / 2).write(to: folder.appendingPathComponent("cut.tar.xz"))
    try tar("-cf", "out.tar", "--transform", "s,^,../../,", "-P", "sosreport-web1-2026/sos_commands")
    for name in ["cut.tar.xz", "out.tar"] {
      let ended = try ProgramTests.run("diagnose", folder.appendingPathComponent(name).path)
      #expect(
        ended.status == 2 && ended.errors.contains("tar -tf shows whether it is whole"), "\(name): \(ended)")
    }
    let empty = folder.appendingPathComponent("empty")
    try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
    let ended = try ProgramTests.run("diagnose", empty.path)
    #expect(ended.status == 2 && ended.errors.contains("neither a sosreport nor a supportconfig"), "\(ended)")
  }
}
