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

  @Test func itShowsTheNodesOwnNetworkOnATerminal() throws {
    let session = try Session([ProgramTests.clash, "server", "--kernel", Machines.fallback])
    try session.hears("server# ")
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
    // Ctrl-C is for what runs there, and the shell goes on.
    try session.type("echo sl''eeping; sleep 1000")
    try session.hears("sleeping\n")
    try session.type("\u{3}")
    #expect(try session.answer(to: "uname -r", 5).hasPrefix("6.1."))
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

  @Test func aKernelThatCannotSaysWhy() throws {
    let ended = try ProgramTests.run("shell", ProgramTests.clash, "server", "--kernel", "debian-99")
    #expect(ended.status == 2)
    #expect(ended.errors.contains("--kernel debian-99: no kernel of that name"), "\(ended.errors)")
  }
}
