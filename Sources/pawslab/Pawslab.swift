import ArgumentParser
import Foundation
import Lab
import LabFile
import MicroVM
import Report
import Scenario

@main
struct Pawslab: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pawslab",
    abstract: "Which setting on which box drops whose SYNs, by experiment.",
    discussion: """
      Builds the network of each lab file out of network namespaces, sends real TCP through a real NAT, and \
      holds what happened against what is expected of this kernel and these settings.

      Exit status: 0 all as expected, 1 some case is not, 2 bad usage or lab file, 3 the lab broke.
      """,
    version: "pawslab 0.1",
    subcommands: [
      Run.self, List.self, Explain.self, Diff.self, KernelsCommand.self, ReportCommand.self,
      JudgeCommand.self, Replay.self, Shell.self,
      ClaimsCommand.self, Demo.self,
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
    switch error {
    case let status as ExitCode:
      return status.rawValue
    case let mistakes as LabFileError:
      for mistake in mistakes.mistakes { Console.error("\(mistake)") }
      return 2
    case let failure as Failure:
      Console.error("pawslab: \(failure)")
      return failure.isUsage ? 2 : 3
    default:
      // ArgumentParser answers --help with success, everything else is usage.
      let message = fullMessage(for: error)
      if exitCode(for: error) == .success {
        print(message)
        return 0
      }
      Console.error(message)
      return 2
    }
  }
}

/// Which cases of which lab files.
struct Selection: ParsableArguments {
  @Argument(help: "Lab files, or folders of them (default: $PAWSLAB_LAB, else lab).")
  var paths: [String] = []

  @Option(name: .customLong("set"), help: "Only cases with this value: AXIS=VALUE.")
  var settings: [String] = []

  @Option(name: .customLong("case"), help: "Only cases whose name matches this pattern (* and ?).")
  var patterns: [String] = []

  /// All mistakes of all files at once; nothing has been created by then.
  func cases() throws -> [Case] {
    var mistakes: [Mistake] = []
    var scenarios: [(path: String, scenario: Scenario)] = []
    let folder = ProcessInfo.processInfo.environment["PAWSLAB_LAB"] ?? "lab"
    for path in ScenarioNames.distinct(try LabFile.discover(paths: paths.isEmpty ? [folder] : paths)) {
      do { scenarios.append((path, try LabFile.load(path: path))) } catch { mistakes += error.mistakes }
    }
    guard mistakes.isEmpty else { throw LabFileError(mistakes: mistakes) }
    try ScenarioNames.check(scenarios)
    let cases = try select(scenarios.map(\.scenario))
    guard !cases.isEmpty else { throw ValidationError("no case matches") }
    try ScenarioNames.check(cases)
    return cases
  }

  private func select(_ scenarios: [Scenario]) throws -> [Case] {
    do { return try Scenario.select(from: scenarios, settings: settings, patterns: patterns) } catch {
      throw ValidationError("\(error)")
    }
  }
}

/// Where the worker is and how many run.
struct Running: ParsableArguments {
  @Option(help: "Cases that run at the same time (default: eight per core, bounded by memory).")
  var jobs: Int?

  func validate() throws {
    if let jobs, !(1...1000).contains(jobs) { throw ValidationError("--jobs takes 1 to 1000, not \(jobs)") }
  }

  /// Runs on the host, and where a hypervisor is given in guests too.
  func runner(_ hypervisor: Hypervisor? = nil) throws -> Runner {
    Runner(worker: try Self.worker(), hypervisor: hypervisor, jobs: jobs)
  }

  /// What runs cases on this machine's kernel and on others: guests by name, and the runner for both.
  ///
  /// - Parameter keepsPackets: whether results have their packets once they have been told.
  func lab(keepsPackets: Bool = true) throws -> (hypervisor: Hypervisor, runner: Runner, machines: Machines) {
    let hypervisor = try hypervisor()
    var runner = try runner(hypervisor)
    runner.keepsPackets = keepsPackets
    return (hypervisor, runner, Machines(runner: runner, hypervisor: hypervisor, say: Console.note))
  }

  /// Boots guests; says what happens on standard error.
  func hypervisor(
    tools: [String] = [], onEvent: @escaping @Sendable (Hypervisor.Event) async -> Void = Self.tell
  ) throws -> Hypervisor {
    var additions = Hypervisor.Additions()
    additions.tools = tools
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

  /// `pawslab-worker` lies beside this program, unless `$PAWSLAB_WORKER` says where.
  private static func worker() throws -> String {
    if let path = ProcessInfo.processInfo.environment["PAWSLAB_WORKER"] { return path }
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let path = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("pawslab-worker")
      .path
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw Failure(
        stage: "start", object: path, cause: "not there", mend: "swift build --product pawslab-worker")
    }
    return path
  }
}

/// Standard output and error, and whether a person watches.
enum Console {
  static let isTerminal = isatty(1) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  static let colour = isTerminal && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty

  static func print(_ line: String) { write(line + "\n", to: .standardOutput) }

  /// A line of progress, on standard error.
  @Sendable static func note(_ line: String) async { error("pawslab: \(line)") }

  static func error(_ line: String) { write(line + "\n", to: .standardError) }

  /// Ends the process as SIGPIPE would, where nobody reads any more; the workers end with it.
  static func write(_ text: some StringProtocol, to handle: FileHandle) {
    do { try handle.write(contentsOf: Data(text.utf8)) } catch { _exit(128 + SIGPIPE) }
  }
}
