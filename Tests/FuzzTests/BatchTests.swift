import Foundation
import Fuzz
import Glibc
import Testing

/// The process that is fed ends where an input is too much for it, and has said which one it was. Each of these is what
/// fuzzing finds, made on purpose in a process of its own.
@Suite struct BatchTests {
  /// Three inputs, of which the second is the one.
  static func feed(milliseconds: Int = 200, _ body: (UInt8) -> Void) -> Never {
    let folder = FileManager.default.temporaryDirectory.path
    let batch = "\(folder)/fuzz-batch-\(getpid())"
    var limits = Batch.Limits()
    limits.milliseconds = milliseconds
    do { try Batch.write([[1], [2], [3]], to: batch) } catch { exit(99) }
    let status = Batch.run(batch, progress: batch + "-progress", limits: limits) { input in
      // Where it got to is there before it is fed.
      if Batch.progress(batch + "-progress").index != Int(input[0]) - 1 { exit(98) }
      body(input[0])
    }
    let progress = Batch.progress(batch + "-progress")
    unlink(batch)
    unlink(batch + "-progress")
    exit(progress.index == 3 && progress.taken == 3 ? status : 97)
  }

  @Test func whatIsReadIsCounted() async {
    await #expect(processExitsWith: .exitCode(0)) { Self.feed { _ in } }
  }

  @Test func aLoopIsEnded() async {
    await #expect(processExitsWith: .signal(SIGPROF)) {
      Self.feed { input in
        var count = 0
        while input == 2, count >= 0 { count &+= 1 & Int(input) }
      }
    }
  }

  @Test func aWaitInVainIsEnded() async {
    await #expect(processExitsWith: .signal(SIGALRM)) {
      Self.feed(milliseconds: 20) { input in
        while input == 2 { pause() }
      }
    }
  }

  @Test func tooMuchMemoryIsRefused() async {
    await #expect(processExitsWith: .exitCode(12)) {
      Self.feed { input in
        // What Swift does without memory is a trap; what the kernel says is asked here.
        if input == 2, mmap(nil, 400 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED {
          exit(errno)
        }
      }
    }
  }

  @Test func aTrapEndsIt() async {
    await #expect(processExitsWith: .failure) {
      Self.feed { input in
        let numbers: [UInt8] = [1]
        _ = numbers[Int(input) - 1]
      }
    }
  }
}
