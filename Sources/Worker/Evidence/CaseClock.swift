import Evidence
import Linux
import Model

/// The one clock of a case: the wall clock, by which packets are stamped, without what the case has set it forward by.
/// Everything that an observation says of time is told by it.
final class CaseClock {
  private(set) var wall = WallClock()

  /// Nanoseconds since 1970.
  var now: Int64 { SystemClock.realtime() - wall.ahead }

  /// The time of what was stamped when the wall clock said so: a packet.
  func time(wall time: Int64) -> Int64 { wall.time(wall: time) }

  /// The time of what was kept by CLOCK_MONOTONIC, and made the wall clock's only now.
  func time(ofNow time: Int64) -> Int64 { time - wall.ahead }

  /// `date -s '+N seconds'`, for the whole kernel.
  func advance(seconds: Int) throws {
    let from = SystemClock.realtime()
    try SystemClock.setRealtime(forward: seconds)
    wall.leap(from: from, by: Int64(seconds) * 1_000_000_000)
  }

  /// The kernel's timestamp clock at a known time. What a busy machine puts between reading the one and reading the other
  /// would be an error of every client's clock, so both are read again until they were read together.
  func reference(ticksPerSecond: Int) throws -> ClockReference {
    try Self.reference(ticksPerSecond: ticksPerSecond, now: { now }, ticks: TCP.clock)
  }

  static func reference(
    ticksPerSecond: Int, now: () -> Int64, ticks: () throws -> UInt32
  ) throws -> ClockReference {
    // A tenth of what a client's clock may be off (`ClockWitness`).
    let together: Int64 = 100_000_000
    for _ in 0..<100 {
      let before = now()
      let read = try ticks()
      guard now() - before >= together else {
        return ClockReference(time: before, ticks: read, ticksPerSecond: ticksPerSecond)
      }
    }
    throw Failure(
      stage: "evidence", object: "the timestamp clock",
      cause: "this machine stood still for 100 ms each of the 100 times that it was read",
      mend: "run fewer cases at a time (--jobs), or in virtual time")
  }
}
