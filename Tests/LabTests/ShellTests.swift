import Diagnosis
import Foundation
import Lab
import MicroVM
import Model
import Testing
import TestSupport

/// A shell in a guest, on a terminal of our own (script(1)).
@Suite(
  .serialized,
  .enabled(
    if: Needs.met(canBoot && Needs.program("script") != nil),
    "SKIPPED: needs QEMU, debian-12 in the cache, $PAWSLAB_STATIC_WORKER and script"),
  .timeLimit(.minutes(5)))
struct ShellTests {
  /// `pawslab shell` on a pseudo-terminal of 40 rows and 132 columns.
  private final class Session: @unchecked Sendable {
    let process = Process()
    private let input = Pipe(), output = Pipe()
    private let lock = NSLock()
    private var heard = Data()

    init(_ arguments: [String]) throws {
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      let command = ([ProgramTests.program, "shell"] + arguments).map { "'\($0)'" }.joined(separator: " ")
      process.arguments = [
        "PAWSLAB_WORKER=\(staticWorker ?? "")", "script", "--quiet", "--return", "--command",
        "stty rows 40 columns 132; exec \(command)", "/dev/null",
      ]
      process.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
      (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
      output.fileHandleForReading.readabilityHandler = { [lock] handle in
        let data = handle.availableData
        lock.withLock { self.heard.append(data) }
      }
      try process.run()
    }

    /// A terminal's line ends are two characters, and one to Swift.
    var text: String {
      lock.withLock { String(decoding: heard, as: UTF8.self) }.replacing("\r\n", with: "\n")
    }

    func type(_ line: String) throws {
      try input.fileHandleForWriting.write(contentsOf: Data("\(line)\r".utf8))
    }

    func hears(_ words: String) throws {
      try waitUntil("the shell says \(words): \(text.suffix(2_000))", within: 120) {
        self.text.contains(words)
      }
    }

    /// What a command printed, between two marks that are not in what was typed.
    func answer(to command: String, _ number: Int) throws -> String {
      try type("echo be''gin\(number); \(command); echo en''d\(number)")
      try hears("\nend\(number)")
      let text = text
      let begin = try #require(text.range(of: "begin\(number)\n"))
      let end = try #require(text.range(of: "\nend\(number)", range: begin.upperBound..<text.endIndex))
      return String(text[begin.upperBound..<end.lowerBound])
    }
  }

  /// All that descends from a process.
  private static func descendants(of pid: Int32) throws -> [Int32] {
    let parents = try Host.processes().map { pid -> (pid: Int32, parent: Int32) in
      let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
      let words = stat.split(separator: ")").last?.split(separator: " ") ?? []
      return (pid, words.count > 1 ? Int32(words[1]) ?? 0 : 0)
    }
    var all: [Int32] = []
    var next = [pid]
    while let one = next.popLast() {
      let children = parents.filter { $0.parent == one }.map(\.pid)
      all += children
      next += children
    }
    return all
  }

  private static func isQEMU(_ pid: Int32) -> Bool {
    Host.commandLine(of: pid).first?.contains("qemu-system") == true
  }

  /// By the command that a shell has said, in a node: what came of what was typed.
  private static func join(
    _ session: Session, _ node: String, typing text: String
  ) throws -> (status: Int32, output: String, errors: String) {
    let said = try #require(
      session.text.split(whereSeparator: \.isNewline).first { $0.contains(" shell --join ") })
    let words = said.split(separator: " ").map(String.init)
    #expect(words.suffix(4).first == "shell" && words.last == "server", "\(said)")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words.dropLast() + [node]
    let (input, output, errors) = (Pipe(), Pipe(), Pipe())
    (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
    try input.fileHandleForWriting.close()
    let told = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaints = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, told.replacing("\r\n", with: "\n"), complaints)
  }

