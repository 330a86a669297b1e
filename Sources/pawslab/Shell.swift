import ArgumentParser
import Foundation
import Lab
import Model
import Wire

struct Shell: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keep a case's network up and open a shell in one of its nodes.",
    discussion: """
      The network is as the case has it before its first step: settings, NAT, clocks, servers that answer. ip, ss, \
      tcpdump, nstat and sysctl show that node's own. It is gone when the shell ends, and so is what was started in it.

      Example:
        pawslab shell 'time-wait-clash/*rfc1337=1,clock=behind,isn=ahead*flushed,family=ipv4,topology=snat' server
      """)

  @Argument(help: "The case's name, or a pattern that matches one.")
  var name: String

  @Argument(help: "The node (default: the first server).")
  var node: String?

  @Option(name: .customLong("lab"), help: "Lab files, or folders of them (default: $PAWSLAB_LAB, else lab).")
  var paths: [String] = []

  func run() async throws {
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
    let runner = try Running.fixed().runner()
    let host = Machine(name: "host", kernel: try await runner.probe(), stored: nil)
    let status = Status()
    try await runner.hold(test, on: host) { [node] nodes, keeper in
      Console.error(id)
      Console.error("this shell is in \(node); from another terminal, until it ends:")
      for held in nodes {
        Console.error("  \(Self.way(into: held, keeper).joined(separator: " "))    # \(held.name)")
      }
      guard let held = nodes.first(where: { $0.name == node }) else { return }
      status.value = try await Self.shell(Self.way(into: held, keeper), name: node)
    }
    if status.value != 0 { throw ExitCode(status.value) }
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
  private static func shell(_ way: [String], name: String) async throws -> Int32 {
    // Ctrl-C is for what runs in the shell.
    for number in [SIGINT, SIGQUIT] { signal(number, SIG_IGN) }
    let shell = ProcessInfo.processInfo.environment["SHELL"] ?? "/bin/sh"
    var environment = ProcessInfo.processInfo.environment
    environment["PAWSLAB_NODE"] = name
    environment["PS1"] = "\(name)# "
    environment["PATH", default: ""] += ":/usr/sbin:/sbin"
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
    var child = pid_t()
    let error = posix_spawnp(&child, "nsenter", nil, &attributes, arguments, variables)
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
