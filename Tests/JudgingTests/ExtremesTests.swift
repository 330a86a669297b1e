import Evidence
import Foundation
import Judging
import Model
import Testing
import Wire

import struct Model.Expectation

/// No number from outside is a trap: what cannot be right is an error that names it, all else is judged.
@Suite struct ExtremesTests {
  static let extremes: [Int] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]

  /// A client that an offset and a pin make interesting, and a connection that met TIME_WAIT.
  static func seen(_ change: (inout Wire) -> Void = { _ in }) -> (Case, Observation) {
    var wire = Wire()
    _ = wire.served(attempt: 0, client: "early", isn: 0x4001_0000, tsval: 1_000_000)
    let began = wire.time
    wire.syn("late", isn: 0x4002_0000, tsval: 400_000)
    wire.finish(1, "late", "late", isn: 0x4002_0000, began: began, errno: "ETIMEDOUT")
    change(&wire)
    wire.observation.clockReference = ClockReference(time: 0, ticks: 0, ticksPerSecond: 1000)
    let clients = ["early", "late"].map {
      Client(name: $0, group: $0, clock: .offset(milliseconds: -600_000), isn: .ahead)
    }
    let hop = Hop(nat: .snat, backend: .auto, ports: 40000...40000, random: .none, dropInvalid: false)
    let test = Case(
      id: "made/by=hand", scenario: "made", title: "", why: "", axes: [],
      network: Network(topology: .snat, family: .ipv4, clients: clients, hop: hop), settings: [:],
      workload: [],
      rules: [
        Rule(kernel: [], outcomes: ["late": Expectation(.dropped, by: "tw-paws")], because: "")
      ])
    return (test, wire.observation)
  }

  /// Judged, remarked on, and written as it would be saved.
  @discardableResult static func judged(_ test: Case, _ observation: Observation) -> Judgement {
    let kernel = Kernel.current()
    let judgement = judge(test, on: kernel, seen: observation)
    let comments = remarks(on: judgement, of: test, on: kernel, seen: observation)
    var writer = Pcapng.Writer()
    for (index, packet) in observation.packets.enumerated() { writer.add(packet, comment: comments[index]) }
    var reader = Pcapng.Reader()
    #expect((try? reader.add(writer.take()))?.count == observation.packets.count)
    return judgement
  }

  @Test(arguments: extremes) func counters(value: Int) {
    for other in Self.extremes {
      var (test, observation) = Self.seen()
      observation.countersBefore["server"] = ["TcpExt.PAWSTimewait": value]
      observation.countersAfter["server"] = ["TcpExt.PAWSTimewait": other]
      #expect(
        observation.counters(of: "server")["TcpExt.PAWSTimewait"] == (value == other ? nil : other &- value))
      #expect(Self.judged(test, observation).verdict == .fail)
      test.rules = []
      #expect(Self.judged(test, observation).verdict == .error)
    }
  }

  @Test(arguments: extremes) func times(value: Int) {
    for other in Self.extremes {
      var (test, observation) = Self.seen()
      for index in observation.attempts.indices {
        observation.attempts[index].began = Int64(value)
        observation.attempts[index].ended = Int64(other)
      }
      for index in observation.packets.indices { observation.packets[index].time = Int64(value) }
      observation.clockReference = ClockReference(time: Int64(other), ticks: .max, ticksPerSecond: 1_000_000)
      observation.clockChanges = [
        ClockChange(client: "late", time: Int64(value), ticks: other),
        ClockChange(client: "early", time: Int64(other), ticks: value),
      ]
      observation.dropHints = [DropHint(time: Int64(other), reason: "NOT_SPECIFIED")]
      observation.drops = (0..<3).map { _ in
        KernelDrop(
          node: "server", reason: "TCP_RFC7323_TW_PAWS", source: "", sourcePort: value, destination: "",
          destinationPort: other, sequence: 0x4002_0000, count: value)
      }
      observation.dropsNotHeard = other
      observation.sockets = [
        SocketCensus(step: value, node: "server", states: [:], timeWait: [value, other])
      ]
      observation.samples = [TimeWaitSample(time: Int64(value), timeWait: other)]
      observation.stamps = [
        StampCensus(
          step: value, node: "server",
          stamps: [StampCensus.Stamp(remote: "198.19.0.1", local: nil, tsval: .max, age: other)])
      ]
      test.rules[0].timeWait = .recycled
      Self.judged(test, observation)
      for mechanism in Mechanism.all.map(\.name) {
        test.rules[0].outcomes["late"] = Expectation(.dropped, by: mechanism)
        test.rules[0].outcomes["early"] = Expectation(.predicted, by: "time-wait")
        Self.judged(test, observation)
      }
    }
  }

  /// The step that an attempt says it belongs to: a negative one was a trap where `tcp_tw_recycle` was expected.
  @Test(arguments: extremes, Expectation.all) func steps(value: Int, expected: Expectation) {
    var (test, observation) = Self.seen()
    for index in observation.attempts.indices { observation.attempts[index].step = value }
    test.workload = [.set(node: "server", setting: "tcp_timestamps", value: "0")]
    test.rules[0].outcomes["late"] = expected
    Self.judged(test, observation)
  }

  @Test(arguments: extremes) func attempts(value: Int) {
    var (test, observation) = Self.seen()
    for index in observation.attempts.indices {
      observation.attempts[index].id = value
      observation.attempts[index].step = value
      observation.attempts[index].calls = value
      observation.attempts[index].local = "198.18.0.2:\(value)"
      observation.attempts[index].remote = ":"
    }
    Self.judged(test, observation)
    observation.packetsNotKept = value
    observation.captureLosses = ["server": value]
    Self.judged(test, observation)
    for index in test.network.hosts.indices { test.network.hosts[index].client = nil }
    Self.judged(test, Observation(caseID: ""))
    #expect(Mutant.all(of: [test], on: .current()).isEmpty == false)
  }

  // MARK: decoding

  /// A case with one number of its JSON changed.
  static func decoded(_ number: String, _ change: String, in test: Case) throws -> Case {
    let text = String(decoding: try JSONEncoder().encode(test), as: UTF8.self)
    let other = text.replacing(number, with: change)
    #expect(other != text, "\(number) is not in \(text)")
    return try JSONDecoder().decode(Case.self, from: Data(other.utf8))
  }

  @Test(arguments: [
    ("\"ports\":[8000,8000]", "\"ports\":[8000,9000]", "number of server's ports: 1001"),
    ("\"ports\":[8000,8000]", "\"ports\":[-9223372036854775808,9223372036854775807]", "server's ports"),
    ("\"ports\":[40000,40000]", "\"ports\":[-9223372036854775808,9223372036854775807]", "hop's ports"),
    ("\"ports\":[40000,40000]", "\"ports\":[0,65535]", "hop's ports: 0"),
    ("\"ports\":[40000,40000]", "\"ports\":[40000,39999]", "Cannot initialize"),
    ("\"milliseconds\":-600000", "\"milliseconds\":-9223372036854775808", "clock: -9223372036854775808"),
    ("\"name\":\"late\"", "\"name\":\"early\"", "two nodes are called early"),
  ])
  func aCaseIsOneThatALabFileCanHaveMade(number: String, change: String, message: String) throws {
    let (test, _) = Self.seen()
    #expect(try Self.decoded(number, number + " ", in: test) == test)
    do {
      _ = try Self.decoded(number, change, in: test)
      Issue.record("\(change) was taken")
    } catch { #expect("\(error)".contains(message), "\(error)") }
  }

  @Test(arguments: [
    (Step.connect(.init(client: "late", label: "late", closes: .client, times: .max, again: 0)), "times"),
    (.connect(.init(client: "late", label: "late", closes: .client, times: 1, again: -1)), "again"),
    (
      .churn(.init(clients: ["late"], label: "late", connections: 0, rate: nil, closes: .client, flush: nil)),
      "connections"
    ),
    (
      .churn(.init(clients: ["late"], label: "late", connections: 1, rate: 0, closes: .client, flush: nil)),
      "rate"
    ),
    (.advance(seconds: .min), "advance"), (.clock(client: "late", to: .offset(milliseconds: .max)), "clock"),
  ])
  func aStepIsOneThatALabFileCanHaveMade(step: Step, message: String) throws {
    var (test, _) = Self.seen()
    test.workload = [step]
    let data = try JSONEncoder().encode(test)
    do {
      _ = try JSONDecoder().decode(Case.self, from: data)
      Issue.record("\(step) was taken")
    } catch { #expect("\(error)".contains("\(message): ")) }
  }

  /// A stored probe with 0 ticks per second was a division by zero.
  @Test(arguments: [0, -1, .min, .max]) func aKernelsClockTicks(ticks: Int) throws {
    var kernel = Kernel.current()
    #expect(try JSONDecoder().decode(Kernel.self, from: JSONEncoder().encode(kernel)) == kernel)
    kernel.timestampTicksPerSecond = ticks
    do {
      _ = try JSONDecoder().decode(Kernel.self, from: JSONEncoder().encode(kernel))
      Issue.record("\(ticks) was taken")
    } catch {
      #expect("\(error)".contains("timestampTicksPerSecond is \(ticks), and not within 1 to 1000000"))
    }
    let reference = ClockReference(time: 0, ticks: 0, ticksPerSecond: ticks)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(ClockReference.self, from: JSONEncoder().encode(reference))
    }
  }

  @Test func aLayoutsPlacesAreOffsets() throws {
    var kernel = Kernel.current()
    kernel.layout = ["reason SUBSYS_MASK": -65536, "tcp_time_wait()": 3, "tcp_time_wait": 84300]
    #expect(try JSONDecoder().decode(Kernel.self, from: JSONEncoder().encode(kernel)) == kernel)
    for (name, place) in [("tcp_sock.rx_opt", Int.max), ("tcp_time_wait()", 5000)] {
      kernel.layout = [name: place]
      do {
        _ = try JSONDecoder().decode(Kernel.self, from: JSONEncoder().encode(kernel))
        Issue.record("it was taken")
      } catch { #expect("\(error)".contains("\(name) is at \(place)")) }
    }
  }

  @Test func aFramesLengthIsBounded() {
    var reader = Frame.Reader()
    #expect(reader.add(Array("1 o 9223372036854775807\n".utf8)) == nil)
    var other = Frame.Reader()
    #expect(other.add(Array("1 o -1\n".utf8)) == nil)
  }
}
