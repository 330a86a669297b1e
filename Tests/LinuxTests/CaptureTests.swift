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
  }
}
