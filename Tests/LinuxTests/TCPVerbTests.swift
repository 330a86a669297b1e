import Foundation
import Linux
import Netlink
import Evidence
import SystemPackage
import TestSupport
import Testing

extension KernelTests {
  /// Ways to end a connection, and to look at one.
  @Suite struct TCPVerbs {
    private static func pair(_ ipv6: Bool) throws -> (Pair, TCP.Socket, TCP.Socket) {
      let pair = try Pair(ipv6: ipv6)
      let (near, far) = try pair.connect()
      try waitUntil("the handshake is captured") { try pair.segments().contains { !$0.segment.isSYN } }
      return (pair, near, far)
    }

    @Test(arguments: [false, true]) func abortSendsARST(ipv6: Bool) throws {
      try onOwnThread {
        let (pair, near, far) = try Self.pair(ipv6)
        try TCP.abort(near)
        #expect(!near.isOpen)
        try wait(far, Poll.readable)
        guard case .failed(.connectionReset) = TCP.receive(far, upTo: 1) else {
          Issue.record("the server was not reset")
          return
        }
        let seen = try pair.segments().map(\.segment)
        #expect(seen.count == 1 && seen[0].flags.contains(.rst), "\(seen)")
        let counters = try pair.client.namespace.run { try CounterFiles().read() }
        #expect(counters["TcpExt.TCPAbortOnData"] == 1)
      }
    }

    @Test(arguments: [false, true]) func aHalfClosedConnectionStillReceives(ipv6: Bool) throws {
      try onOwnThread {
        let (_, near, far) = try Self.pair(ipv6)
        try TCP.shutdownWriting(near)
        try wait(far, Poll.readable)
        guard case .end = TCP.receive(far, upTo: 1) else {
          Issue.record("no FIN arrived")
          return
        }
        #expect(try TCP.info(far).state == "CLOSE-WAIT")
        try waitUntil("the FIN is acknowledged") { try TCP.info(near).state == "FIN-WAIT-2" }
        try pass(from: far, to: near)
        TCP.close(far)
        try wait(near, Poll.readable)
        guard case .end = TCP.receive(near, upTo: 1) else {
          Issue.record("no FIN came back")
          return
        }
        #expect(throws: SystemError.self) { try TCP.shutdownWriting(TCP.socket(ipv6: ipv6)) }
      }
    }

    /// Nothing on the wire, nothing known of it any more, and the peer learns it when it sends.
    @Test(arguments: [false, true]) func vanishSendsNothing(ipv6: Bool) throws {
      try onOwnThread {
        let (pair, near, far) = try Self.pair(ipv6)
        // Unread data would be a RST on close(2).
        #expect(TCP.send(far, [1]) == nil)
        try wait(near, Poll.readable)
        try waitUntil("the byte is acknowledged") { try TCP.unacknowledged(far) == 0 }
        _ = try pair.segments()
        let local = try #require(TCP.localAddress(near))
        let diag = try pair.client.namespace.run { try SocketDiag() }
        #expect(try diag.knows(local: local, remote: pair.serverAddress))
        try TCP.vanish(near)
        #expect(!near.isOpen)
        #expect(try !diag.knows(local: local, remote: pair.serverAddress))
        #expect(try TCP.info(far).state == "ESTAB")
        #expect(try pair.segments().isEmpty)
        #expect(TCP.send(far, [2]) == nil)
        try wait(far, Poll.readable)
        guard case .failed(.connectionReset) = TCP.receive(far, upTo: 1) else {
          Issue.record("what a client that is gone has open is not reset")
          return
        }
        let seen = try pair.segments().map(\.segment)
        #expect(seen.count == 2 && seen[1].flags.contains(.rst), "\(seen)")
      }
    }

    @Test func aListenerCannotVanish() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let error = try #require(throws: SystemError.self) { try TCP.vanish(pair.listener) }
        #expect(error.errno == .notPermitted)
        #expect(pair.listener.isOpen)
      }
    }

    @Test(arguments: [false, true]) func aPortIsTakenAgainAfterTimeWait(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let own = try SocketAddress(ipv6 ? "2001:2::2" : "198.18.0.2", port: 40_112)
        for _ in 0..<2 {
          let near = try pair.client.namespace.run { try TCP.socket(ipv6: ipv6) }
          try TCP.bind(near, to: own)
          if let errno = TCP.connect(near, to: pair.serverAddress) { #expect(errno == .nowInProgress) }
          try wait(near, Poll.writable)
          #expect(TCP.pendingError(near) == nil)
          #expect(TCP.localAddress(near)?.description == own.description)
          try wait(pair.listener, Poll.readable)
          let far = try #require(try TCP.accept(pair.listener))
          let other = try pair.client.namespace.run { try TCP.socket(ipv6: ipv6) }
          if let taken = TCP.connect(other, to: pair.serverAddress) { #expect(taken == .nowInProgress) }
          // The server closes first, so that the client's port is free at once.
          TCP.close(far)
          try wait(near, Poll.readable)
          TCP.close(near)
          let diag = try pair.client.namespace.run { try SocketDiag() }
          try waitUntil("the client has closed") {
            try !diag.knows(local: own, remote: pair.serverAddress)
          }
          TCP.close(other)
          try wait(pair.listener, Poll.readable)
          _ = try TCP.accept(pair.listener)
        }
      }
    }

    @Test func aListenersQueueIsAsLongAsItsBacklog() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        try TCP.setBacklog(pair.listener, 3)
        var clients: [TCP.Socket] = []
        for _ in 0..<2 {
          let near = try pair.client.namespace.run { try TCP.socket(ipv6: false) }
          _ = TCP.connect(near, to: pair.serverAddress)
          clients.append(near)
        }
        try waitUntil("both wait") { try TCP.info(pair.listener).unacknowledged == 2 }
        #expect(try TCP.info(pair.listener).state == "LISTEN")
      }
    }

    @Test func infoCountsWhatIsSentAgain() throws {
      try onOwnThread {
        let (pair, near, far) = try Self.pair(false)
        defer { TCP.close(far) }
        let before = try TCP.info(near)
        #expect(before.state == "ESTAB" && before.hasTimestamps && before.unacknowledged == 0)
        #expect(before.totalRetransmits == 0 && before.retransmissionTimeout >= 200_000)
        pair.server.routes.setDown(index: 101)
        try pair.server.routes.commit()
        #expect(TCP.send(near, [1]) == nil)
        try waitUntil("it is sent again") {
          let info = try TCP.info(near)
          return info.retransmits >= 1 && info.unacknowledged == 1
        }
        let silent = try pair.client.namespace.run { try TCP.socket(ipv6: false) }
        #expect(try TCP.info(silent).state == "UNCONN")
      }
    }
  }
}
