import Glibc
import TestSupport
import Testing

@testable import Linux

/// Programs that a poll loop drives: no namespaces needed.
@Suite(.serialized) struct ProgramTests {
  /// A poll loop with nothing else in it, for ten seconds at most.
  private static func run(_ program: Program) throws -> Program.Ending {
    let end = SystemClock.monotonic() + 10_000_000_000
    while true {
      if let ending = try program.proceed() { return ending }
      try #require(SystemClock.monotonic() < end, "waited ten seconds for the end of \(program.command)")
      var requests = program.requests
      let left = (program.deadline - SystemClock.monotonic()) / 1_000_000 + 1
      _ = try Poll.wait(&requests, timeout: Int(min(max(left, 1), 1000)))
    }
  }

  @Test func argumentsEnvironmentInputAndBothStreamsArePassed() throws {
    let ending = try onOwnThread {
      try Self.run(
        Program(
          ["sh", "-c", "cat; echo \"$1 $WORD\" >&2; exit 7", "sh", "an argument"],
          environment: ["WORD": "variable"], stdin: Array("input".utf8), deadline: 10_000))
    }
    #expect(ending.exit == .status(7))
    #expect(!ending.isOverdue)
    #expect(ending.stdout.text == "input")
    #expect(ending.stderr.text == "an argument variable\n")
  }

  @Test func aSignalIsNotAStatus() throws {
    let ending = try onOwnThread {
      try Self.run(Program(["sh", "-c", "kill -TERM $$"], deadline: 10_000))
    }
    #expect(ending.exit == .signal(15))
    #expect(ending.exit.description == "signal 15")
  }

  /// More than a pipe holds in, more than is kept out.
  @Test func whatIsOverTheLimitIsCounted() throws {
    let ending = try onOwnThread {
      try Self.run(
        Program(["cat"], stdin: [UInt8](repeating: 7, count: 3_000_000), limit: 1_000, deadline: 10_000))
    }
    #expect(ending.exit == .status(0))
    #expect(ending.stdout == Program.Output(bytes: [UInt8](repeating: 7, count: 1_000), more: 2_999_000))
  }

  /// With its children, which have its streams.
  @Test func itIsKilledWhenItsTimeIsOver() throws {
    let (ending, child) = try onOwnThread {
      let ending = try Self.run(
        Program(["sh", "-c", "sleep 1000 & echo $!; wait"], deadline: 300))
      return (ending, try #require(Int32(ending.stdout.text.split(separator: "\n").first ?? "")))
    }
    #expect(ending.isOverdue)
    #expect(ending.exit == .signal(9))
    // It is somebody else's child now, who has yet to see that it is dead.
    let end = SystemClock.monotonic() + 5_000_000_000
    while kill(child, 0) == 0, !Self.isZombie(child), SystemClock.monotonic() < end { sched_yield() }
    #expect(kill(child, 0) < 0 || Self.isZombie(child))
  }

  private static func isZombie(_ process: Int32) -> Bool {
    System.words(of: "/proc/\(process)/stat").map { $0.contains(") Z ") } ?? true
  }

  /// `sh` is gone and its child has its streams.
  @Test(.enabled(if: ProgramTests.hasPidfd, "SKIPPED: needs pidfd_open(2), 5.3"))
  func anEndIsItsOwn() throws {
    let ending = try onOwnThread {
      try Self.run(Program(["sh", "-c", "sleep 1000 & echo $!"], deadline: 8_000))
    }
    #expect(ending.exit == .status(0))
    #expect(!ending.isOverdue)
    let child = try #require(Int32(ending.stdout.text.dropLast()))
    #expect(kill(child, SIGKILL) == 0)
  }

  static let hasPidfd = access("/proc/self/ns/time", F_OK) == 0  // 5.6

  /// As on kernels that have no pidfd_open(2).
  @Test func withoutAPidfdTheStreamsTellTheEnd() throws {
    let program: @Sendable (String, Int) throws -> Program.Ending = { command, milliseconds in
      try Self.run(
        Program(
          ["sh", "-c", command], environment: [:], stdin: [], limit: 10, deadline: milliseconds, pidfd: false)
      )
    }
    try onOwnThread {
      let plain = try program("echo 1; echo 2 >&2; exit 3", 10_000)
      #expect(plain.exit == .status(3) && plain.stdout.text == "1\n" && plain.stderr.text == "2\n")
      // Its child has the streams, so it is found out at the deadline that it ended long before.
      let left = try program("sleep 1000 & echo $!", 300)
      #expect(left.exit == .status(0) && !left.isOverdue)
      #expect(kill(try #require(Int32(left.stdout.text.dropLast())), SIGKILL) == 0)
      let late = try program("exec sleep 1000", 300)
      #expect(late.exit == .signal(9) && late.isOverdue)
    }
  }

  @Test func whatIsNotThereIsSaid() throws {
    let error = try #require(throws: SystemError.self) {
      try onOwnThread { _ = try Program(["no-such-program"], deadline: 1_000) }
    }
    #expect(error.errno == .noSuchFileOrDirectory)
  }

  @Test func whoDropsItEndsIt() throws {
    try onOwnThread {
      var program: Program? = try Program(["sh", "-c", "echo $$; exec sleep 1000"], deadline: 100_000)
      var requests = try #require(program?.requests)
      _ = try Poll.wait(&requests, timeout: 5_000)
      try #expect(program?.proceed() == nil)
      program = nil
      #expect(waitpid(-1, nil, WNOHANG) <= 0)
    }
  }
}
