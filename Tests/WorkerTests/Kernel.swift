import Evidence
import Foundation
import Judging
import LabFile
import Linux
import Model
import Testing
import TestSupport

@testable import Worker

/// What one case gave on the running kernel, in this process.
struct Ran {
  var kernel: Kernel
  var seen: Observation
  /// Nil where the workload ran to its end.
  var failure: (any Error)?
  var judgement: Judgement
  /// Milliseconds of the workload, by the wall, and of a processor on the thread that ran it: others test beside it.
  var wall: Int
  var processor: Int

  /// - Parameter file: a lab file with one case.
  init(
    _ file: String, between: @escaping @Sendable (Testbed) throws -> Void = { _ in },
    change: @escaping @Sendable (inout Case) -> Void = { _ in }
  ) throws {
    self = try Self.once(file, between: between, change: change)
    // As the lab does: now and then the tracepoint is silent to all who listen (``DropReasons/misses``).
    if judgement.lacksOnlyDropReasons { self = try Self.once(file, between: between, change: change) }
  }

  private static func once(
    _ file: String, between: @escaping @Sendable (Testbed) throws -> Void,
    change: @escaping @Sendable (inout Case) -> Void
  ) throws -> Ran {
    try onOwnThread {
      var test = try #require(try LabFiles.parse(file, file: "here.yaml").cases().first)
      change(&test)
      let kernel = try Probe.kernel(privilege: .root)
      let testbed = try Testbed(test, on: kernel)
      let loop = EventLoop()
      var pieces = Data()
      let recorder = try Recorder(testbed, loop: loop) {
        if case .packets(let piece) = $0 { pieces += piece }
      }
      let workload = try Workload(test, on: testbed, recorder: recorder, loop: loop) { _ in }
      try recorder.before()
      try between(testbed)
      let (began, used) = (SystemClock.monotonic(), processorOfThisThread())
      var failure: (any Error)?
      do { try workload.run() } catch { failure = error }
      let wall = Int((SystemClock.monotonic() - began) / 1_000_000)
      let processor = processorOfThisThread() - used
      var stopwatch = Stopwatch()
      var seen = failure == nil ? try recorder.finish(timings: [], &stopwatch) : recorder.soFar()
      var reader = Pcapng.Reader()
      seen.packets = try reader.add(pieces).sorted { $0.time < $1.time }
      seen.broke = failure.map { "\($0)" }
      return Ran(
        kernel: kernel, seen: seen, failure: failure, judgement: judge(test, on: kernel, seen: seen),
        wall: wall, processor: processor)
    }
  }

  private static func processorOfThisThread() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }

  private init(
    kernel: Kernel, seen: Observation, failure: (any Error)?, judgement: Judgement, wall: Int, processor: Int
  ) {
    (self.kernel, self.seen, self.failure) = (kernel, seen, failure)
    (self.judgement, self.wall, self.processor) = (judgement, wall, processor)
  }

  /// `later reset`
  var outcomes: [String] { judgement.attempts.map { "\($0.attempt.label) \($0.word)" } }
}
