import ArgumentParser
import Foundation
import Lab
import LabFile
import MicroVM
import Model
import Report

@main
struct Pawslab: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pawslab",
    abstract: "Which setting on which box drops whose SYNs, by experiment.",
    discussion: """
      Builds the network of each lab file out of network namespaces, sends real TCP through a real NAT, and \
      holds what happened against what is expected of this kernel and these settings.

      Exit status: 0 all as expected; 1 some case is not, one that --require names was not judged, or none was; \
      2 bad usage or lab file; 3 the lab broke; 130 interrupted. run --exit says it in other words.
      """,
    version: "pawslab 0.1",
    subcommands: [
      Run.self, List.self, Explain.self, Diagnose.self, AuditCommand.self, Diff.self, MergeCommand.self,
      RecordCommand.self, KernelsCommand.self,
      ReportCommand.self,
      JudgeCommand.self, Replay.self, Bisect.self, Shell.self,
      ReferenceCommand.self, ClaimsCommand.self, CureCommand.self, Demo.self,
      Doctor.self,
      Bench.self,
    ], defaultSubcommand: Run.self)

  static func main() async {
    // A worker that is killed before it has read its request is an error of that case, not our end.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      Foundation.exit(ending(with: error))
    }
  }

  /// Prints what went wrong and says which exit status it is.
  private static func ending(with error: any Error) -> Int32 {
    let style = ExitStyle(commandLine: CommandLine.arguments.dropFirst())
    switch error {
    case let status as ExitCode:
      return status.rawValue
    case let mistakes as LabFileError:
      for mistake in mistakes.mistakes {
        Console.error("\(mistake)")
        for line in mistake.excerpt(shown: Visible.line) { Console.error(line) }
      }
      return style.status(ofFailure: true)
    case let mistakes as KnownFailures.Mistakes:
      for mistake in mistakes.all { Console.error("\(mistake)") }
      return style.status(ofFailure: true)
    case let failure as Failure:
      Console.error("pawslab: \(failure)")
      return style.status(ofFailure: failure.isUsage)
    case let usage as ValidationError:
      // What it says may have come from a file; what is below it is ours.
      Console.error(lines: fullMessage(for: ValidationError(Visible.line("\(usage)"))))
      return style.status(ofFailure: true)
    default:
      // ArgumentParser answers --help with success, everything else is usage.
      let message = fullMessage(for: error)
      if exitCode(for: error) == .success {
        Console.print(lines: message)
        return 0
      }
      Console.error(lines: message)
      return style.status(ofFailure: true)
    }
  }
}

/// Where the worker is and how many run.
struct Running: ParsableArguments {
  @Option(help: "Cases that run at the same time (default: eight per core, bounded by memory).")
  var jobs: Int?

  @Flag(help: "Let cases run the programs that their lab files name (exec).")
  var allowExec = false

  @Flag(help: "Run cases too in which more than 2 s really pass (wait).")
  var slow = false

  /// Cases that run programs are refused, all of them at once, unless that is allowed.
  func check(_ cases: some Sequence<Case>) throws {
    guard !allowExec, let test = cases.first(where: \.needs.runsPrograms) else { return }
    throw Failure(
      stage: "exec", object: test.id, cause: "it runs a program that its lab file names",
      mend: "--allow-exec lets it, if you trust that file", isUsage: true)
  }

  func validate() throws {
    if let jobs, !(1...1000).contains(jobs) { throw ValidationError("--jobs takes 1 to 1000, not \(jobs)") }
  }

  /// Runs on the host, and where a hypervisor is given in guests too.
  func runner(_ hypervisor: Hypervisor? = nil) throws -> Runner {
    let (fitting, note) = try Resources.now().fit(jobs)
    if let note { Console.error("pawslab: \(note)") }
    var runner = Runner(worker: try Self.worker(), hypervisor: hypervisor, jobs: fitting)
    runner.say = Console.note
    runner.consent.programs = allowExec
    runner.consent.waiting = slow
    return runner
  }

  /// What runs cases on this machine's kernel and on others: guests by name, and the runner for both.
  ///
  /// - Parameter keepsPackets: whether results have their packets once they have been told.
  func lab(keepsPackets: Bool = true) throws -> (hypervisor: Hypervisor, runner: Runner, machines: Machines) {
    // Guests have what cases may run, where this machine has it.
    let hypervisor = try hypervisor(tools: allowExec ? Capability.Feature.programs.map(\.rawValue) : [])
    var runner = try runner(hypervisor)
    runner.keepsPackets = keepsPackets
    return (hypervisor, runner, Machines(runner: runner, hypervisor: hypervisor, say: Console.note))
  }

  /// Boots guests; says what happens on standard error.
  func hypervisor(
    tools: [String] = [], hasShell: Bool = false,
    onEvent: @escaping @Sendable (Hypervisor.Event) async -> Void = Self.tell
  ) throws -> Hypervisor {
    var additions = Hypervisor.Additions()
    additions.tools = tools
    additions.hasShell = hasShell
    return Hypervisor(store: KernelStore(), worker: try Self.worker(), additions: additions, onEvent: onEvent)
  }

  @Sendable static func tell(_ event: Hypervisor.Event) async {
    switch event {
    case .note(let line): await Console.note(line)
    case .retry(let kernel, let failure):
      await Console.note("\(kernel): the boot failed, trying once more: \(failure)")
    case .up: break
    }
  }

  /// `pawslab-worker` lies beside this program, or in `libexec/pawslab` of the prefix that it was installed under, unless
  /// `$PAWSLAB_WORKER` says where.
  static func worker() throws -> String {
    if let path = ProcessInfo.processInfo.environment["PAWSLAB_WORKER"] { return path }
    let places = workers(of: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    guard let path = places.first(where: FileManager.default.isExecutableFile) else {
      throw Failure(
        stage: "start", object: places[0], cause: "not there, nor \(places[1])",
        mend: "swift build --product pawslab-worker, or PAWSLAB_WORKER says where it is")
    }
    return path
  }

  /// The places that follow from the program's own.
  static func workers(of program: String) -> [String] {
    let folder = URL(fileURLWithPath: program).standardizedFileURL.deletingLastPathComponent()
    return [folder, folder.deletingLastPathComponent().appendingPathComponent("libexec/pawslab")]
      .map { $0.appendingPathComponent("pawslab-worker").path }
  }
}
