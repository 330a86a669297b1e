import Evidence
import Foundation
import Judging
import Model
import Testing

@testable import Report

/// The search is a pure function of what is said of each place, so all of these are tried.
@Suite struct BisectionTests {
  /// Runs a search over what each place between the two ends answers; the places in the order in which it asked.
  private func run(_ answers: [Bisection.Answer]) -> (search: Bisection, asked: [Int]) {
    var search = Bisection(count: answers.count + 2)
    var asked: [Int] = []
    while let place = search.next, asked.count <= answers.count {
      asked.append(place)
      search.answer(place, answers[place - 1])
    }
    return (search, asked)
  }

  /// Every list of so many answers.
  private func lists(_ count: Int) -> [[Bisection.Answer]] {
    guard count > 0 else { return [[]] }
    return lists(count - 1).flatMap { rest in [.good, .bad, .skipped].map { rest + [$0] } }
  }

  @Test(arguments: 0...8)
  func twoNeighboursAreLeftWhateverIsSaidOfAnyPlace(_ count: Int) {
    for answers in lists(count) {
      let (search, asked) = run(answers)
      let all = [.good] + answers + [.bad]
      #expect(Set(asked).count == asked.count, "asks twice: \(answers)")
      #expect(all[search.good] == .good && all[search.bad] == .bad && search.good < search.bad, "\(answers)")
      // What is between them was looked at, and says nothing.
      #expect(Array(search.good + 1..<search.bad) == search.skipped && search.open.isEmpty, "\(answers)")
      #expect(all[search.good + 1..<search.bad].allSatisfy { $0 == .skipped }, "\(answers)")
    }
  }

  @Test(arguments: 0...40)
  func oneChangeIsFoundInAsFewLooksAsHalvingTakes(_ count: Int) {
    for change in 0...count {
      let answers = (0..<count).map { $0 < change ? Bisection.Answer.good : .bad }
      let most = Bisection(count: count + 2).most
      #expect(1 << most > count && (most == 0 || 1 << (most - 1) <= count))
      let (search, asked) = run(answers)
      #expect(search.good == change && search.bad == change + 1, "\(count) \(change)")
      #expect(asked.count <= most, "\(asked.count) looks at \(count) places")
    }
  }

  /// One change and any places that say nothing: it is found as near as these allow.
  @Test(arguments: 1...9)
  func whatSaysNothingIsSteppedOver(_ count: Int) {
    for change in 0...count {
      for skips in 0..<1 << count {
        let answers = (0..<count).map { place -> Bisection.Answer in
          skips >> place & 1 == 1 ? .skipped : place < change ? .good : .bad
        }
        let (search, _) = run(answers)
        let all = [.good] + answers + [.bad]
        #expect(search.good == all.lastIndex(of: .good) && search.bad == all.firstIndex(of: .bad))
      }
    }
  }

  @Test func halvesFromTheMiddleAndStepsToTheNearest() {
    var search = Bisection(count: 9)
    #expect(search.next == 4)
    search.answer(4, .skipped)
    #expect(search.next == 3)
    search.answer(3, .good)
    #expect(search.good == 3 && search.next == 5 && search.most == 2)
    search.answer(5, .bad)
    #expect(search.next == nil && search.skipped == [4])
  }

  // MARK: by what results are told apart

  private func behaviour(_ verdict: Verdict, _ outcomes: [String: String], _ counters: Set<String> = [])
    -> Difference.Behaviour
  {
    Difference.Behaviour(verdict: verdict, outcomes: outcomes, counters: counters)
  }

  @Test func theFirstInWhichTheyDifferCounts() {
    let dropped = behaviour(.pass, ["late": "dropped by tw-paws"], ["server PAWSEstab"])
    let counted = behaviour(.pass, ["late": "dropped by tw-paws"], ["server PAWSTimewait"])
    #expect(Yardstick.first(between: dropped, dropped) == nil)
    #expect(Yardstick.first(between: dropped, counted) == .counters)
    #expect(Yardstick.outcome.same(dropped, counted) && !Yardstick.counters.same(dropped, counted))
    for other in [
      behaviour(.pass, ["late": "dropped by hop"], ["server PAWSEstab"]),
      behaviour(.fail, ["late": "dropped by tw-paws"], ["server PAWSEstab"]),
    ] {
      #expect(Yardstick.first(between: dropped, other) == .outcome)
      #expect(!Yardstick.counters.same(dropped, other))
    }
    #expect(Yardstick.outcome.words(dropped) == "pass: late dropped by tw-paws")
    #expect(Yardstick.counters.words(counted) == "pass: late dropped by tw-paws; server PAWSTimewait")
  }

