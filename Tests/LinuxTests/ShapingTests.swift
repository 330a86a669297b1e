import Foundation
import Linux
import Netlink
import Evidence
import SystemPackage
import TestSupport
import Testing

@Suite struct ShapingTests {
  @Test func whatNoLinkCanBeIsRefused() throws {
    for make in [
      { try Shaping(delay: -1) }, { try Shaping(delay: 60_001) }, { try Shaping(loss: 100.5) },
      { try Shaping(duplicate: -.infinity) }, { try Shaping(loss: .nan) }, { try Shaping(reorder: 25) },
      { try Shaping(rate: 999) }, { try Shaping(limit: 0) },
    ] {
      let error = try #require(throws: SystemError.self) { _ = try make() }
      #expect(error.errno == .invalidArgument)
    }
    let all = try Shaping(
      delay: 20, loss: 10, duplicate: 5, reorder: 25.5, rate: 1_000_000, limit: 50)
    #expect(all.words == "delay 20ms loss 10% duplicate 5% reorder 25.5% rate 1000000bit limit 50")
    #expect(try Shaping().words == "limit 1000")
  }
}

extension KernelTests {
  @Suite struct Qdiscs {
    /// Whether this kernel has sch_netem; tried once.
    static let hasNetem: Bool = {
      let tried = try? onOwnThread {
        let node = try TestNode()
        node.routes.shape(index: 1, try Shaping())
        do { try node.routes.commit() } catch let error as SystemError {
          return error.errno != .noSuchFileOrDirectory
        }
        return true
      }
      return geteuid() == 0 && tried ?? true
    }()

    /// What there is without any shaping, and a refusal in the kernel's words.
    @Test func aVethHasNoQueue() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        #expect(try pair.client.routes.qdiscs(index: 100).map(\.kind) == ["noqueue"])
        pair.client.routes.addClsact(index: 100)
        try pair.client.routes.commit()
        let both = try pair.client.routes.qdiscs(index: 100)
        #expect(both.map(\.kind) == ["noqueue", "clsact"] && both.map(\.isRoot) == [true, false])
        pair.client.routes.unshape(index: 100)
        let error = try #require(throws: SystemError.self) { try pair.client.routes.commit() }
        #expect([.noSuchFileOrDirectory, .invalidArgument].contains(error.errno))
        #expect(error.object == "tc qdisc del dev 100 root")
      }
    }

    @Test(.enabled(if: !Qdiscs.hasNetem)) func whereThereIsNoNetemItIsSaid() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        pair.client.routes.shape(index: 100, try Shaping(delay: 20))
        let error = try #require(throws: SystemError.self) { try pair.client.routes.commit() }
        #expect(error.errno == .noSuchFileOrDirectory)
        #expect(error.object == "tc qdisc replace dev 100 root netem delay 20ms limit 1000")
      }
    }

    @Test(.enabled(if: Qdiscs.hasNetem, "SKIPPED: this kernel has no sch_netem"))
    func netemIsSetReadAndTakenAway() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let routes = pair.client.routes
        let all = try Shaping(
          delay: 20, loss: 10, duplicate: 5, reorder: 25.5, rate: 1_000_000, limit: 50)
        for shaping in [
          all, try Shaping(delay: 60_000), try Shaping(loss: 0.001), try Shaping(rate: 10_000_000_000),
        ] {
          routes.shape(index: 100, shaping)
          try routes.commit()
          let read = try #require(try routes.qdiscs(index: 100).first)
          #expect(read.kind == "netem" && read.isRoot && read.shaping == shaping)
        }
        routes.shape(index: 100, all)
        try routes.commit()
        let tc = try pair.client.namespace.run {
          try Tool.run(["tc", "qdisc", "show", "dev", "eth0"], stdin: "", environment: [:])
        }
        if tc.status == 0 {
          for words in [
            "netem", "limit 50", "delay 20ms", "loss 10%", "duplicate 5%", "reorder 25.5%", "rate 1Mbit",
            "gap 1",
          ] {
            #expect(tc.stdout.contains(words), "\(tc.stdout)")
          }
        }
        routes.unshape(index: 100)
        try routes.commit()
        #expect(try routes.qdiscs(index: 100).map(\.kind) == ["noqueue"])
      }
    }

    @Test(.enabled(if: Qdiscs.hasNetem, "SKIPPED: this kernel has no sch_netem"))
    func whatIsLostIsCounted() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let (near, far) = try pair.connect()
        pair.client.routes.shape(index: 100, try Shaping(loss: 100))
        try pair.client.routes.commit()
        #expect(TCP.send(near, [1]) == nil)
        try waitUntil("it was sent again") { try TCP.info(near).retransmits >= 1 }
        #expect(try #require(try pair.client.routes.qdiscs(index: 100).first).drops >= 2)
        pair.client.routes.unshape(index: 100)
        try pair.client.routes.commit()
        try wait(far, Poll.readable)
      }
    }

    @Test(.enabled(if: Qdiscs.hasNetem, "SKIPPED: this kernel has no sch_netem"))
    func whatIsDelayedIsLateAndWhatIsDoubledComesTwice() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let (near, far) = try pair.connect()
        try pass(from: near, to: far)
        pair.client.routes.shape(index: 100, try Shaping(delay: 200, duplicate: 100))
        try pair.client.routes.commit()
        _ = try pair.segments()
        let before = SystemClock.monotonic()
        try pass(from: near, to: far)
        #expect(SystemClock.monotonic() - before >= 200_000_000)
        var seen: [Segment] = []
        try waitUntil("both are captured") {
          seen += try pair.segments().map(\.segment).filter { $0.payload > 0 }
          return seen.count >= 2
        }
        #expect(seen[0].sequence == seen[1].sequence)
      }
    }
  }
}
