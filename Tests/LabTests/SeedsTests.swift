import Foundation
import Judging
import Model
import Report
import TestSupport
import Testing

/// The built program, from several seeds in guests' own time.
@Suite(
  .serialized,
  .enabled(if: Needs.met(canBoot), "SKIPPED: needs QEMU, debian-12 in the cache, and $PAWSLAB_STATIC_WORKER"),
  .timeLimit(.minutes(5)))
struct SeedsTests {
  /// A folder with a lab file that expects a coin to fall on one side: some seeds fail.
  private struct Scratch: ~Copyable {
    let path = ReportTests.folder()

    init() throws {
      try FileManager.default.createDirectory(atPath: path + "/my lab", withIntermediateDirectories: true)
      let thrown = try String(
        contentsOfFile: ProgramTests.repository + "/Tests/Field/one-port-one-throw.yaml", encoding: .utf8)
      let lines = thrown.split(separator: "\n", omittingEmptySubsequences: false)
        .filter { !$0.contains("shares:") }.joined(separator: "\n")
      try lines.replacing("late: predicted by time-wait", with: "late: connected")
        .write(toFile: path + "/my lab/one-side.yaml", atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Runs the program as a shell would where it is on PATH.
    func run(_ line: String) throws -> (status: Int32, output: String) {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/bash")
      process.arguments = ["-c", line]
      process.currentDirectoryURL = URL(fileURLWithPath: path)
      var environment = ProcessInfo.processInfo.environment
      let folder = URL(fileURLWithPath: ProgramTests.program).deletingLastPathComponent().path
      environment["PATH"] = folder + ":" + environment["PATH", default: "/usr/bin:/bin"]
      environment["PAWSLAB_WORKER"] = staticWorker
      process.environment = environment
      let output = Pipe()
      (process.standardOutput, process.standardError) = (output, output)
      try process.run()
      let text = output.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      return (process.terminationStatus, String(decoding: text, as: UTF8.self))
    }
  }

  /// Stopped at the first failure, gone on with, told again by one command, and again.
  @Test func aFailureIsShownAgainByTheCommandThatItNames() throws {
    let scratch = try Scratch()
    let stopped = try scratch.run(
      "pawslab run 'my lab/one-side.yaml' --kernel debian-12 --seeds 0-5 --out out --max-fail 1")
    #expect(stopped.status == 1, "\(stopped.output)")
    let goneOn = try scratch.run("pawslab run --continue --out out --quiet")
    #expect(goneOn.status == 1, "\(goneOn.output)")
    let results = try RunFolder(reading: scratch.path + "/out").loadResults()
    #expect(results.unfinished == nil && results.cases.map(\.seed) == Array(0...5))
    // What went on did so in the guest's time, from its own seed.
    #expect(results.cases.allSatisfy { $0.exact?.seed == $0.seed })
    #expect(Set(results.cases.map { $0.exact?.digest }).count == 6)
    let failed = results.cases.filter { $0.verdict == .fail }
    #expect(!failed.isEmpty && failed.count < 6)

    let report = try scratch.run("pawslab report out").output
    for entry in failed.prefix(2) {
      #expect(report.contains("       again: " + entry.command + "\n"), "\(report)")
      let again = try scratch.run(entry.command)
      #expect(again.status == 1)
      #expect(again.output.contains("\(entry.exact?.digest ?? "none")\n"), "\(again.output)")
      #expect(again.output.contains("\npackets\n"))
    }
    let kept = try scratch.run("pawslab explain one-side/default --from out --seed \(failed[0].seed ?? 0)")
    #expect(kept.output.contains("\(failed[0].exact?.digest ?? "none")\n"), "\(kept.output)")

    let replayed = try scratch.run("pawslab replay --exact out")
    #expect(
      replayed.output.contains("no difference in 6 cases\n6 of 6 the same to the nanosecond"),
      "\(replayed.output)")
    let last = try scratch.run("pawslab run --last-failed out 'my lab/one-side.yaml' --out again --quiet")
    #expect(last.status == 1, "\(last.output)")
    let once = try RunFolder(reading: scratch.path + "/again").loadResults()
    #expect(Set(once.cases.map(\.place)) == Set(failed.map(\.place)))
  }

