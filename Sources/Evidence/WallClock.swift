/// A wall clock that was set forward while a case ran (`date -s`), and the case's own time by it: as if it had not been,
/// so that what happened later is later.
public struct WallClock: Codable, Sendable, Equatable {
  /// Once that it was set forward.
  public struct Leap: Codable, Sendable, Equatable {
    /// What it said just before; nanoseconds since 1970.
    public var from: Int64
    /// Nanoseconds by which it was set forward.
    public var by: Int64
  }

  /// In order.
  public private(set) var leaps: [Leap] = []

  /// Nanoseconds by which it is ahead in the end.
  public private(set) var ahead: Int64 = 0

  /// One that was never set.
  public init() {}

  /// It was set forward: what it said just before, and by how many nanoseconds.
  public mutating func leap(from: Int64, by: Int64) {
    leaps.append(Leap(from: from, by: by))
    ahead &+= by
  }

  /// The case's time where the clock said `wall`, before or after any leap: the time stamp of a packet.
  public func time(wall: Int64) -> Int64 {
    leaps.reversed().reduce(wall) { time, leap in
      // What it said between these two it never said.
      let (after, overflow) = leap.from.addingReportingOverflow(leap.by)
      return !overflow && time >= after ? time - leap.by : time
    }
  }
}
