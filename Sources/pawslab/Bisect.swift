import ArgumentParser
import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report

struct Bisect: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Which kernel changed what a case does: halves between two kernels; or one step of git bisect run.",
    discussion: """
      Between two kernels: runs the case on --good and on --bad, whose results are good and bad by definition, then on \
      kernels between them by version, until two neighbours are left; says what differs between these. Taken are the \
      stored kernels of the same flavour and those that apt knows, or --among. One that skips the case, or on which the \
      lab breaks, is stepped over. Exit status 0 where the two were found, 1 where the ends do not differ or one of them \
      skips.

      One step of git bisect run, with --kernel: exit status 0 good, 1 bad, 125 for what can be said of neither: it was \
      not built, does not boot, the case is skipped, the lab broke. Good is a pass; or what --good does, or anything but \
      what --bad does. Bad usage is 128, which ends git bisect.

      Examples:
        pawslab bisect CASE --good debian-11 --bad debian-sid
        git bisect run pawslab bisect CASE --kernel . --run 'make -j8 bzImage modules'
        git bisect run pawslab bisect CASE --kernel . --run 'make -j8 bzImage modules' --good debian-12 --bad debian-13
      """)

  @Argument(help: "The case's name, or a pattern that matches one.")
  var name: String

  @Option(name: .customLong("lab"), help: "Lab files, or folders of them (default: $PAWSLAB_LAB, else lab).")
  var paths: [String] = []

  @Option(help: "A kernel whose result is good, by name or path as --kernel of run takes them.")
  var good: String?

  @Option(help: "A kernel whose result is bad.")
  var bad: String?

  @Option(help: "Only these kernels between the two: A,B,... (default: all of the flavour of both).")
  var among: [String] = []

  @Option(help: "One step of git bisect run: the kernel that is judged, mostly the tree in this folder: .")
  var kernel: String?

  @Option(
    name: .customLong("run"),
    help: "With --kernel: what builds it, run by sh first; where that fails nothing can be said of it (125).")
  var command: String?

  @Option(help: "Whose time passes in guests, as for run.")
  var time: Seeding.Time = .virtual

  @Option(help: "Where random numbers come from in virtual time.")
  var seed: UInt64 = 0

  @Flag(help: "Let the case run the programs that its lab file names (exec).")
  var allowExec = false

  /// Names of an option that takes several, with commas too.
  private var between: [String] { among.flatMap { $0.split(separator: ",").map(String.init) } }

  func validate() throws {
    if kernel == nil {
      guard good != nil, bad != nil else {
        throw ValidationError(
          "it takes --good and --bad, two kernels; or --kernel, for one step of git bisect")
      }
      if command != nil { throw ValidationError("--run builds what --kernel names") }
    } else if !among.isEmpty {
      throw ValidationError("--among goes with --good and --bad alone: git chooses what is between")
    }
    for (option, value) in [("--good", good), ("--bad", bad), ("--kernel", kernel)] where value == "" {
      throw ValidationError("the kernel that \(option) takes has no name")
    }
  }

  func run() async throws {
    var selection = Selection()
    (selection.paths, selection.settings, selection.patterns) = (paths, [], [])
    let cases = try selection.cases()
    let id = try Explain.pick(name, among: cases.map(\.id))
    guard let test = cases.first(where: { $0.id == id }) else { return }
    var running = Running.fixed()
    running.allowExec = allowExec
    running.slow = true
    try running.check([test])
    if let command, kernel != nil { try Self.build(command) }
    let (hypervisor, runner, machines) = try running.lab()
    let bench = BisectBench(
      test: test, runner: runner, machines: machines, hypervisor: hypervisor,
      time: time == .virtual ? .virtual(seed: seed) : .real)
    if let kernel {
      let status = try await bench.step(kernel, good: good, bad: bad)
      if status != 0 { throw ExitCode(status) }
    } else if let good, let bad {
      let found = try await bench.search(good: good, bad: bad, among: between.isEmpty ? nil : between)
      guard let found else { throw ExitCode(1) }
      for line in found.lines { Console.print(line) }
      for line in again(found) { Console.print(line) }
    }
  }

  /// - Throws: exit status 125 where it fails, or 128 where it was interrupted, which ends git bisect.
  private static func build(_ command: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    // What git bisect run reads is our exit status; what a build says is for whoever waits.
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.standardError
    do { try process.run() } catch {
      throw Failure(stage: "--run", object: command, cause: "/bin/sh cannot be started")
    }
    process.waitUntilExit()
    let isSignal = process.terminationReason == .uncaughtSignal
    guard isSignal || process.terminationStatus != 0 else { return }
    if isSignal, [SIGINT, SIGTERM, SIGHUP].contains(process.terminationStatus) {
      throw ExitCode(128 + process.terminationStatus)
    }
    Console.error(
      "pawslab: --run ended with \(isSignal ? "signal" : "status") \(process.terminationStatus): "
        + "nothing can be said of this kernel")
    throw ExitCode(ExitStyle.gitBisect.status(ofFailure: false))
  }

  /// The commands that show more.
  private func again(_ found: BisectBench.Found) -> [String] {
    let lab = paths.map { " " + ShellWord.quoted($0) }.joined()
    let (first, second) = (found.words.good, found.words.bad)
    let kernels = ShellWord.quoted("\(first),\(second)")
    let own = found.names
    return [
      "",
      "pawslab run\(lab) \(ShellWord.option("--case", found.test)) --kernel \(kernels) "
        + (time == .virtual ? "--seed \(seed) " : "") + "--out DIR",
      "pawslab diff --packets DIR:\(own.good) DIR:\(own.bad)",
    ]
  }
}