  @Test func whatOneKernelAloneHasIsNamed() {
    func kernel(_ capabilities: Set<Capability>, perKernel: Set<String> = [], ticks: Int = 1000) -> Kernel {
      Kernel(
        release: "6.1", machine: "x86_64", capabilities: capabilities, perKernelSettings: perKernel,
        timestampTicksPerSecond: ticks, privilege: .root, missing: [:])
    }
    let old = kernel([.feature(.ipvs), .feature(.nft)], perKernel: ["tcp_rfc1337"], ticks: 250)
    let new = kernel([.feature(.ipvs), .counter("TcpExt.PAWSTimewait"), .feature(.natEvictsClosing)])
    #expect(
      KernelDifference(("old", old), ("new", new)).lines == [
        "only old has nft, tcp_rfc1337 once per kernel, 250 timestamp ticks a second",
        "only new has TcpExt.PAWSTimewait, nat-evicts-closing, 1000 timestamp ticks a second",
      ])
    #expect(
      KernelDifference(("old", old), ("same", old)).lines == [
        "probing finds nothing that one has and the other lacks"
      ])
  }

  // MARK: the first packet

  /// A segment on an interface: Ethernet, IPv4, TCP, perhaps with timestamps.
  private func packet(
    _ node: String, out: Bool, at milliseconds: Int64, _ flags: Segment.Flags, seq: UInt32, ack: UInt32 = 0,
    port: UInt16 = 40000, stamp: UInt32? = 7
  ) -> Packet {
    var tcp = Data()
    func add16(_ number: UInt16, to data: inout Data) { data += [UInt8(number >> 8), UInt8(number & 255)] }
    func add32(_ number: UInt32, to data: inout Data) {
      add16(UInt16(number >> 16), to: &data)
      add16(UInt16(number & 0xffff), to: &data)
    }
    let fromServer = (node == "server") == out
    add16(fromServer ? 80 : port, to: &tcp)
    add16(fromServer ? port : 80, to: &tcp)
    add32(seq, to: &tcp)
    add32(ack, to: &tcp)
    tcp += [stamp == nil ? 0x50 : 0x80, flags.rawValue, 0xff, 0xff, 0, 0, 0, 0]
    if let stamp {
      tcp += [1, 1, 8, 10]
      add32(stamp, to: &tcp)
      add32(0, to: &tcp)
    }
    var ip = Data([0x45, 0])
    add16(UInt16(20 + tcp.count), to: &ip)
    ip += [0, 0, 0, 0, 64, 6, 0, 0]
    ip += fromServer ? [198, 19, 0, 1, 198, 18, 0, 2] : [198, 18, 0, 2, 198, 19, 0, 1]
    let bytes = Data(count: 12) + Data([0x08, 0x00]) + ip + tcp
    return Packet(
      node: node, interface: "eth0", time: 1_000_000_000 + milliseconds * 1_000_000, outgoing: out,
      length: bytes.count, bytes: bytes)
  }

  private func seen(_ packets: [Packet]) -> Observation {
    var observation = Observation(caseID: "x/y")
    observation.packets = packets
    return observation
  }

  /// A handshake whose numbers, port and stamps come from somewhere.
  private func handshake(_ node: String, _ base: UInt32, port: UInt16, stamp: UInt32) -> [Packet] {
    let isServer = node == "server"
    return [
      packet(node, out: !isServer, at: Int64(base % 7), .syn, seq: base, port: port, stamp: stamp),
      packet(
        node, out: isServer, at: 8, [.syn, .ack], seq: base &* 3, ack: base &+ 1, port: port, stamp: stamp / 2
      ),
      packet(
        node, out: !isServer, at: 9, .ack, seq: base &+ 1, ack: base &* 3 &+ 1, port: port, stamp: stamp &+ 1),
    ]
  }

  @Test func whatChanceDrawsIsNoDifference() {
    let one = seen(
      handshake("server", 1000, port: 40000, stamp: 5)
        + handshake("server", 0xffff_ffff, port: 40001, stamp: 9))
    let other = seen(
      handshake("server", 777, port: 51000, stamp: 99) + handshake("server", 12, port: 51001, stamp: 1 << 31))
    #expect(FirstDifference.between(kernels: ("a", one), ("b", other)) == nil)
  }

  @Test func theFirstPacketThatIsNotTheSameIsSaid() {
    let plain = handshake("server", 1000, port: 40000, stamp: 5)
    let again = packet("server", out: false, at: 20, .syn, seq: 90_000, port: 40000)
    let old = packet("server", out: true, at: 21, .ack, seq: 3001, ack: 1001, port: 40000)
    let new = packet(
      "server", out: true, at: 22, [.syn, .ack], seq: 5_000_000, ack: 90_001, port: 40000, stamp: nil)
    #expect(
      FirstDifference.between(kernels: ("a", seen(plain + [again, old])), ("b", seen(plain + [again, new])))
        == """
        server eth0, connection 1, packet 5: on a it sends ACK seq 1 ack -88999 at 15.000 ms; \
        on b it sends SYN/ACK seq 0 ack 1 no timestamp at 16.000 ms
        """)
    #expect(
      FirstDifference.between(kernels: ("a", seen(plain + [again])), ("b", seen(plain)))
        == "server eth0, connection 1, packet 4: on a it gets SYN seq 0 at 14.000 ms; nothing more on b")
    // Of two places where they part the earlier is told.
    let late = packet("client", out: true, at: 30, .rst, seq: 1001, port: 40000)
    #expect(
      FirstDifference.between(
        kernels: ("a", seen(plain + [again])), ("b", seen(plain + [again, old, late])))?
        .hasPrefix("server eth0, connection 1, packet 5: nothing more on a; on b it sends ACK") == true)
  }
}
