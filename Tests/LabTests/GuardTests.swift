import Foundation
import Testing

/// `pawslab-worker guard`, with programs in QEMU's place that say what they are left with.
@Suite struct GuardTests {
  private static let worker =
    URL(fileURLWithPath: ProgramTests.program).deletingLastPathComponent().appendingPathComponent(
      "pawslab-worker"
    ).path

  /// Runs it, in front of it another program, and returns its exit status, output and complaint. Its standard input
  /// stays open until it has ended.
  private func guarded(_ orders: [String], by front: [String] = []) throws -> (
    status: Int32, output: String, errors: String
  ) {
    let process = Process()
    let words = front + [Self.worker, "guard"] + orders
    process.executableURL = URL(fileURLWithPath: words[0])
    process.arguments = Array(words.dropFirst())
    let (input, output, errors) = (Pipe(), Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try input.fileHandleForWriting.close()
    return (
      process.terminationStatus, String(decoding: text, as: UTF8.self),
      String(decoding: complaint, as: UTF8.self)
    )
  }

  private func expectNothingLeft(_ status: String, ofRoot: Bool = true) {
    #expect(status.contains("NoNewPrivs:\t1"), "\(status)")
    // The bounding set is root's to empty; without new privileges nobody else gains any by it.
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] + (ofRoot ? ["CapBnd"] : []) {
      #expect(status.contains("\(set):\t0000000000000000"), "\(set)")
    }
  }

  @Test func whatItRunsHasNoRights() throws {
    let ended = try guarded(["--", "/usr/bin/cat", "/proc/self/status"])
    #expect(ended.status == 0, "\(ended.errors)")
    expectNothingLeft(ended.output, ofRoot: geteuid() == 0)
    if geteuid() == 0 { #expect(ended.output.contains(#/Uid:\t(6\d{4})\t\1\t\1\t\1\n/#), "\(ended.output)") }
  }

  /// Was: QEMU ran at 0 beside a lab that was started by nice(1).
  @Test(.enabled(if: geteuid() == 0, "SKIPPED: only root becomes less nice"))
  func itIsAsNiceAsWhoeverStartedIt() throws {
    // A parent of 7 whose child begins with another, as one that is started by a thread of libdispatch does.
    let start = "renice -n 7 -p $$ >&2; nice -n 2 \"$@\"; exit $?"
    let ended = try guarded(["--", "/usr/bin/nice"], by: ["/bin/sh", "-c", start, "sh"])
    #expect(ended.status == 0 && ended.output == "7\n", "\(ended)")
  }

  /// Root of a user namespace with one user cannot become another, and would have every right again by execve(2).
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/unshare"), "needs util-linux"))
  func inAUserNamespaceItHasNoneEither() throws {
    let ended = try guarded(["--", "/usr/bin/cat", "/proc/self/status"], by: ["/usr/bin/unshare", "-Ur"])
    #expect(ended.status == 0, "\(ended.errors)")
    expectNothingLeft(ended.output)
    #expect(ended.output.contains("Uid:\t0\t0\t0\t0\n"))
  }

  @Test func anOrdinaryUserKeepsItsUser() throws {
    let front =
      geteuid() == 0 ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
    let ended = try guarded(["--", "/usr/bin/cat", "/proc/self/status"], by: front)
    #expect(ended.status == 0, "\(ended.errors)")
    expectNothingLeft(ended.output, ofRoot: false)
    #expect(ended.output.contains("Uid:\t\(front.isEmpty ? Int(geteuid()) : 65534)\t"))
  }

  @Test func itsDescriptorsAreThoseThatItWasGiven() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("guard-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (secret, target) = (folder.path + "/secret", folder.path + "/target")
    try Data("secret".utf8).write(to: URL(fileURLWithPath: secret))
    try Data().write(to: URL(fileURLWithPath: target))
    chmod(folder.path, 0o700)
    // It reads what only we may, by descriptor, and writes where it may.
    let script = "ls /proc/self/fd; cat <&3 >&4"
    let ended = try guarded([
      "--read", secret, "--write", target, "--file-size", "1000", "--", "/bin/sh", "-c", script,
    ])
    #expect(ended.status == 0, "\(ended.errors)")
    // The folder that is being listed is the last.
    #expect(ended.output == "0\n1\n2\n3\n4\n5\n")
    #expect(try String(contentsOfFile: target, encoding: .utf8) == "secret")
    let full = try guarded([
      "--read", secret, "--write", target, "--file-size", "1000", "--", "/bin/sh", "-c",
      "exec cat /dev/zero >&4",
    ])
    #expect(full.status == 128 + SIGXFSZ, "\(full.errors)")
    #expect(try FileManager.default.attributesOfItem(atPath: target)[.size] as? Int == 1000)
    let none = try guarded(["--read", folder.path + "/nothing", "--", "/usr/bin/true"])
    #expect(none.status == 127 && none.errors.contains("nothing: No such file or directory"))
  }

  @Test func whatCannotBeExecutedSaysAsWhom() throws {
    let ended = try guarded(["--", "/nothing/qemu"])
    #expect(ended.status == 127)
    #expect(ended.errors.contains("/nothing/qemu cannot be executed as user"))
    #expect(ended.errors.contains("No such file or directory"))
    for orders in [
      [], ["--"], ["--", "relative"], ["--what", "x", "--", "/bin/true"],
      ["--group", "x", "--", "/bin/true"],
    ] {
      #expect(try guarded(orders).status == 2, "\(orders)")
    }
  }

  /// The end of whoever holds our standard input is the program's, whoever it has become.
  @Test func itIsKilledWhenTheLabIsGone() throws {
    let fifo = FileManager.default.temporaryDirectory.appendingPathComponent("fifo-\(UUID().uuidString)").path
    mkfifo(fifo, 0o666)
    defer { unlink(fifo) }
    chmod(fifo, 0o666)
    let held = open(fifo, O_RDONLY | O_NONBLOCK)
    defer { close(held) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.worker)
    process.arguments = [
      "guard", "--", "/bin/sh", "-c", "exec 9> \(fifo); echo here; while :; do read x; done",
    ]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    #expect(output.fileHandleForReading.availableData == Data("here\n".utf8))
    // SIGKILL of the guard itself: no end of its standard input tells it.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    var awaited = [pollfd(fd: held, events: Int16(POLLIN), revents: 0)]
    #expect(poll(&awaited, 1, 10_000) == 1, "the program is gone within ten seconds")
    #expect(awaited[0].revents & Int16(POLLHUP) != 0)
  }
}
