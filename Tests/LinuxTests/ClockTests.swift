import Foundation
import Linux
import Model
import Netlink
import SystemPackage
import Testing
import TestSupport

extension KernelTests {
  @Suite struct Clocks {
    @Test(arguments: [false, true], [true, false])
    func aClockBehindIsSeenOnTheServersLink(ipv6: Bool, offload: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        // Without offload the sum is filled in before the program runs, so it is on the link for all to see.
        if !offload {
          for node in [pair.client, pair.server] { try node.namespace.run { try offloadOff("eth0") } }
        }
        let offset = UInt32(bitPattern: -600_000)
        let clock = try pair.client.namespace.run {
          try TimestampClock(interface: "eth0", routes: pair.client.routes, offset: offset)
        }
        let (own, far) = try pair.connect()
        try pass(from: own, to: far)
        try pass(from: far, to: own)
        let real = try TCP.clock()
        let seen = try pair.segments()
        let sent = seen.map(\.segment).filter { !$0.outgoing }
        #expect(sent.count(where: \.isSYN) == 1)
        for segment in sent {
          let tsval = try #require(segment.tsval)
          #expect(near(real, tsval &- offset))
        }
        for answer in seen.map(\.segment) where answer.outgoing {
          let tsecr = try #require(answer.tsecr)
          #expect(near(real, tsecr &- offset))
        }
        if !offload { #expect(seen.allSatisfy { $0.checksum == true }) }

        // Forward while open: delivered. Back again: the server's PAWS drops it.
        try clock.set(offset: 5_000)
        try pass(from: own, to: far)
        let forward = try pair.segments().map(\.segment).first { !$0.outgoing }
        let stepped = try #require(forward?.tsval)
        #expect(near(stepped &- 5_000, real))
        let counters = try pair.server.namespace.run { try CounterFiles() }
        let before = try counters.read()["TcpExt.PAWSEstab"] ?? 0
        try clock.set(offset: offset)
        #expect(TCP.send(own, [8]) == nil)
        try waitUntil("PAWSEstab moves") { try counters.read()["TcpExt.PAWSEstab"] ?? 0 > before }
        guard case .wouldBlock = TCP.receive(far, upTo: 8) else {
          Issue.record("the old segment was delivered")
          return
        }
        TCP.close(own)
        TCP.close(far)
      }
    }

    /// Nothing here takes a second; a paced segment's time may lie a little ahead.
    private func near(_ a: UInt32, _ b: UInt32) -> Bool { Int32(bitPattern: a &- b).magnitude < 1000 }

    /// `tcp_timestamps=0`, and a refused connection's RST, which has no options.
    @Test func packetsWithoutTheOptionPassUnchanged() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false, timestamps: "0")
        try pair.client.namespace.run {
          _ = try TimestampClock(interface: "eth0", routes: pair.client.routes, offset: 77)
        }
        let (own, far) = try pair.connect()
        try pass(from: own, to: far)
        #expect(try pair.segments().allSatisfy { $0.segment.tsval == nil })
        TCP.close(own)
        TCP.close(far)
        let refused = try pair.client.namespace.run { try TCP.socket(ipv6: false) }
        let nobody = try SocketAddress("198.18.0.1", port: 9)
        #expect(TCP.connect(refused, to: nobody) == .nowInProgress)
        try wait(refused, Poll.writable)
        #expect(TCP.pendingError(refused) == .connectionRefused)
        TCP.close(refused)
      }
    }

    @Test func theVerifiersWordsAreInTheError() throws {
      var program = BPF.Program()
      program.exit()  // without having set r0
      let bad = program
      let error = try #require(throws: SystemError.self) { try BPF.Classifier(bad) }
      #expect(error.detail?.contains("R0 !read_ok") == true, "\(error)")
      var loop = BPF.Program()
      loop.label("again")
      loop.jump(to: "again")
      let endless = loop
      let back = try #require(throws: SystemError.self) { try BPF.Classifier(endless) }
      #expect(back.stage == "assemble")
    }

    @Test(arguments: [false, true])
    func aPinnedSequenceNumberIsOnTheWire(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let (own, far) = try pair.connect(sequence: 0xdead_beef)
        let syn = try pair.segments().map(\.segment).first(where: \.isSYN)
        #expect(syn?.sequence == 0xdead_beef)
        #expect(try pair.capture.lost() == 0)
        #expect(throws: SystemError.self) { try TCP.pinSequence(own, 1) }
        TCP.close(own)
        TCP.close(far)
      }
    }
  }
}
