import Glibc
import Linux
import Netlink
import TestSupport
import Testing

extension KernelTests {
  @Suite struct Captures {
    /// Each round may be the first to ask the kernel for time stamps.
    @Test func aPacketIsStampedWhenItPassesNotWhenItIsRead() throws {
      let late = try onOwnThread {
        var late = 0
        for _ in 0..<20 {
          let node = try TestNode()
          let timestamps = try node.namespace.run { try PacketTimestamps() }
          node.routes.setLoopbackUp()
          try node.routes.commit()
          try timestamps.awaitForce()
          let (capture, socket) = try node.namespace.run {
            (try PacketCapture(interface: "lo"), try TCP.socket(ipv6: false))
          }
          defer { TCP.close(socket) }
          _ = TCP.connect(socket, to: try SocketAddress("127.0.0.1", port: 8000))
          let sent = SystemClock.realtime()
          var seen: [Int64] = []
          try capture.drain { time, outgoing, _, _ in if outgoing { seen.append(time) } }
          try #require(!seen.isEmpty)
          if seen[0] > sent { late += 1 }
        }
        return late
      }
      #expect(late == 0)
    }

    /// Closed together; what closes each once more finds nothing, whoever has its number by then.
    @Test func manyAreClosedTogether() throws {
      let still = try onOwnThread {
        let node = try TestNode()
        node.routes.setLoopbackUp()
        try node.routes.commit()
        var captures = try (0..<200).map { _ in
          try node.namespace.run { try PacketCapture(interface: "lo") }
        }
        let descriptors = captures.map(\.fileDescriptor)
        PacketCapture.close(captures)
        #expect(captures.allSatisfy { $0.fileDescriptor == -1 })
        let socket = try node.namespace.run { try TCP.socket(ipv6: false) }
        defer { TCP.close(socket) }
        try #require(descriptors.contains(socket.descriptor))
        PacketCapture.close(captures)
        captures = []
        return socket.isOpen && fcntl(socket.descriptor, F_GETFD) >= 0
      }
      #expect(still)
    }

    /// Files are none of epoll(7)'s; a descriptor that is closed is in it no more.
    @Test func aGroupTellsWhoIsReady() throws {
      let group = try PollGroup()
      var ends: [Int32] = [0, 0]
      try #require(pipe(&ends) == 0)
      defer { close(ends[1]) }
      #expect(group.set(ends[0], events: Poll.readable))
      #expect(try group.wait(most: 8, timeout: 0) == [])
      #expect(write(ends[1], "x", 1) == 1)
      #expect(try group.wait(most: 8, timeout: 5_000) == [ends[0]])
      group.remove(ends[0])
      #expect(try group.wait(most: 8, timeout: 0) == [])
      #expect(group.set(ends[0], events: Poll.readable))
      #expect(group.set(ends[0], events: 0), "what is awaited may change")
      #expect(try group.wait(most: 8, timeout: 0) == [])
      close(ends[0])
      let file = open("/proc/self/status", O_RDONLY)
      defer { close(file) }
      let plain = open("/bin/sh", O_RDONLY)
      defer { close(plain) }
      #expect(!group.set(plain, events: Poll.readable))
    }
  }
}
