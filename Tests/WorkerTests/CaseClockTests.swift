import Evidence
import Model
import Testing

@testable import Worker

/// Two clocks that are held against each other are read at the same time, however busy the machine is.
struct CaseClockTests {
  /// A machine whose clocks both go on, and which stands still for so long in the middle of each reading of ticks.
  private final class Machine {
    private var nanoseconds: Int64 = 1_000_000_000
    private var stalls: [Int64]
    private(set) var readings = 0

    init(stalls: [Int64]) { self.stalls = stalls }

    func now() -> Int64 { nanoseconds }

    func ticks() -> UInt32 {
      readings += 1
      nanoseconds += stalls.isEmpty ? 0 : stalls.removeFirst()
      return UInt32(nanoseconds / 1_000_000)
    }
  }

  /// Was: clients' clocks off by -4 s, all of them, on a machine of load 20.
  @Test(arguments: [[], [4_000_000_000], [150_000_000, 100_000_000], [99_000_000]] as [[Int64]])
  func aStallBetweenTheTwoReadingsIsNobodysClock(stalls: [Int64]) throws {
    let machine = Machine(stalls: stalls)
    let read = try CaseClock.reference(
      ticksPerSecond: 1000, now: machine.now, ticks: machine.ticks)
    let off = Int64(read.ticks) - read.time / 1_000_000
    #expect(off >= 0 && off < 100, "\(off) ms")
    #expect(machine.readings == stalls.count { $0 >= 100_000_000 } + 1)
  }

  @Test func aMachineThatNeverStopsStallingIsAnError() {
    let machine = Machine(stalls: Array(repeating: 100_000_000, count: 1000))
    #expect(throws: Failure.self) {
      try CaseClock.reference(ticksPerSecond: 1000, now: machine.now, ticks: machine.ticks)
    }
    #expect(machine.readings == 100)
  }
}