  @Test func itShowsTheNodesOwnNetworkOnATerminal() throws {
    let session = try Session([ProgramTests.clash, "server", "--kernel", Machines.fallback])
    try session.hears("time-wait-clash server# ")
    // What is said before the prompt is what there is.
    let addresses = try session.answer(to: "ip -br addr", 1)
    #expect(addresses.contains("eth0@") && addresses.contains(" 198.19.0.2/24"), "\(addresses)")
    #expect(!addresses.contains("198.18."), "\(addresses)")
    #expect(session.text.contains("  server  198.19.0.2  listens on port 8000"), "\(session.text)")
    #expect(session.text.contains("  early   198.18.0.2  connects to 198.19.0.2"), "\(session.text)")
    #expect(
      session.text.contains("  hop     198.18.0.1  198.18.1.1  198.19.0.1  NAT to 198.19.0.1, port 40000"))
    let sockets = try session.answer(to: "ss -tan", 2)
    #expect(sockets.contains("LISTEN") && sockets.contains(":8000"), "\(sockets)")
    #expect(try session.answer(to: "stty size", 3) == "40 132")
    // Another node, by the command that was said.
    let way = try #require(
      session.text.split(whereSeparator: \.isNewline).first {
        $0.contains("nsenter") && $0.hasSuffix("# early")
      })
    let enter = way.split(separator: "#")[0].trimmingCharacters(in: .whitespaces)
    let early = try session.answer(to: "\(enter) -c 'ip -br addr'", 4)
    #expect(early.contains(" 198.18.0.2/24") && !early.contains("198.19.0.2"), "\(early)")
    // The case's steps, by what does them in a run, with their packets; then what it comes to.
    #expect(session.text.contains("  next  1. early connects, the server closes first\n"))
    let first = try session.answer(to: "step; echo it=$?", 6)
    #expect(first.contains("early #0: done in ") && first.contains("|--SYN--->|--SYN--->|"), "\(first)")
    #expect(
      first.contains("next: 2. the hop's conntrack table is emptied") && first.hasSuffix("it=0"), "\(first)")
    let rest = try session.answer(to: "\(enter) -c 'step all'; steps", 7)
    #expect(rest.contains("late #1: ETIMEDOUT after ") && rest.contains(" s behind"), "\(rest)")
    #expect(rest.contains("  pass   time-wait-clash/") && rest.contains("  all steps are done"), "\(rest)")
    // Ctrl-C is for what runs there, and the shell goes on.
    try session.type("echo sl''eeping; sleep 1000")
    try session.hears("sleeping\n")
    try session.type("\u{3}")
    #expect(try session.answer(to: "uname -r", 5).hasPrefix("6.1."))
    // What its kernel has by itself, in the network that nobody has touched, loses nobody.
    let defaults = try session.answer(to: "nsenter --net=/proc/1/ns/net sysctl -a 2>/dev/null", 8)
    var input = AuditInput(kernel: "6.1.0")
    try input.add(text: defaults, file: "sysctl -a")
    let audit = Audit(input)
    #expect(audit.all.isEmpty && audit.files.map(\.kind) == ["sysctl -a"], "\(audit.all)")
    // A second terminal, here two pipes, joins by the command that was said, and ends by itself.
    let joined = try Self.join(session, "early", typing: "ip -br addr; steps\nexit 5\n")
    #expect(joined.status == 5 && joined.output.contains(" 198.18.0.2/24"), "\(joined)")
    #expect(joined.output.contains("  all steps are done"), "\(joined)")
    let nowhere = try Self.join(session, "nowhere", typing: "")
    #expect(nowhere.status == 3 && nowhere.errors.contains("no such node"), "\(nowhere)")
    #expect(try session.answer(to: "echo on", 9) == "on")
    let qemu = try #require(
      try Self.descendants(of: session.process.processIdentifier).first(where: Self.isQEMU))
    try session.type("exit 7")
    session.process.waitUntilExit()
    #expect(session.process.terminationStatus == 7, "\(session.text.suffix(500))")
    #expect(!Self.isQEMU(qemu))
  }

  @Test(arguments: [SIGKILL, SIGTERM, SIGHUP])
  func noGuestOutlivesIt(signal: Int32) throws {
    let session = try Session([ProgramTests.clash, "hop", "--kernel", Machines.fallback])
    try session.hears("hop# ")
    let all = try Self.descendants(of: session.process.processIdentifier)
    let qemu = try #require(all.first(where: Self.isQEMU))
    let own = try #require(
      all.first { Host.commandLine(of: $0).prefix(2).elementsEqual([ProgramTests.program, "shell"]) })
    kill(own, signal)
    try waitUntil("QEMU has ended") { !Self.isQEMU(qemu) }
    session.process.waitUntilExit()
    #expect(session.process.terminationStatus == 128 + signal)
  }

  @Test func whatIsNotThereCannotBeJoined() throws {
    // No process has the number of this test's own shell.
    let ended = try ProgramTests.run("shell", "--join", "\(getpid())")
    #expect(ended.status == 3 && ended.errors.contains("--join"), "\(ended)")
    #expect(try ProgramTests.run("shell", "--join", "1", "server", "hop").status == 2)
    #expect(try ProgramTests.run("shell").status == 2)
  }

  @Test func aKernelThatCannotSaysWhy() throws {
    let ended = try ProgramTests.run("shell", ProgramTests.clash, "server", "--kernel", "debian-99")
    #expect(ended.status == 2)
    #expect(ended.errors.contains("--kernel debian-99: no kernel of that name"), "\(ended.errors)")
  }
}

