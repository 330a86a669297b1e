import Foundation
import Linux
import Netlink
import SystemPackage
import TestSupport
import Testing

extension KernelTests {
  @Suite struct Netlink {
    @Test func aBatchNamesTheVerbThatFailedInTheKernelsWords() throws {
      try onOwnThread {
        let node = try TestNode()
        node.routes.setLoopbackUp()
        node.routes.addAddress("198.18.0.2", prefix: 24, index: 1)
        node.routes.addRoute(to: nil, via: "203.0.113.1", index: 1)
        let route = try #require(throws: SystemError.self) { try node.routes.commit() }
        #expect(route.object == "ip route add default via 203.0.113.1")
        #expect(route.errno == .networkUnreachable)
        #expect(route.detail == "Nexthop has invalid gateway")
        // The batch before the failure was carried out, and the queue is empty.
        try node.routes.commit()
        node.routes.addAddress("198.18.0.2", prefix: 24, index: 1)
        let address = try #require(throws: SystemError.self) { try node.routes.commit() }
        #expect(address.errno == .fileExists)
        node.routes.addAddress("198.18.0", prefix: 24, index: 1)
        let bad = try #require(throws: SystemError.self) { try node.routes.commit() }
        #expect(bad.stage == "build")
        #expect(throws: SystemError.self) { try node.namespace.run { try node.routes.index(of: "eth0") } }
      }
    }

    @Test func moreVerbsThanOneDatagramHolds() throws {
      try onOwnThread {
        let node = try TestNode()
        for host in 1...200 { node.routes.addAddress("198.18.0.\(host)", prefix: 32, index: 1) }
        try node.routes.commit()
        let list = try node.namespace.run {
          try Tool.run(["ip", "-o", "-4", "address"], stdin: "", environment: [:])
        }
        #expect(list.stdout.split(separator: "\n").count == 200)
      }
    }

    @Test(arguments: [false, true])
    func theCensusSeesTimeWaitOnTheSideThatClosesFirst(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let diag = try pair.server.namespace.run { try SocketDiag() }
        #expect(try diag.census(ipv6: ipv6) == [:])
        let (near, far) = try pair.connect()
        #expect(try diag.census(ipv6: ipv6) == ["ESTAB": 1])
        TCP.close(far)
        try wait(near, Poll.readable)
        try waitUntil("the FIN is acknowledged") { try diag.census(ipv6: ipv6) == ["FIN-WAIT-2": 1] }
        let own = try pair.client.namespace.run { try SocketDiag() }
        let local = try #require(TCP.localAddress(near))
        #expect(try own.knows(local: local, remote: pair.serverAddress))
        TCP.close(near)
        try waitUntil("the server is in TIME-WAIT") { try diag.census(ipv6: ipv6) == ["TIME-WAIT": 1] }
        try waitUntil("the client has closed") { try !own.knows(local: local, remote: pair.serverAddress) }
      }
    }

    @Test func conntrackIsCountedAndFlushed() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let rules =
          "table ip t { chain in { type filter hook input priority 0; ct state invalid counter; }; }"
        let nft = try pair.server.namespace.run {
          try Tool.run(["nft", "-f", "-"], stdin: rules, environment: [:])
        }
        try #require(nft.status == 0, "\(nft.stderr)")
        let table = try pair.server.namespace.run { try ConntrackSocket() }
        let count = { try pair.server.namespace.run { try Sysctl.read("net/netfilter/nf_conntrack_count") } }
        let (near, far) = try pair.connect()
        #expect(try count() == "1")
        #expect(try table.statistics()["insert_failed"] == 0)
        try table.flush()
        #expect(try count() == "0")
        TCP.close(near)
        TCP.close(far)
      }
    }
  }
}
