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
}
