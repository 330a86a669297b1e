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
    // Whoever asks for this machine's time waits in it.
    running.slow = time == .real
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

  /// - Throws: exit status 125 where it fails; where it was interrupted what a shell says then, which ends git bisect.
  private static func build(_ command: String) throws {
    let status = try spawn(command)
    guard status != 0 else { return }
    // WIFSIGNALED, WTERMSIG, WEXITSTATUS of wait(2). A shell says the same of what it has started.
    let signal = status & 0x7f
    let number = signal == 0 ? status >> 8 & 0xff : 128 + signal
    let interruptions = [SIGINT, SIGTERM, SIGHUP].map { 128 + $0 }
    if interruptions.contains(number) { throw ExitCode(number) }
    Console.error(
      "pawslab: --run ended with \(signal == 0 ? "status \(number)" : "signal \(signal)"): "
        + "nothing can be said of this kernel")
    throw ExitCode(ExitStyle.gitBisect.status(ofFailure: false))
  }

  /// Has the shell run it: its status as of wait(2). What it prints is for whoever waits, so it is standard error's.
  ///
  /// By posix_spawn(3), with no signal blocked or ignored: threads of a pool block most, and a build that inherits that
  /// cannot be interrupted.
  private static func spawn(_ command: String) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, 2, 1)
    var (none, ours) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&ours)
    for number in [SIGPIPE, SIGINT, SIGTERM, SIGHUP] { sigaddset(&ours, number) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &ours)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let words: [String] = ["sh", "-c", command]
    let arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let error = posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ)
    guard error == 0 else {
      throw Failure(stage: "--run", object: "/bin/sh", cause: String(cString: strerror(error)))
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 {
      guard errno == EINTR else {
        throw Failure(stage: "--run", object: "/bin/sh", cause: String(cString: strerror(errno)))
      }
    }
    return status
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