/// The same on this machine's kernel.
@Suite(.serialized, .enabled(if: ProgramTests.canRun, "SKIPPED: needs root"))
struct HostShellTests {
  /// A shell that reads its commands from a pipe: what they print, and the program's status.
  private static func shell(
    _ commands: String, by user: [String] = [], in folder: URL? = nil
  ) throws -> (status: Int32, output: String, errors: String) {
    let program = folder?.appendingPathComponent("pawslab").path ?? ProgramTests.program
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["SHELL=/bin/sh"] + user + [program, "shell", ProgramTests.clash, "server"]
    process.currentDirectoryURL = folder ?? URL(fileURLWithPath: ProgramTests.repository)
    let (input, output, errors) = (Pipe(), Pipe(), Pipe())
    (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(commands.utf8))
    try input.fileHandleForWriting.close()
    let told = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let complaints = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    return (process.terminationStatus, told, complaints)
  }

  @Test func stepsAreDoneOneByOneAndJudged() throws {
    // From a second terminal the last: another way into the network, by the command that was said. This one reads it of
    // its own descriptors.
    let ended = try Self.shell(
      """
      steps; step; echo "status $?"; step 1 | head -1; step nothing; echo "refused $?"
      """ + "\nexit 7\n")
    #expect(ended.status == 7, "\(ended)")
    let lines = ended.output.split(separator: "\n").map(String.init)
    #expect(
      lines.starts(with: [
        "  next  1. early connects, the server closes first",
        "        2. the hop's conntrack table is emptied",
        "        3. late connects, the client closes first", "1. early connects, the server closes first",
      ]), "\(lines)")
    #expect(lines.contains("next: 2. the hop's conntrack table is emptied") && lines.contains("status 0"))
    #expect(lines.contains("2. the hop's conntrack table is emptied"))
    let told = ended.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(told.contains("nothing is no number of steps") && lines.contains("refused 3"), "\(told)")
    for line in lines { #expect(line.count <= 80, "\(line)") }
    #expect(ended.errors.contains("another terminal joins with\n  PATH="), "\(ended.errors)")
  }

  /// What judges a run judges this, and a step that is done twice is none.
  @Test func theLastStepSaysWhatTheCaseComesTo() throws {
    let ended = try Self.shell("step all; echo \"status $?\"; step\n")
    #expect(ended.output.contains("\n  pass   time-wait-clash/"), "\(ended)")
    #expect(ended.output.contains("late #1: dropped, expected dropped by tw-paws"), "\(ended)")
    #expect(ended.output.contains("status 0\n  done  1.") && ended.output.hasSuffix("  all steps are done\n"))
    let left = try FileManager.default.contentsOfDirectory(atPath: NSTemporaryDirectory())
    #expect(!left.contains { ended.errors.contains("/\($0):$PATH") }, "its programs are left behind")
  }

  /// In a user namespace of its own.
  @Test func soCanNobody() throws {
    let folder = URL(fileURLWithPath: try ProgramCopy.folder.get())
    let nobody = [
      "XDG_CACHE_HOME=\(folder.path)/cache", "setpriv", "--reuid", "65534", "--regid", "65534",
      "--clear-groups",
    ]
    let ended = try Self.shell("step | head -2\nexit 3\n", by: nobody, in: folder)
    #expect(ended.status == 3 && ended.output.contains("   early #0: done in "), "\(ended)")
  }
}
