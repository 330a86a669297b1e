import Evidence
import Foundation
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// Echoes that nobody sent, and clocks of other units.
@Suite struct TimestampTests {
  /// Two SYNs of late, each answered with an echo and refused by the client.
  private static func refused(echo: UInt32, answer: Segment.Flags = .rst) -> Wire {
    var wire = Wire()
    let began = wire.time
    for tsval in [1000, 2000] as [UInt32] {
      wire.syn("late", isn: 5000, tsval: tsval)
      wire.both("late", fromServer: true, seq: 900, ack: 5001, flags: [.syn, .ack], ts: (7, tsval ^ echo))
      wire.both("late", fromServer: false, seq: 5001, flags: answer)
      wire.wait(milliseconds: 1000)
    }
    wire.finish(1, "late", "late", isn: 5000, began: began, errno: "ETIMEDOUT")
    wire.moved("late", MechanismTests.timedOut("late"))
    wire.moved("late", ["TcpExt.PAWSActive": 2, "Tcp.OutRsts": 2])
    wire.moved("server", ["Tcp.AttemptFails": 2])
    return wire
  }

  @Test func anEchoThatNobodySentIsRefused() throws {
    #expect(try MechanismTests.judged("dropped by ts-echo", Self.refused(echo: 1 << 30)).verdict == .pass)
    // Refused for another reason: the echo is right.
    #expect(
      try MechanismTests.judged("dropped by ts-echo", Self.refused(echo: 0)).reason
        == "late #1 of them with an echo that it has not sent: expected 2, saw 0")
    // Answered and not refused is no drop, nor has it another word.
    let taken = Self.refused(echo: 1 << 30, answer: .ack)
    #expect(try MechanismTests.judged("dropped by ts-echo", taken).attempts.first?.outcome == nil)
    var silent = Self.refused(echo: 1 << 30)
    silent.observation.countersAfter["late"]?["TcpExt.PAWSActive"] = nil
    #expect(try MechanismTests.judged("dropped by ts-echo", silent).verdict == .fail)
    // The symptom is that of an answer that was lost.
    #expect(try MechanismTests.judged("dropped by lost-answer", Self.refused(echo: 1 << 30)).verdict == .fail)
  }

  /// A clock of microseconds is held against time itself.
  @Test(arguments: [(1_000_000, true), (1_000, false)])
  func aClockOfMicrosecondsGoesAThousandTimesAsFast(ticksPerSecond: UInt32, holds: Bool) throws {
    var wire = Wire()
    let began = wire.time
    wire.syn("late", isn: 5000, tsval: 77)
    wire.both("late", fromServer: true, seq: 900, ack: 5001, flags: [.syn, .ack], ts: (7, 77))
    wire.wait(milliseconds: 1000)
    wire.both("late", fromServer: false, seq: 5001, ack: 901, flags: [.ack], ts: (77 + ticksPerSecond, 7))
    wire.finish(1, "late", "late", isn: 5000, began: began, errno: nil)
    let judgement = try MechanismTests.judged("connected", wire) { test in
      for index in test.network.clients.indices { test.network.clients[index].clock = .microseconds }
    }
    #expect(judgement.verdict == (holds ? .pass : .fail), "\(judgement.reason)")
    #expect(holds || judgement.reason.contains("1000 ticks in 1000"), "\(judgement.reason)")
  }
}

/// What programs of a case's did.
@Suite struct ProgramEvidenceTests {
  @Test(arguments: [("served", true), ("refused", false)])
  func whatItWritesIsHeldAgainstItsStep(words: String, holds: Bool) throws {
    var wire = Wire()
    wire.opened(attempt: 0, client: "late", isn: 1000, tsval: 7)
    var program = ProgramRun(step: 0, node: "late", command: ["curl"], began: 0, ended: 1, expected: 0)
    (program.status, program.output, program.errors) = (0, "was served\n", "")
    wire.observation.programs = [program]
    let judgement = try MechanismTests.judged("connected", wire) {
      $0.workload = [Step(Exec(node: "late", command: ["curl"], says: words, label: "late"))]
    }
    #expect(judgement.verdict == (holds ? .pass : .fail), "\(judgement.reason)")
    #expect(
      holds || judgement.reason == "what curl on late writes: expected refused, saw was served",
      "\(judgement.reason)")
  }

  /// A program may close its socket before the kernel gives up; a client of the lab never does.
  @Test func aProgramNeedNotWaitForTheKernel() throws {
    func judged(_ step: Step, timesOut: Bool) throws -> Verdict {
      var wire = Wire()
      wire.observation = JudgeTests.dropped()
      wire.observation.attempts[1].step = 0
      if !timesOut {
        for name in MechanismTests.timedOut("late").keys {
          wire.observation.countersAfter["late"]?[name] = nil
        }
      }
      return try MechanismTests.judged("dropped by tw-paws", wire) { $0.workload = [step] }.verdict
    }
    let program = Step(Exec(node: "late", command: ["curl"], label: "late"))
    let client = Step(Connect(client: "late", label: "late", closes: .client, times: 1, again: 0))
    for timesOut in [true, false] {
      #expect(try judged(program, timesOut: timesOut) == .pass)
      #expect(try judged(client, timesOut: timesOut) == (timesOut ? .pass : .fail))
    }
  }

  /// Only what is a node's name in braces is replaced.
  @Test func addressesStandForNodes() {
    let exec = Exec(
      node: "late", command: ["curl", "http://{server}:8000/{x}", "{", "{{server}}"],
      input: "http { server { listen 8000; } upstream {server}; }")
    let filled = exec.filled(with: ["server": "[2001:2::2]"])
    #expect(filled.command == ["curl", "http://[2001:2::2]:8000/{x}", "{", "{[2001:2::2]}"])
    #expect(filled.input == "http { server { listen 8000; } upstream [2001:2::2]; }")
  }

  @Test func aKnownProgramIsAskedFor() {
    func needs(_ name: String) -> [Capability.Feature] {
      Exec(node: "late", command: [name]).needs.features
    }
    #expect(needs("nginx") == [.nginx])
    #expect(needs("true") == [])
    #expect(Capability.Feature.nginx.remedy?.tool?.package == "nginx-light")
  }
}
