import Foundation
import Linux
import Netlink
import Evidence
import SystemPackage
import TestSupport
import Testing

extension KernelTests {
  /// Links, routes, neighbours, held against what `ip` says.
  @Suite struct Links {
    private static func ip(_ node: TestNode, _ words: String...) throws -> String {
      let output = try node.namespace.run { try Tool.run(["ip"] + words, stdin: "", environment: [:]) }
      try #require(output.status == 0, "ip \(words): \(output.stderr)")
      return output.stdout
    }

    @Test func downIsSeenAtBothEnds() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let up = try pair.client.routes.link(index: 100)
        #expect(up.name == "eth0" && up.isUp && up.hasCarrier && up.state == "UP" && up.qdisc == "noqueue")
        #expect(up.address.count == 6)
        let text = up.address.map { String(format: "%02x", $0) }.joined(separator: ":")
        #expect(try Self.ip(pair.client, "link", "show", "dev", "eth0").contains("link/ether \(text)"))
        pair.client.routes.setDown(index: 100)
        try pair.client.routes.commit()
        let down = try pair.client.routes.link(index: 100)
        #expect(!down.isUp && down.state == "DOWN")
        try waitUntil("the peer has no carrier") {
          let link = try pair.server.routes.link(index: 101)
          return link.isUp && !link.hasCarrier && ["DOWN", "LOWERLAYERDOWN"].contains(link.state)
        }
        let state = try pair.server.routes.link(index: 101).state
        let shown = try Self.ip(pair.server, "link", "show", "dev", "eth0")
        #expect(shown.contains("NO-CARRIER") && shown.contains("state \(state) "), "\(shown)")
        pair.client.routes.setUp(index: 100)
        try pair.client.routes.commit()
        try waitUntil("both carry again") {
          try pair.client.routes.isReady(index: 100) && pair.server.routes.isReady(index: 101)
        }
        let (near, far) = try pair.connect()
        try pass(from: near, to: far)
        let none = try #require(throws: SystemError.self) { try pair.client.routes.link(index: 7) }
        #expect(none.errno == Errno(rawValue: ENODEV))
      }
    }

    @Test(arguments: [false, true]) func routesAreReplacedAndDeleted(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let (node, family) = (pair.client, ipv6 ? "-6" : "-4")
        let far = ipv6 ? "2001:db8:5::/48" : "203.0.113.0/24"
        let (one, two) = ipv6 ? ("2001:2::1", "2001:2::9") : ("198.18.0.1", "198.18.0.9")
        func shown() throws -> String { try Self.ip(node, family, "route", "show", far) }
        node.routes.addRoute(to: far, .via(one, index: 100))
        try node.routes.commit()
        #expect(try shown().contains("via \(one) dev eth0"))
        node.routes.addRoute(to: far, .via(one, index: 100))
        #expect(throws: SystemError.self) { try node.routes.commit() }
        node.routes.replaceRoute(to: far, .via(two, index: 100))
        try node.routes.commit()
        #expect(try shown().contains("via \(two) dev eth0"))
        #expect(try !shown().contains(one + " "))
        node.routes.deleteRoute(to: far, .via(two, index: 100))
        try node.routes.commit()
        #expect(try shown().isEmpty)
        node.routes.deleteRoute(to: far, .via(two, index: 100))
        let error = try #require(throws: SystemError.self) { try node.routes.commit() }
        #expect(error.errno == .noSuchProcess)
        #expect(error.object == "ip route del \(far) via \(two) dev 100")
        // The default route, by its family.
        node.routes.addRoute(to: nil, .via(one, index: 100))
        try node.routes.commit()
        #expect(try Self.ip(node, family, "route", "show", "default").contains("via \(one)"))
        node.routes.replaceRoute(to: nil, .unreachable, ipv6: ipv6)
        try node.routes.commit()
        #expect(try Self.ip(node, family, "route", "show", "default").contains("unreachable default"))
      }
    }

    @Test(
      arguments: [
        (RouteSocket.RouteTarget.unreachable, Errno.noRouteToHost), (.blackhole, .invalidArgument),
        (.prohibit, .permissionDenied),
      ], [false, true])
    func refusingRoutesRefuse(route: (RouteSocket.RouteTarget, Errno), ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let far = ipv6 ? "2001:db8:5::1" : "203.0.113.1"
        pair.client.routes.addRoute(to: far + (ipv6 ? "/128" : "/32"), route.0)
        try pair.client.routes.commit()
        let near = try pair.client.namespace.run { try TCP.socket(ipv6: ipv6) }
        #expect(TCP.connect(near, to: try SocketAddress(far, port: 1)) == route.1)
        pair.client.routes.deleteRoute(to: far + (ipv6 ? "/128" : "/32"), route.0)
        try pair.client.routes.commit()
        #expect(TCP.connect(near, to: try SocketAddress(far, port: 1)) == .networkUnreachable)
      }
    }

    @Test(arguments: [false, true]) func addressesComeAndGo(ipv6: Bool) throws {
      try onOwnThread {
        let node = try TestNode()
        let (own, prefix) = ipv6 ? ("2001:2::5", 128) : ("198.18.0.5", 32)
        node.routes.setLoopbackUp()
        node.routes.addAddress(own, prefix: prefix, index: 1)
        try node.routes.commit()
        try waitUntil("it is there") { try node.routes.isLocal(own) }
        node.routes.removeAddress(own, prefix: prefix, index: 1)
        try node.routes.commit()
        #expect(try !Self.ip(node, "address", "show", "dev", "lo").contains("\(own)/"))
        node.routes.removeAddress(own, prefix: prefix, index: 1)
        let error = try #require(throws: SystemError.self) { try node.routes.commit() }
        #expect(error.errno == .addressNotAvailable)
      }
    }

    @Test(arguments: [false, true]) func neighboursAreForgottenButThoseAddedByHand(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        _ = try pair.connect()
        let (far, other) = ipv6 ? ("2001:2::1", "2001:2::9") : ("198.18.0.1", "198.18.0.9")
        _ = try Self.ip(
          pair.client, "neigh", "add", other, "lladdr", "02:00:00:00:00:09", "nud", "permanent", "dev", "eth0"
        )
        func shown() throws -> String {
          try Self.ip(pair.client, "neigh", "show", "dev", "eth0", "nud", "all")
        }
        #expect(try shown().contains("\(far) lladdr"))
        #expect(try pair.client.routes.flushNeighbours(index: 100) >= 1)
        #expect(try !shown().contains("\(far) lladdr"))
        #expect(try shown().contains("\(other) lladdr"))
        let (near, server) = try pair.connect()
        try pass(from: near, to: server)
      }
    }
  }
}
