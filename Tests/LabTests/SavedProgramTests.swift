import Foundation
import Judging
import Lab
import Model
import Testing

@testable import Report

/// Runs that are kept, killed, continued, replayed: the built program, as a user calls it.
@Suite(.serialized, .enabled(if: ProgramTests.canRun, "SKIPPED: needs root")) struct SavedProgramTests {
  private typealias Scratch = RunFolderTests.Scratch

  /// The few cases of a small file, each some milliseconds.
  private static let few = ["--case", "direct/*clock=behind*ipv4*", "--host-only"]

  /// A run that is told to end by SIGKILL once so many cases have been told; one case at a time, so that each but the
  /// last of these has been kept.
  private static func kill(after count: Int, _ arguments: [String]) throws {
    let (process, output, _) = try ProgramTests.start(arguments)
    var text = Data()
    while text.count(where: { $0 == UInt8(ascii: "\n") }) < count {
      let piece = output.fileHandleForReading.availableData
      guard !piece.isEmpty else {
        Issue.record("the run ended before \(count) cases: \(String(decoding: text, as: UTF8.self))")
        break
      }
      text.append(piece)
    }
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  @Test func aKilledRunIsJudgedToldAndContinued() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    try Self.kill(after: 5, ["run", "lab/direct.yaml", "--host-only", "--jobs", "1", "--out", out])
    let folder = try RunFolder(reading: out)
    let before = try folder.loadResults()
    #expect(before.cases.count >= 4 && before.cases.count < 48)
    let unfinished = "unfinished: \(48 - before.cases.count) of 48 cases were not judged"
    #expect(before.unfinished?.hasPrefix(unfinished) == true)

    let judged = try ProgramTests.run("judge", out)
    #expect(judged.status == 1)
    #expect(judged.output.contains("\(before.cases.count) judged again, 0 otherwise than before"))
    #expect(judged.output.contains(unfinished))
    let report = try ProgramTests.run("report", out)
    #expect(report.status == 0 && report.output.contains(unfinished) && report.errors.contains(unfinished))
    let junit = try ProgramTests.run("report", out, "--format", "junit")
    #expect(junit.output.contains("errors=\"\(48 - before.cases.count)\""))
    let seen = try ProgramTests.run("explain", before.cases[0].id, "--from", out)
    #expect(seen.status == 0 && seen.output.contains("\npackets\n") && seen.errors.contains(unfinished))
    let missing = try #require(before.notJudged?.first?.id)
    let unseen = try ProgramTests.run("explain", missing, "--from", out)
    #expect(unseen.status == 2 && unseen.errors.contains("the run was ended before it"))
    let difference = try ProgramTests.run("diff", out, out)
    #expect(difference.status == 1 && difference.output.contains("cases could not be compared"))
    #expect(!difference.output.contains("no difference"))

    // Verdicts of two kernels make no run of one.
    let plan = try String(contentsOfFile: out + "/run.json", encoding: .utf8)
    let release = try #require(before.kernels["host"]?.release)
    try scratch.write(plan.replacing("\"\(release)\"", with: "\"4.9.115\""), "out/run.json")
    let elsewhere = try ProgramTests.run("run", "--continue", "--out", out)
    #expect(elsewhere.status == 2)
    #expect(elsewhere.errors.contains("--continue host: it is Linux \(release) now, and was 4.9.115"))
    try scratch.write(plan, "out/run.json")

    let continued = try ProgramTests.run("run", "--continue", "--out", out)
    #expect(continued.status == 0, "\(continued.output)\(continued.errors)")
    // Only what was missing was run, and the sum is of all.
    #expect(
      continued.output.split(separator: "\n").count { $0.hasPrefix("pass   ") } == 48 - before.cases.count)
    #expect(continued.output.contains("48 passed, 0 failed"))
    let after = try folder.loadResults()
    #expect(after.cases.count == 48 && after.unfinished == nil)
    #expect(try ProgramTests.run("judge", out).output == "48 judged again, 0 otherwise than before\n")
    // A finished run is continued by nothing.
    let again = try ProgramTests.run("run", "--continue", "--out", out, "--quiet")
    #expect(again.status == 0 && again.output.contains("48 passed"))
  }

  /// Wherever it was: what the folder says was judged is there, whole.
  @Test(arguments: [1, 2, 7, 15, 30, 45]) func aRunThatIsKilledAnywhereLeavesNothingHalf(lines: Int) throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    try Self.kill(after: lines, ["run", "lab/direct.yaml", "--host-only", "--jobs", "8", "--out", out])
    let judged = try ProgramTests.run("judge", out)
    let cases = try RunFolder(reading: out).loadResults()
    #expect(judged.output.hasSuffix("\(cases.cases.count) judged again, 0 otherwise than before\n"))
    #expect(!judged.output.contains("cannot be judged") && judged.errors.isEmpty, "\(judged.errors)")
    #expect(judged.status == (cases.unfinished == nil ? 0 : 1))
    // Eight at a time were on their way when the last line was told.
    #expect(cases.cases.count >= lines - 8)
  }

  @Test func aRunThatWasInterruptedSaysHowToGoOn() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    let (process, output, errors) = try ProgramTests.start([
      "run", "lab/direct.yaml", "--host-only", "--jobs", "1", "--out", out,
    ])
    _ = output.fileHandleForReading.availableData
    process.interrupt()
    _ = output.fileHandleForReading.readDataToEndOfFile()
    let words = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    #expect(words.contains("of 48 cases were not judged; pawslab run --continue --out \(out) runs them"))
    let saved = scratch.read("out/results.json")
    #expect(saved?.contains("not judged: the run was ended before it") == true)
    #expect(try ProgramTests.run("run", "--continue", "--out", out).status == 0)
    #expect(try RunFolder(reading: out).loadResults().cases.count == 48)
  }

  @Test func aFolderInUseIsLeftToItsRun() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    let (process, output, _) = try ProgramTests.start([
      "run", "lab/direct.yaml", "--host-only", "--jobs", "1", "--out", out,
    ])
    _ = output.fileHandleForReading.availableData
    // Stopped, so that it is there for as long as it is asked about.
    Foundation.kill(process.processIdentifier, SIGSTOP)
    let user = "(process \(process.processIdentifier))"
    for more in [[], ["--continue"]] {
      let second = try ProgramTests.run(
        ["run", "--out", out] + (more.isEmpty ? Self.few : more))
      #expect(second.status == 2)
      #expect(second.errors.contains("--out \(out): a run is writing there now \(user)"), "\(second.errors)")
    }
    let report = try ProgramTests.run("report", out)
    #expect(report.errors.contains("the run is going on \(user)"), "\(report.errors)")
    Foundation.kill(process.processIdentifier, SIGCONT)
    _ = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(try RunFolder(reading: out).loadResults().cases.count == 48)
  }

  @Test func whatFailedIsRunAgainAndEnoughIsEnough() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    let text = try String(contentsOfFile: ProgramTests.repository + "/lab/direct.yaml", encoding: .utf8)
    try scratch.write(text.replacing(" connected", with: " refused"), "direct.yaml")
    let stopped = try ProgramTests.run(
      "run", scratch.path + "/direct.yaml", "--host-only", "--jobs", "1", "--max-fail", "2", "--out", out)
    #expect(stopped.status == 1)
    #expect(stopped.errors.contains("unfinished: 46 of 48 cases were not judged (--max-fail 2 was reached"))
    let results = try RunFolder(reading: out).loadResults()
    #expect((results.summary.fail, results.notJudged?.count) == (2, 46))
    // Not run, so not wrong: but there for whoever counts.
    #expect(scratch.read("out/junit.xml")?.contains("failures=\"2\" errors=\"0\" skipped=\"46\"") == true)

    let again = try ProgramTests.run("run", "lab", "--last-failed", out, "--out", out)
    #expect(again.status == 0, "\(again.errors)")
    #expect(again.output.contains("2 passed, 0 failed"))
    #expect(again.errors.contains("46 of 48 cases were not judged"))
    // Now nothing fails there.
    let none = try ProgramTests.run("run", "lab", "--last-failed", out)
    #expect(none.status == 0 && none.errors.contains("no case failed or broke there, so none is run"))
    let gone = try ProgramTests.run("run", "lab/tw-reuse.yaml", "--last-failed", out + "/previous")
    #expect(
      gone.status == 2 && gone.errors.contains("2 of the 2 cases that failed are not in these lab files"))
  }

  @Test(arguments: [
    (["--continue"], "--continue goes on with what --out keeps: name a folder"),
    (["--continue", "--out", "x", "--case", "y"], "name no cases, lab files or kernels with it"),
    (["--continue", "--out", "/nowhere/at/all"], "name a folder that a run kept with --out"),
    (["--max-fail", "0"], "--max-fail takes 1 or more, not 0"),
    (["--last-failed", "/nowhere/at/all"], "name a folder that a run kept with --out"),
  ])
  func whatCannotBeResumedIsUsage(arguments: [String], words: String) throws {
    let ended = try ProgramTests.run(["run"] + arguments)
    #expect(ended.status == 2)
    #expect(ended.errors.contains(words), "\(ended.errors)")
  }

  /// What was skipped is run again too, and where nothing was compared nobody says that nothing differs.
  @Test func aReplayLeavesNothingOut() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    let ran = try ProgramTests.run(
      "run", "lab/tw-recycle-expiry.yaml", "lab/direct.yaml", "--case", "tw-*", "--case", Self.few[1],
      "--host-only", "--out", out)
    #expect(ran.status == 0, "\(ran.errors)")
    // The host has no tcp_tw_recycle: Linux removed it in 4.12.
    #expect(try RunFolder(reading: out).loadResults().summary.skip == 6)
    let replayed = try ProgramTests.run("replay", out)
    #expect(replayed.status == 0, "\(replayed.output)\(replayed.errors)")
    #expect(replayed.output.contains("no difference in 8 cases"))
    #expect(replayed.output.contains("6 cases skipped on both sides"))

    // A run of which a case was not kept, as before there was a run.json.
    try FileManager.default.removeItem(atPath: out + "/run.json")
    let without = try ProgramTests.run("replay", out)
    #expect(without.status == 1)
    #expect(without.output.contains("6 cases could not be compared"))
    #expect(without.output.contains("now: not run: it came to skip then, and that run did not keep the case"))
    #expect(!without.output.contains("no difference"))
    // One whose lab broke.
    let folder = try RunFolder(reading: out)
    var results = try folder.loadResults()
    let index = try #require(results.cases.firstIndex { $0.verdict == .pass })
    results.cases[index].verdict = .error
    results.cases[index].reason = "it broke"
    try folder.save(results)
    let broken = try ProgramTests.run("replay", out)
    #expect(broken.status == 1)
    #expect(broken.output.contains("then: the lab broke: it broke"))
    #expect(!broken.output.contains("no difference"))
  }

  @Test func aStrangersNamesLeadNowhere() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    #expect(try ProgramTests.run(["run", "--out", out] + Self.few).status == 0)
    for name in ["results.json", "run.json"] {
      let text = try #require(try? String(contentsOfFile: out + "/" + name, encoding: .utf8))
      try Data(text.replacing("\"host\"", with: "\"../../victim\"").utf8).write(
        to: URL(fileURLWithPath: out + "/" + name))
    }
    try scratch.write("mine", "victim/image")
    let before = scratch.files
    for command in [
      ["replay", out, "--out", scratch.path + "/new"], ["judge", out], ["report", out, "--html"],
      ["diff", out, out], ["explain", "direct/*", "--from", out], ["claims", "--from", out],
      ["run", "--continue", "--out", out], ["run", "--last-failed", out],
    ] {
      let ended = try ProgramTests.run(command)
      #expect([2, 3].contains(ended.status), "\(command)")
      #expect(ended.errors.contains("kernel name \"../../victim\""), "\(command): \(ended.errors)")
      #expect(ended.errors.split(separator: "\n").count == 1, "\(ended.errors)")
    }
    #expect(scratch.files.filter { !$0.hasPrefix("out/.lock") } == before)
  }

  @Test func casesThatDifferInPunctuationShowTheirOwnPackets() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    try scratch.write(
      """
      title: values that differ in punctuation only
      why: file names
      topology: {kind: direct}
      clients:
        early: {}
      matrix:
        tag: [a/b, a_b, "a:b"]
      controls: [tag]
      workload:
        - {connect: early, closes: client, when: {tag: a/b}}
        - {connect: early, closes: server, when: {tag: [a_b, "a:b"]}}
      expect:
        - {otherwise: true, early: connected, because: it is new}

      """, "ax.yaml")
    let ran = try ProgramTests.run("run", scratch.path + "/ax.yaml", "--host-only", "--out", out)
    #expect(ran.status == 0, "\(ran.output)\(ran.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: out + "/captures/host").count == 3)
    for (value, closer) in [("a/b", "client"), ("a_b", "server"), ("a:b", "server")] {
      let told = try ProgramTests.run("explain", "ax/tag=\(value)", "--from", out).output
      #expect(told.hasPrefix("ax/tag=\(value)\n"), "\(told.prefix(40))")
      #expect(told.contains("the \(closer) closes first"))
    }
  }

  @Test func twoFilesOfOneNameAreNamed() throws {
    let scratch = try Scratch()
    let text = try String(contentsOfFile: ProgramTests.repository + "/lab/direct.yaml", encoding: .utf8)
    for folder in ["a", "b"] { try scratch.write(text, folder + "/direct.yaml") }
    let (a, b) = (scratch.path + "/a", scratch.path + "/b")
    let ended = try ProgramTests.run("list", a, b)
    #expect(ended.status == 2)
    #expect(
      ended.errors.contains("\(a)/direct.yaml and \(b)/direct.yaml both make a scenario called direct"),
      "\(ended.errors)")
    // One file under two names is one file.
    let once = try ProgramTests.run("list", a, a + "/direct.yaml", a + "/../a")
    #expect(once.status == 0)
    #expect(once.output == (try ProgramTests.run("list", a).output))
  }

  @Test func aPageSaysWhatItCannotShow() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    #expect(try ProgramTests.run(["run", "--out", out] + Self.few).status == 0)
    let folder = try RunFolder(reading: out)
    let entry = try folder.loadResults().cases[0]
    try FileManager.default.removeItem(atPath: out + "/" + (entry.capture ?? "-"))
    let page = try ProgramTests.run("report", out, "--html")
    #expect(page.status == 3)
    #expect(page.errors.contains("1 of 8 cases are shown without their packets, which could not be read"))
    #expect(page.output.contains("its packets cannot be shown: read \(out)/captures/host/"))
    #expect(page.output.components(separatedBy: "data-ladder=").count == 8)
    let judged = try ProgramTests.run("judge", out)
    #expect(judged.status == 3)
    #expect(judged.output.contains("1 cannot be judged") && judged.output.contains("7 judged again"))
  }

  // MARK: a disk that is full, a folder that cannot be written

  /// In a mount namespace of its own: nothing of it is left.
  private static func onSmallDisk(_ size: String, _ script: String) throws -> ProgramTests.Ended {
    let scratch = try Scratch()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
    process.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
    process.arguments = [
      "--mount", "/bin/sh", "-c",
      "mount -t tmpfs -o size=\(size) none \(scratch.path) && D=\(scratch.path) P=\(ProgramTests.program) && "
        + script,
    ]
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let words = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return ProgramTests.Ended(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: words, as: UTF8.self))
  }

  /// What is kept is whole, what is not is said once with its cause and counted, and the run is not green.
  @Test func aFullDiskLosesNothingThatWasKept() throws {
    let ended = try Self.onSmallDisk(
      "400k",
      """
      $P run lab/direct.yaml --host-only --jobs 4 --out $D/out --quiet
      echo "run $?"; echo; rm -f $D/out/report.html $D/out/*.xml $D/out/*.ktap $D/out/*.md
      find $D -name '*.partial'; $P judge $D/out; echo "judge $?"
      """)
    #expect(ended.output.contains("48 passed"), "\(ended.output)\(ended.errors)")
    #expect(ended.output.contains("run 3\n"))
    #expect(ended.errors.components(separatedBy: "No space left on device").count == 2, "\(ended.errors)")
    #expect(ended.errors.contains("times something could not be kept in --out; the first cause is above"))
    #expect(!ended.output.contains(".partial"))
    // Everything that is there can be read: only what is missing is said.
    #expect(!ended.errors.contains("cut short") && !ended.errors.contains("no JSON"))
    #expect(ended.output.contains("judged again, 0 otherwise than before"))
    #expect(ended.output.contains("judge 1\n") || ended.output.contains("judge 3\n"))
  }

  @Test func aFolderThatCannotBeWrittenIsSaidBeforeAnythingRuns() throws {
    let ended = try Self.onSmallDisk(
      "1m",
      """
      mkdir $D/out && mount -o remount,ro $D && $P run lab/direct.yaml --host-only --out $D/out
      echo "run $?"; $P run lab/direct.yaml --host-only --out $D/new/deeper; echo "run $?"
      """)
    #expect(ended.output == "run 2\nrun 2\n")
    #expect(ended.errors.components(separatedBy: "Read-only file system").count == 3, "\(ended.errors)")
    #expect(ended.errors.components(separatedBy: "name a folder that can be written").count == 3)
  }

  /// With fewer descriptors than are needed, that is said; with enough, all is judged; and nothing in between.
  @Test(arguments: 4...9) func tooFewDescriptorsAreSaid(count: Int) throws {
    let ended = try Self.onSmallDisk("1m", "ulimit -n \(count); $P judge lab/recorded/linux-4.9.115; echo $?")
    let isWhole = ended.output == "21 judged again, 0 otherwise than before\n0\n"
    let isSaid = ended.output.hasSuffix("3\n") && ended.errors.contains("Too many open files")
    #expect(isWhole != isSaid, "\(ended.output)\(ended.errors)")
  }
}
