import Evidence
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// What conntrack counts where a SYN meets an entry that is closed, on kernels that count it (until 830af2eba403).
@Suite struct ReopeningTests {
  private let old: Kernel = {
    var kernel = Kernel.current()
    kernel.capabilities.insert(.feature(.reopeningInvalid))
    return kernel
  }()

  private func verdict(
    _ seen: Observation, invalid: Int, on kernel: Kernel, _ late: Expectation, _ workload: [Step] = []
  ) -> Verdict {
    var seen = seen
    if invalid > 0 { seen.countersAfter["hop"] = ["conntrack.invalid": invalid] }
    var test = JudgeTests.test(late)
    test.workload = workload
    return judge(test, on: kernel, seen: seen).verdict
  }

  /// The RST that answers the old ACK closes the entry, and the next SYN reopens it.
  @Test func theSYNAfterARSTIsCounted() {
    let paws = Expectation(.dropped, by: "tw-paws")
    #expect(verdict(JudgeTests.dropped(), invalid: 1, on: old, paws) == .pass)
    #expect(verdict(JudgeTests.dropped(), invalid: 0, on: old, paws) == .fail)
    #expect(verdict(JudgeTests.dropped(), invalid: 2, on: old, paws) == .fail)
    #expect(verdict(JudgeTests.dropped(), invalid: 1, on: .current(), paws) == .fail)
    #expect(verdict(JudgeTests.dropped(), invalid: 0, on: .current(), paws) == .pass)
  }

  /// A capture at the NAT shows each SYN again, by the address that it gives.
  @Test func whatIsCapturedBehindTheNATIsCountedOnce() {
    var seen = JudgeTests.dropped()
    seen.packets += seen.packets.filter { $0.node == "server" }.map { packet in
      Packet(
        node: "hop", interface: "eth1", time: packet.time, outgoing: !packet.outgoing, length: packet.length,
        bytes: packet.bytes)
    }
    for invalid in 0...2 {
      let verdict = verdict(seen, invalid: invalid, on: old, Expectation(.dropped, by: "tw-paws"))
      #expect(verdict == (invalid == 1 ? .pass : .fail), "\(invalid)")
    }
  }

  /// Between a kernel that counts it and one that does not, nothing else moves instead.
  @Test func thatItIsCountedNoMoreIsAKnownChange() {
    func commits(_ one: Set<String>, _ other: Set<String>, _ outcome: String = "dropped by tw-paws")
      -> [String]
    {
      let known = ["ee05d90d0ac7", "c4edc3ccbc63", "830af2eba403", "45af29ca761c"]
      return KernelChange.explaining(one, other, outcomes: [outcome]).map { change in
        known.first(where: change.words.contains) ?? change.words
      }
    }
    #expect(commits(["conntrack.invalid"], []) == ["830af2eba403"])
    #expect(commits(["TcpExt.PAWSEstab"], []).isEmpty)
    #expect(commits([], []).isEmpty)
    #expect(commits([], ["Tcp.AttemptFails"], "refused by icmp") == ["45af29ca761c"])
    #expect(commits([], ["Tcp.AttemptFails"]).isEmpty)
    // From 4.19 to 6.12 a port that comes again is counted otherwise twice.
    #expect(
      commits(["conntrack.invalid", "TcpExt.PAWSEstab"], ["TcpExt.TCPSYNChallenge", "Tcp.InErrs"])
        == ["ee05d90d0ac7", "830af2eba403"])
    #expect(
      commits(["conntrack.invalid", "TcpExt.PAWSEstab", "TcpExt.TCPSYNChallenge"], ["Tcp.InErrs"]).isEmpty)
  }

  /// The server has closed first, so that the client's own next SYN from the port meets TIME_WAIT of conntrack's too.
  @Test(arguments: [(true, 0), (false, 1)])
  func aPortThatComesAgainIsCountedUnlessTheTableWasEmptied(flushed: Bool, invalid: Int) {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "late", isn: 1000, tsval: 1000)
    wire.wait(milliseconds: 5)
    _ = wire.served(attempt: 2, client: "late", isn: 900_000, tsval: 2000)
    let steps = [Step(Wait(milliseconds: 1)), flushed ? .flush(.conntrack) : Step(Wait(milliseconds: 1))]
    for seen in 0...1 {
      let verdict = verdict(wire.observation, invalid: seen, on: old, Expectation(.connected), steps)
      #expect(verdict == (seen == invalid ? .pass : .fail), "\(seen)")
    }
  }

  /// It is the same where the client has closed first (IP_CT_TCP_FLAG_CLOSE_INIT of either side), as in
  /// tw-reuse-behind-nat.
  @Test func aPortOfItsOwnTimeWaitIsCounted() {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 1000)
    wire.both("late", fromServer: false, seq: 1001, ack: 901, flags: [.fin, .ack], ts: (1001, 7))
    wire.both("late", fromServer: true, seq: 901, ack: 1002, flags: [.fin, .ack], ts: (7, 1001))
    wire.both("late", fromServer: false, seq: 1002, ack: 902, flags: [.ack], ts: (1001, 7))
    wire.wait(milliseconds: 5)
    _ = wire.served(attempt: 2, client: "late", isn: 900_000, tsval: 2000)
    for (kernel, invalid) in [(old, 1), (.current(), 0)] {
      for seen in 0...1 {
        let verdict = verdict(wire.observation, invalid: seen, on: kernel, Expectation(.connected))
        #expect(verdict == (seen == invalid ? .pass : .fail), "\(seen)")
      }
    }
  }
}
