import ArgumentParser
import Foundation
import Lab
import MicroVM
import Model
import Wire

struct Shell: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keep a case's network up and open a shell in one of its nodes.",
    discussion: """
      The network is as the case has it before its first step: settings, NAT, clocks, servers that answer. ip, ss, \
      tcpdump, nstat and sysctl show that node's own. It is gone when the shell ends, and so is what was started in it.

      step runs the case's next step and shows its packets, step 2 the next two, step all the rest and what it comes \
      to; steps lists them. Another terminal joins by a command that is printed first, in a guest too (--join).

      With --kernel it is in a guest of that kernel, which takes this machine's tools along: a shell (busybox, if there \
      is one), ip, ss, nstat, tcpdump, iptables, nft, nsenter. Nothing is kept: the guest is gone with the shell.

      Examples:
        pawslab shell 'time-wait-clash/*rfc1337=1,clock=behind,isn=ahead,timestamps=1*flushed,family=ipv4,topology=snat' server
        pawslab shell 'lvs-time-wait/*' hop --kernel debian-12
      """)

  @Argument(help: "The case's name, or a pattern that matches one; none with --join.")
  var name: String?

  @Argument(help: "The node (default: the first server).")
  var node: String?

  @Option(help: "Join the guest that this process's shell holds: pawslab shell --join PID [NODE].")
  var join: Int32?

  @Option(name: .customLong("lab"), help: "Lab files, or folders of them (default: $PAWSLAB_LAB, else lab).")
  var paths: [String] = []

  @Option(help: "A guest of this kernel: running, debian-12, ... (default: this machine's own, host).")
  var kernel: String?

  @Option(help: Emulation.help)
  var emulate: Emulation?

  func validate() throws {
    if join == nil, name == nil { throw ValidationError("name a case, or what to --join") }
    if join != nil, node != nil || kernel != nil || emulate != nil || !paths.isEmpty {
      throw ValidationError("--join takes a node at the most: the case is what the other shell has")
    }
  }

  func run() async throws {
    if let join { return try await enter(join) }
    guard let name else { return }
    var selection = Selection()
    (selection.paths, selection.settings, selection.patterns) = (paths, [], [])
    let cases = try selection.cases()
    let id = try Explain.pick(name, among: cases.map(\.id))
    guard let test = cases.first(where: { $0.id == id }) else { return }
    let node = node ?? test.network.serverNames.first ?? Network.server
    guard test.network.nodes.contains(node) else {
      throw ValidationError(
        "\(id) has no node \(node), but \(test.network.nodes.joined(separator: ", "))")
    }
    let status =
      if let kernel, kernel != KernelName.host.text {
        try await inGuest(kernel, test, node)
      } else { try await onHost(test, node) }
    if status != 0 { throw ExitCode(status) }
  }

  /// What is said before the first prompt: the case, where it runs, its nodes and how each is entered.
  ///
  /// - Parameter way: the command that enters a node.
  static func introduction(_ test: Case, on machine: Machine, in node: String, way: (String) -> String?)
    -> [String]
  {
    let network = test.network
    var lines = ["\(test.id), before its first step, on \(machine.name) (Linux \(machine.kernel.release))"]
    let width = network.nodes.map(\.count).max() ?? 0
    for host in network.hosts where !host.isSwitch {
      var words = ["  " + host.name.padding(toLength: width, withPad: " ", startingAt: 0)]
      words += network.addresses(of: host.name)
      if let client = host.client { words.append("connects to \(client.target)") }
      if let server = host.server { words.append("listens on \(ports(server.ports))") }
      if let nat = host.nat { words.append("NAT to \(nat.address), \(ports(nat.ports))") }
      for service in host.services {
        words.append(
          "balances \(service.address), \(ports(service.ports)), to \(service.servers.joined(separator: ", "))"
        )
      }
      lines.append(words.joined(separator: "  "))
    }
    lines.append("step runs the first of these, steps lists them:")
    lines += ShellSteps(test: test, kernel: machine.kernel).list(next: 0)
    lines.append("this shell is in \(node), and ends all of it; the others:")
    for other in network.nodes where other != node {
      if let way = way(other) { lines.append("  \(way)    # \(other)") }
    }
    return lines
  }

  /// `time-wait-clash server# `; what would do something in a prompt is left out of it.
  static func prompt(_ test: Case, _ node: String) -> String {
    let name = "\(test.scenario) \(node)".map { character -> Character in
      character.isASCII && (character.isLetter || character.isNumber || "._- ".contains(character))
        ? character : "_"
    }
    return String(name) + "# "
  }

  private static func ports(_ ports: ClosedRange<Int>) -> String {
    ports.count == 1 ? "port \(ports.lowerBound)" : "ports \(ports.lowerBound)-\(ports.upperBound)"
  }

  // MARK: in a guest

  /// A shell in a guest that another one holds, on our terminal.
  private func enter(_ pid: Int32) async throws {
    let terminal = OwnTerminal()
    defer { terminal.restore() }
    let interrupt = Interrupt()
    // The only name that is given with --join.
    let node = name
    let shell = Task { try await ShellDoor.join(pid, node: node ?? "", terminal: terminal) }
    interrupt.onSignal {
      terminal.restore()
      _exit(128 + (interrupt.received ?? SIGTERM))
    }
    let status = try await shell.value
    if status != 0 { throw ExitCode(status) }
  }

  /// What a shell in a guest has in its environment.
  private static func environment(_ test: Case, _ node: String, _ pipes: StepPipes, type: String) -> [String]
  {
    [
      "HOME=/root", "PAWSLAB_NODE=\(node)", "PS1=\(prompt(test, node))", "TERM=\(type)",
      "PAWSLAB_ASK=\(pipes.ask)", "PAWSLAB_ANSWER=\(pipes.answer)",
    ]
  }

  /// A shell in a guest, on our terminal: its exit status. Whatever ends us ends the guest.
  private func inGuest(_ kernel: String, _ test: Case, _ node: String) async throws -> Int32 {
    let running = Running.fixed()
    let hypervisor = try running.hypervisor(hasShell: true)
    let runner = try running.runner(hypervisor)
    let machines = Machines(runner: runner, hypervisor: hypervisor, say: Console.note)
    let machine = try await machines.chosen(kernel).emulating(emulate, for: test)
    let terminal = OwnTerminal()
    defer { terminal.restore() }
    let interrupt = Interrupt()
    let shell = Task {
      let steps = ShellSteps(test: test, kernel: machine.kernel)
      let commands = Dictionary(
        uniqueKeysWithValues: ShellSteps.programs.map { ("/bin/\($0.key)", $0.value) })
      return try await runner.shell(
        in: node, of: test, on: machine, commands: commands, answering: { steps.answer($0) }
      ) { nodes, pipes, join in
        try ShellDoor.open { name, terminal in
          let node = name.isEmpty ? node : name
          var terminal = terminal
          let type = terminal.environment.first { $0.hasPrefix("TERM=") }?.dropFirst(5)
          terminal.environment = Self.environment(test, node, pipes, type: type.map(String.init) ?? "dumb")
          return try await join(node, terminal)
        }
        let lines = Self.introduction(test, on: machine, in: node) { name in
          nodes.first { $0.name == name }.map { "nsenter --net=\($0.path) sh" }
        }
        for line in lines { Console.error(line) }
        Console.error("another terminal joins with, or with another node's name")
        Console.error("  \(CommandLine.arguments[0]) shell --join \(getpid()) \(node)")
        let type = ProcessInfo.processInfo.environment["TERM"] ?? "dumb"
        return Terminal(
          size: OwnTerminal.size, environment: Self.environment(test, node, pipes, type: type),
          input: terminal.lend(), show: Console.lend)
      }
    }
    interrupt.onSignal { shell.cancel() }
    do { return try await shell.value } catch {
      if let signal = interrupt.received { return 128 + signal }
      throw error
    }
  }

  // MARK: on this machine's kernel

  private func onHost(_ test: Case, _ node: String) async throws -> Int32 {
    let runner = try Running.fixed().runner()
    let host = Machine(name: "host", kernel: try await runner.probe(), stored: nil)
      .emulating(emulate, for: test)
    let programs = try ProgramFolder(ShellSteps.programs)
    let steps = ShellSteps(test: test, kernel: host.kernel)
    let status = Status()
    try await runner.hold(test, on: host, answering: { steps.answer($0) }) { [host] nodes, keeper, pipes in
      func way(_ name: String) -> [String]? {
        nodes.first { $0.name == name }.map { Self.way(into: $0, keeper) }
      }
      for line in Self.introduction(test, on: host, in: node, way: { way($0)?.joined(separator: " ") }) {
        Console.error(line)
      }
      guard let way = way(node) else { return }
      // The same from elsewhere: what it is entered by, and the pipes that step asks by.
      Console.error("another terminal joins with")
      Console.error(
        "  PATH=\(programs.path):$PATH \(way.joined(separator: " ")) sh 8>\(pipes.ask) 9<\(pipes.answer)")
      status.value = try await Self.shell(way, name: node, prompt: Self.prompt(test, node), programs, pipes)
    }
    return status.value
  }

  /// Programs in a folder of the cache, where whoever has it in $PATH finds them: the same texts for every shell, so they
  /// stay there, and nothing is left behind by one that is killed.
  private struct ProgramFolder: Sendable {
    let path: String

    init(_ programs: [String: String]) throws {
      let folder = KernelStore().root.appendingPathComponent("shell-\(WorkerProtocol.version)")
      path = folder.path
      do {
        let files = FileManager.default
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, text) in programs {
          let file = folder.appendingPathComponent(name)
          let isThere =
            files.contents(atPath: file.path) == Data(text.utf8) && files.isExecutableFile(atPath: file.path)
          guard !isThere else { continue }
          try Data(text.utf8).write(to: file, options: .atomic)
          try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        }
      } catch {
        throw Failure(
          stage: "shell", object: path, cause: (error as NSError).localizedDescription,
          mend: "set XDG_CACHE_HOME to a folder that can be written")
      }
    }
  }

  private final class Status: @unchecked Sendable { var value: Int32 = 0 }

  /// The network of a node, and the processes of the keeper, with which all that is started there ends. A worker in a
  /// user namespace of its own is entered by that, too.
  private static func way(into node: HeldNode, _ keeper: Int32) -> [String] {
    let files = FileManager.default
    let user = { (process: String) in try? files.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/user")
    }
    let own = user("\(keeper)") == user("self") ? [] : ["--user", "--preserve-credentials"]
    return ["nsenter", "--target", "\(keeper)", "--pid", "--mount"] + own + ["--net=\(node.path)"]
  }

  /// `nsenter ... $SHELL` on our own terminal: its exit status.
  private static func shell(
    _ way: [String], name: String, prompt: String, _ programs: ProgramFolder, _ pipes: StepPipes
  ) async throws -> Int32 {
    // Ctrl-C is for what runs in the shell.
    for number in [SIGINT, SIGQUIT] { signal(number, SIG_IGN) }
    let shell = ProcessInfo.processInfo.environment["SHELL"] ?? "/bin/sh"
    var environment = ProcessInfo.processInfo.environment
    environment["PAWSLAB_NODE"] = name
    environment["PS1"] = prompt
    // bash has one of its own from the user's files by then.
    environment["PROMPT_COMMAND"] = "PS1='\(prompt)'; unset PROMPT_COMMAND"
    environment["PATH"] = "\(programs.path):\(environment["PATH"] ?? ""):/usr/sbin:/sbin"
    // Entering another mount namespace leads to its root.
    let words = way + ["--wd=\(FileManager.default.currentDirectoryPath)", shell]
    let arguments = words.map { strdup($0) } + [nil]
    let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { (arguments + variables).forEach { free($0) } }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGQUIT, SIGPIPE] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 8, pipes.ask, O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 9, pipes.answer, O_RDONLY, 0)
    var child = pid_t()
    let error = posix_spawnp(&child, "nsenter", &actions, &attributes, arguments, variables)
    guard error == 0 else {
      throw Failure(
        stage: "shell", object: "nsenter", cause: String(cString: strerror(error)),
        mend: "apt-get install util-linux")
    }
    let pid = child
    return await withCheckedContinuation { continuation in
      Thread {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        continuation.resume(returning: status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f)
      }.start()
    }
  }
}
