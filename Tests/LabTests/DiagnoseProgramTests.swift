import Diagnosis
import Foundation
import Testing
import TestSupport

/// `pawslab diagnose`, as somebody calls it who has an outage.
@Suite(.serialized) struct DiagnoseProgramTests {
  private static let canRun = ProgramTests.canRun
  private static let texts = ProgramTests.repository + "/Tests/DiagnosisTests/Texts/"
  private static let incident =
    ProgramTests.repository
    + "/lab/recorded/linux-4.9.115/captures/linux-4.9/lvs-tw-recycle_topology=ipvs-fullnat,tw_recycle=1,timestamps=1,clock=behind,closer=server,family=ipv4.pcapng"

  @Test func theIncidentIsNamedFirst() throws {
    let ended = try ProgramTests.run("diagnose", Self.incident)
    #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended)")
    #expect(ended.output.hasPrefix("recycle (likely) hits 198.19.0.1: tcp_tw_recycle: "), "\(ended.output)")
    #expect(ended.output.contains("sysctl -w net.ipv4.tcp_tw_recycle=0 on the server"))
    #expect(ended.output.contains("  see it      pawslab run lab/lvs-tw-recycle.yaml"))
    #expect(ended.output.contains("    $ nstat -az > before"))
    // A kernel that has no such setting excludes it, whatever the packets look like.
    let later = try ProgramTests.run("diagnose", Self.incident, Self.texts + "uname")
    #expect(later.status == 0 && !later.output.contains("recycle (likely)"), "\(later.output)")
  }

  @Test func jsonHoldsTheSame() throws {
    let ended = try ProgramTests.run("diagnose", "--format", "json", Self.incident, Self.texts + "nstat")
    let answer = try JSONDecoder().decode(Answer.self, from: Data(ended.output.utf8))
    #expect(answer.files.map(\.kind) == ["capture", "nstat -az"])
    // nstat of a kernel that has no PAWSPassive.
    #expect(!answer.named.contains("recycle"))
  }

  @Test func usageIsSaid() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "diagnose-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func file(_ name: String, _ text: String) throws -> String {
      let path = folder.appendingPathComponent(name).path
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      return path
    }
    let spoilt = try file(
      "spoilt", "net.ipv4.tcp_timestamps = 1\nnet.ipv4.tcp_tw_reuse = 2\nnet.ipv4.tcp_rfc1337 1\n")
    let letter = try file("letter", "dear all,\nit does not work\n")
    for (arguments, words) in [
      ([], "Missing expected argument"), (["/none"], "diagnose /none: No such file or directory"),
      ([spoilt], "spoilt:3: no =: net.ipv4.tcp_rfc1337 1; give the whole of what sysctl -a prints"),
      ([letter], "letter: none of the kinds that this reads"), (["--at", "moon", letter], "moon"),
    ] {
      let ended = try ProgramTests.run(["diagnose"] + arguments)
      #expect(ended.status == 2, "\(arguments): \(ended)")
      #expect(ended.errors.contains(words), "\(arguments): \(ended.errors)")
    }
    // One that is not known does no harm beside one that is.
    let beside = try ProgramTests.run("diagnose", letter, Self.texts + "nstat")
    #expect(beside.status == 0 && beside.output.contains("unknown; none of"))
    let help = try ProgramTests.run("diagnose", "--help").output
    for word in ["--at", "--format", "ipvsadm -Sn", "conntrack -S"] { #expect(help.contains(word)) }
  }

  /// What a genuine 4.9 did, from every place that holds the evidence.
  @Test func recordedRunsAgreeWithTheJudge() throws {
    let ended = try ProgramTests.run("bench", "diagnose", "lab/recorded/linux-4.9.115")
    #expect(ended.status == 0, "\(ended.output)")
    #expect(ended.output.contains("recycle  "))
    #expect(try ProgramTests.run("bench", "diagnose", "lab").status == 2)
  }

  /// What this machine's kernel does now: nothing is named that the judge did not find, and each of these is.
  @Test(.enabled(if: canRun, "SKIPPED: needs root")) func freshRunsAgreeWithTheJudge() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "diagnose-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let cases = [
      "time-wait-clash/*clock=behind,isn=ahead,timestamps=1,*flushed,family=ipv4,topology=snat",
      "time-wait-clash/rfc1337=0,clock=behind,isn=behind,timestamps=0,*flushed,family=ipv6,topology=snat",
      "syn-for-established/rfc1337=0,clock=forward,isn=behind,family=ipv6",
      "fin-wait-2/syn=of a new connection,isn=ahead,clock=back,rfc1337=1,family=ipv4",
      "clock-step/step=back,sender=client,timestamps=1,family=ipv4",
      "firewall-says-no/firewall=icmp,connection=new,family=ipv4",
      "server-reboots/what=reboots,timestamps=1,family=ipv4",
    ]
    let ran = try ProgramTests.run(
      ["run", "lab"] + cases.flatMap { ["--case", $0] } + ["--host-only", "--quiet", "--out", folder.path])
    #expect([0, 1].contains(ran.status), "\(ran.output)\(ran.errors)")
    let ended = try ProgramTests.run("bench", "diagnose", "--verbose", folder.path)
    #expect(ended.status == 0, "\(ended.output)")
    let server =
      ended.output.components(separatedBy: "\nserver\n").last?.components(separatedBy: "\n\n").first ?? ""
    for name in ["tw-paws", "challenge-ack", "fin-wait-2", "established-paws", "no-socket"] {
      let row = server.split(separator: "\n").first { $0.hasPrefix("  \(name) ") }
      #expect(
        row?.split(separator: " ").dropFirst(1).first.flatMap { Int($0) } ?? 0 > 0, "\(name): \(server)")
    }
  }
}
