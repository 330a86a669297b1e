import Foundation
import Model
import TestSupport
import Testing

/// Programs of lab files, as a user meets them: others write lab files and keep runs.
@Suite(.serialized, .enabled(if: geteuid() == 0, "SKIPPED: needs root for namespaces"))
struct ExecTests {
  /// A lab file whose program leaves a mark.
  private static func write(into folder: String, mark: String) throws -> String {
    let path = folder + "/marked.yaml"
    try """
    title: A program that leaves a mark
    why: it is seen whether it ran
    topology: {kind: direct}
    clients: {client: {}}
    workload: [{exec: [touch, "\(mark)"], in: client}, {connect: client}]
    expect: [{otherwise: true, because: nothing is in its way}]

    """.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  /// Without consent no command runs it, also not from a saved run; the message says what lets it.
  @Test func noCommandRunsAProgramUnlessThatIsAllowed() throws {
    let scratch = try RunFolderTests.Scratch()
    let mark = scratch.path + "/mark"
    let file = try Self.write(into: scratch.path, mark: mark)
    func isMarked() -> Bool { FileManager.default.fileExists(atPath: mark) }

    let allowed = try ProgramTests.run(
      "run", file, "--host-only", "--allow-exec", "--quiet", "--out", scratch.path + "/kept")
    #expect(allowed.status == 0, "\(allowed.output)\(allowed.errors)")
    #expect(isMarked())
    try FileManager.default.removeItem(atPath: mark)

    for arguments in [
      ["run", file, "--host-only"], ["explain", "--run", "--lab", file, "marked/default"],
      ["bench", "mutate", file], ["bench", "crosscheck", file], ["replay", scratch.path + "/kept"],
    ] {
      let refused = try ProgramTests.run(arguments)
      #expect(refused.status == 2, "\(arguments): \(refused.output)\(refused.errors)")
      #expect(
        refused.errors.contains("marked/default: it runs a program that its lab file names; --allow-exec"),
        "\(arguments): \(refused.errors)")
      #expect(!isMarked(), "\(arguments)")
    }
    // What it does can be looked at.
    let explained = try ProgramTests.run("explain", "--lab", file, "marked/default")
    #expect(explained.status == 0)
    #expect(explained.output.contains("client runs touch \(mark)"))
  }

  /// A daemon goes on while its case does, and no longer; what it leaves in /run nobody else sees.
  @Test func aDaemonEndsWithItsCase() throws {
    let scratch = try RunFolderTests.Scratch()
    let path = scratch.path + "/daemon.yaml"
    let (seconds, mark) = ("4\(getpid())", "/run/pawslab-\(getpid())")
    try """
    title: A program that leaves a daemon
    why: it is seen while the case runs, and not when it is over
    topology: {kind: direct}
    clients: {client: {}}
    workload:
      - {exec: [sh, -c, "setsid sleep \(seconds) < /dev/null > /dev/null 2>&1 & touch \(mark)"], in: server}
      - {exec: [sh, -c, "until pgrep -xf 'sleep \(seconds)'; do :; done; ls \(mark)"], in: client, says: \(mark)}
      - {exec: [sh, /dev/stdin], in: client, says: "to 198.18.0.1 once more", input: "echo to {server} once more"}
      - {connect: client}
    expect: [{otherwise: true, because: nothing is in its way}]

    """.write(toFile: path, atomically: true, encoding: .utf8)
    let ran = try ProgramTests.run("run", path, "--host-only", "--allow-exec")
    #expect(ran.status == 0, "\(ran.output)\(ran.errors)")
    #expect(!FileManager.default.fileExists(atPath: mark))
    let commands = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap {
      FileManager.default.contents(atPath: "/proc/\($0)/cmdline").map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(!commands.contains { $0.hasPrefix("sleep\0\(seconds)\0") })
  }

  /// More than two seconds of waiting are skipped, and said to be.
  @Test func aSlowCaseIsSkippedUnlessAskedFor() throws {
    let scratch = try RunFolderTests.Scratch()
    let path = scratch.path + "/slow.yaml"
    try """
    title: Time passes
    why: three seconds of it
    topology: {kind: direct}
    clients: {client: {}}
    workload: [{wait: 2.1}, {connect: client}]
    expect: [{otherwise: true, because: nothing is in its way}]

    """.write(toFile: path, atomically: true, encoding: .utf8)
    let skipped = try ProgramTests.run("run", path, "--host-only")
    #expect(skipped.output.contains("--slow"), "\(skipped.output)")
    #expect(skipped.output.contains("1 skipped"))
    let ran = try ProgramTests.run("run", path, "--host-only", "--slow")
    #expect(ran.status == 0, "\(ran.output)\(ran.errors)")
    #expect(ran.output.contains("1 passed"))
  }
}

/// Outages with programs that people run: `lab/programs`.
@Suite(.enabled(if: geteuid() == 0, "SKIPPED: needs root for namespaces"))
struct RealProgramsTests {
  private static let isThere = ["nginx", "curl", "wrk", "haproxy"].allSatisfy { Needs.program($0) != nil }

  @Test(.enabled(if: isThere, "SKIPPED: needs nginx-light curl wrk haproxy"))
  func programsMeetWhatTheLabsOwnClientsMeet() throws {
    let ended = try ProgramTests.run([
      "run", "lab/programs", "--allow-exec", "--host-only", "--jobs", "4", "--case", "*family=ipv4*",
    ])
    #expect(ended.status == 0, "\(ended.output.suffix(4000)) \(ended.errors.suffix(500))")
    // A host without IPVS has keepalived do nothing.
    let skipped = ended.output.split(separator: "\n").filter { $0.hasPrefix("skip ") }
    #expect(skipped.allSatisfy { $0.contains("keepalived") }, "\(skipped)")
  }

  /// A case whose program is missing says what brings it.
  @Test func withoutItsProgramACaseIsSkipped() throws {
    var test = PlanTests.test()
    test.workload = [Step(Exec(node: "c", command: ["nginx"]))]
    let reason = PlanTests.reason(test, PlanTests.kernel(without: [.feature(.nginx)]))
    #expect(reason?.contains("apt-get install nginx-light") == true, "\(reason ?? "none")")
    #expect(PlanTests.reason(test, PlanTests.kernel()) == nil)
  }
}
