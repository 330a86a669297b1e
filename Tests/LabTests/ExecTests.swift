import Foundation
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