  /// The share that a lab file expects is asked of all seeds, and again of what was kept of them.
  @Test func aShareIsJudgedOverSeeds() throws {
    let scratch = try Scratch()
    let file = ProgramTests.repository + "/Tests/Field/one-port-one-throw.yaml"
    let ran = try scratch.run("pawslab run \(file) --kernel debian-12 --seeds 1-10 --out out")
    #expect(ran.status == 0, "\(ran.output)")
    #expect(ran.output.contains("one-port-one-throw/default over seeds 1-10\n"))
    #expect(ran.output.contains("11 passed, 0 failed"))
    #expect(try scratch.run("pawslab judge out").output == "11 judged again, 0 otherwise than before\n")
    let wrong = scratch.path + "/one-port-one-throw.yaml"
    try String(contentsOfFile: file, encoding: .utf8).replacing("late: 50", with: "late: 99")
      .write(toFile: wrong, atomically: true, encoding: .utf8)
    let judged = try scratch.run("pawslab judge out --lab one-port-one-throw.yaml")
    #expect(judged.status == 1)
    #expect(judged.output.contains("late refused: expected 99 %, saw "), "\(judged.output)")
    #expect(judged.output.contains("11 judged again, 1 otherwise than before"))
  }

  /// Measured in one go, beside the same in this machine's time, and nothing is left of its cache.
  @Test func whatTimeCostsIsATable() throws {
    let scratch = try Scratch()
    let lab = ProgramTests.repository + "/lab/direct.yaml"
    let measured = try scratch.run(
      "TMPDIR=$PWD pawslab bench time \(lab) --cases 2 --times 1 --format json 2>errors")
    #expect(measured.status == 0, "\(measured.output)")
    let table = try JSONDecoder().decode(TimeTable.self, from: Data(measured.output.utf8))
    let kernel = try #require(table.kernels.first)
    #expect(table.kernels.count == 1 && kernel.name == "debian-12" && kernel.missing.isEmpty)
    #expect(kernel.rows.map(\.measure) == TimeTable.Measure.allCases)
    #expect(kernel.rows.allSatisfy { $0.virtual ?? 0 > 0 })
    #expect(kernel.rows.prefix(4).allSatisfy { $0.real ?? 0 > 0 })
    // Whatever the machine: an hour is no hour.
    #expect(try #require(kernel.rows.first { $0.measure == .hour }?.virtual) < 600)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted() == ["errors", "my lab"])
  }

  @Test(arguments: [
    ("--kernel host", "--kernel host is no guest"), ("--cases 0", "--cases takes 1 to 1000"),
    ("--times 0", "--times takes 1 to 100"), ("--kernel debian-12,debian-12", "--kernel names one twice"),
  ])
  func whatCannotBeMeasuredIsRefused(options: String, words: String) throws {
    let ended = try ProgramTests.run(["bench", "time"] + options.split(separator: " ").map(String.init))
    #expect(ended.status == 2)
    #expect(ended.errors.contains(words), "\(ended.errors)")
  }

  @Test(arguments: [
    ("--seed 1 --seeds 1-2", "--seed and --seeds exclude each other"),
    ("--seeds 2-1", "--seeds takes A-B, numbers from 0 on"), ("--seeds 7", "--seeds takes A-B"),
    ("--seeds 0-100000", "100000 of them at most; not 0-100000"),
    ("--seeds 1-2 --time real", "--seeds and --time real exclude each other"),
    ("--seed 1 --host-only", "--host-only boots no guest"),
    ("--seeds 1-2 --kernel host", "--kernel host is no guest"),
    (
      "--seeds 1-60000 lab/direct.yaml --kernel debian-12", "cases from 60000 seeds are more than 100000 runs"
    ),
  ])
  func whatMakesNoSenseIsRefused(options: String, words: String) throws {
    let ended = try ProgramTests.run(["run"] + options.split(separator: " ").map(String.init))
    #expect(ended.status == 2)
    #expect(ended.errors.contains(words), "\(ended.errors)")
  }
}
