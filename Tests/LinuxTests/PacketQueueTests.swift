import Glibc
import Linux
import Netlink
import SystemPackage
import TestSupport
import Testing

extension KernelTests {
  @Suite struct Queues {
    /// A loopback whose SYNs go to a queue.
    private func node(_ number: Int) throws -> TestNode? {
      let node = try TestNode()
      node.routes.setLoopbackUp()
      try node.routes.commit()
      let made = try node.namespace.run {
        try Tool.run(
          ["iptables-nft-restore"],
          stdin: "*filter\n-A OUTPUT -p tcp --syn -j NFQUEUE --queue-num \(number)\nCOMMIT\n",
          environment: [:])
      }
      guard made.status == 0 else {
        print("SKIPPED: no NFQUEUE here: \(made.stderr)")
        return nil
      }
      return node
    }

    private func connect(_ node: TestNode, to port: Int) throws -> TCP.Socket {
      try node.namespace.run {
        let socket = try TCP.socket(ipv6: false)
        #expect(TCP.connect(socket, to: try SocketAddress("127.0.0.1", port: port)) == .nowInProgress)
        return socket
      }
    }

    private func isDone(_ socket: TCP.Socket) throws -> Bool {
      var requests = [Poll.Request(descriptor: socket.descriptor, events: Poll.writable)]
      return try Poll.wait(&requests, timeout: 0) > 0
    }

    @Test func whatIsHeldWaitsAndGoesOnInItsOrder() throws {
      try onOwnThread {
        guard let node = try node(3) else { return }
        let capture = try node.namespace.run { try PacketCapture(interface: "lo") }
        let queue = try node.namespace.run { try PacketQueue(3) }
        let sockets = try [8001, 8002, 8003].map { try connect(node, to: $0) }
        defer { for socket in sockets { TCP.close(socket) } }
        try waitUntil("all three are held") { try queue.count().packets == 3 }
        #expect(try queue.count().again == 0)
        #expect(try sockets.allSatisfy { try !isDone($0) })
        var ports: [Int] = []
        func look() throws {
          try capture.drain { _, outgoing, _, bytes in
            // Behind 14 bytes of Ethernet and 20 of IPv4; SYN alone.
            guard outgoing, bytes.count >= 54, bytes[47] == 2 else { return }
            ports.append(Int(bytes[36]) << 8 | Int(bytes[37]))
          }
        }
        try look()
        #expect(ports.isEmpty)
        #expect(try queue.release() == 3)
        #expect(try queue.count().packets == 0)
        try waitUntil("all three are answered") { try sockets.allSatisfy(isDone) }
        #expect(sockets.allSatisfy { TCP.pendingError($0) == .connectionRefused })
        try look()
        #expect(ports == [8001, 8002, 8003])
      }
    }

    @Test func aQueueHasOneListener() throws {
      try onOwnThread {
        guard let node = try node(4) else { return }
        let queue = try node.namespace.run { try PacketQueue(4) }
        #expect(throws: SystemError.self) { try node.namespace.run { try PacketQueue(4) } }
        #expect(try queue.release() == 0)
      }
    }
  }
}
