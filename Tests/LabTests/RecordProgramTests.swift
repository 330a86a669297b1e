import Foundation
import Judging
import Model
import Testing

@testable import Report

/// Records as files: signed, verified, compared. With ssh-keygen itself.
@Suite struct RecordProgramTests {
  private static func keygen(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["ssh-keygen"] + arguments
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  private static func keep(_ cases: [CaseResult], _ kernel: Kernel, in path: String) throws {
    let folder = try RunFolder(creating: path)
    try folder.begin(PlannedRun(cases.map { ($0.test, "host") }, kernels: ["host": kernel]))
    try folder.save(Results(cases, kernels: ["host": kernel], seconds: 1))
  }

  @Test func aRecordIsSignedVerifiedAndCompared() throws {
    let scratch = try RunFolderTests.Scratch()
    let (out, records) = (scratch.path + "/out", scratch.path + "/records")
    let cases = ["x/a=1", "x/a=2"].map { RunFolderTests.result(.pass, $0, seen: false) }
    try Self.keep(cases, PlanTests.kernel(), in: out)
    let key = scratch.path + "/key"
    try Self.keygen("-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", key)
    let made = try ProgramTests.run("record", out, "--output", records, "--sign", key)
    #expect(made.status == 0, "\(made.output)\(made.errors)")
    #expect(made.output.contains("host.json: Linux 6.18.0, 2 cases"))
    #expect(made.output.contains("which no allowed_signers beside it names"))

    let pub = (scratch.read("key.pub") ?? "").split(separator: " ").prefix(2).joined(separator: " ")
    try scratch.write("qa@example.org namespaces=\"pawslab-record\" \(pub)\n", "records/allowed_signers")
    let file = records + "/host.json"
    let checked = try ProgramTests.run("record", "--check", file)
    #expect(checked.status == 0 && checked.output.contains("signed by qa@example.org"), "\(checked.errors)")
    let same = try ProgramTests.run("diff", file, out)
    #expect(
      same.status == 0 && same.output.contains("no difference in 2 cases"), "\(same.output)\(same.errors)")

    // A kernel of the same name with another patch.
    var patched = PlanTests.kernel()
    patched.capabilities.remove(.feature(.timestampsByPort))
    try Self.keep(cases, patched, in: scratch.path + "/patched")
    let differs = try ProgramTests.run("diff", file, scratch.path + "/patched")
    #expect(differs.status == 1 && differs.output.contains("has timestamps-by-port"), "\(differs.output)")

    // What somebody has changed is nobody's.
    let text = scratch.read("records/host.json") ?? ""
    #expect(!text.isEmpty)
    try scratch.write(text.replacing("\"pass\"", with: "\"fail\""), "records/host.json")
    for arguments in [["record", "--check", file], ["diff", file, out]] {
      let refused = try ProgramTests.run(arguments)
      #expect(refused.status == 3 && refused.errors.contains("no signature of this file by anybody who may"))
    }
    try scratch.write(text, "records/host.json")
    try scratch.write(
      "other@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
      "records/allowed_signers")
    #expect(
      try ProgramTests.run("record", "--check", file).errors.contains("its key is not in allowed_signers"))
  }

  @Test func whatIsInTheRepositoryIsSigned() throws {
    let folder = ProgramTests.repository + "/lab/records"
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
    #expect(files.count >= 4)
    let checked = try ProgramTests.run(["record", "--check"] + files.map { "\(folder)/\($0)" })
    #expect(checked.status == 0, "\(checked.errors)")
    #expect(checked.output.split(separator: "\n").allSatisfy { $0.contains("signed by ") })
  }
}
