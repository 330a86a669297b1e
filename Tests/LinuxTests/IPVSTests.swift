import Foundation
import Linux
import Netlink
import Evidence
import SystemPackage
import TestSupport
import Testing

@Suite struct IPVSConnectionTests {
  @Test func theKernelsLinesAreRead() throws {
    let v4 = try #require(
      IPVSConnection(
        line: "TCP C6120002 9CB0 C6120201 0050 C6120102 1F90 ESTABLISHED     897"))
    #expect(v4.words == "TCP ESTABLISHED 198.18.0.2:40112 198.18.2.1:80 198.18.1.2:8080")
    #expect(v4.expires == 897 && !v4.isTemplate)
    let v6 = try #require(
      IPVSConnection(
        line: "TCP 2001:0002:0000:0000:0000:0000:0000:0002 0000 2001:0002:0000:0000:0000:0000:0000:0001 0050 "
          + "2001:0002:0001:0000:0000:0000:0000:0002 0050 NONE        18446744073709551615"))
    #expect(v6.words == "TCP NONE [2001:2::2]:0 [2001:2::1]:80 [2001:2:1::2]:80")
    #expect(v6.expires == 0 && v6.isTemplate)
    for line in [
      "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData", "",
      "TCP C6120002 9CB0 C6120201 0050 C6120102 1F90 ESTABLISHED", "TCP x 1 x 1 x 1 NONE 1",
    ] {
      #expect(IPVSConnection(line: line) == nil)
    }
  }
}

extension KernelTests {
  @Suite(.enabled(if: KernelTests.hasIPVS, "SKIPPED: this kernel has no ip_vs"))
  struct IPVS {
    /// A director that is client and real server at once: everything on loopback, real servers by NAT.
    private final class Director {
      let node: TestNode
      let ipvs: IPVSSocket
      let table: IPVSConnectionTable
      let ipv6: Bool
      let (virtual, one, two): (String, String, String)
      var listeners: [TCP.Socket] = []

      init(ipv6: Bool) throws {
        self.ipv6 = ipv6
        (virtual, one, two) =
          ipv6
          ? ("2001:2::100", "2001:2::101", "2001:2::102") : ("198.18.0.100", "198.18.0.101", "198.18.0.102")
        node = try TestNode()
        node.routes.setLoopbackUp()
        for address in [virtual, one, two] {
          node.routes.addAddress(address, prefix: ipv6 ? 128 : 32, index: 1)
        }
        try node.routes.commit()
        let (node, addresses) = (node, [virtual, one, two])
        try waitUntil("the addresses are there") { try addresses.allSatisfy(node.routes.isLocal) }
        (ipvs, table) = try node.namespace.run { (try IPVSSocket(), try IPVSConnectionTable()) }
        listeners = try node.namespace.run {
          try [one, two].map { try TCP.listen(on: SocketAddress($0, port: 8_080), backlog: 16) }
        }
      }

      /// Connects to the service and says which of the servers has accepted it.
      func connect() throws -> (client: TCP.Socket, server: TCP.Socket, at: Int) {
        let client = try node.namespace.run { try TCP.socket(ipv6: ipv6) }
        _ = TCP.connect(client, to: try SocketAddress(virtual, port: 80))
        try wait(client, Poll.writable)
        #expect(TCP.pendingError(client) == nil)
        for (index, listener) in listeners.enumerated() {
          var request = [Poll.Request(descriptor: listener.descriptor, events: Poll.readable)]
          if try Poll.wait(&request, timeout: 0) == 1, let server = try TCP.accept(listener) {
            return (client, server, index)
          }
        }
        throw SystemError(stage: "accept", object: virtual, errno: .timedOut)
      }
    }

    @Test(arguments: [false, true]) func everySchedulerThatTheKernelHasIsTaken(ipv6: Bool) throws {
      try onOwnThread {
        let node = try TestNode()
        let ipvs = try node.namespace.run { try IPVSSocket() }
        let address = ipv6 ? "2001:2::100" : "198.18.0.100"
        var taken: [String] = []
        for (index, name) in IPVSSocket.schedulers.enumerated() {
          do {
            try ipvs.addService(address, port: 80 + index, scheduler: name)
            taken.append(name)
          } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
            continue  // not in this kernel
          }
        }
        #expect(taken.contains("rr"))
        let listed = try ipvs.services()
        #expect(Set(listed.map(\.scheduler)) == Set(taken))
        #expect(listed.allSatisfy { $0.address == address && $0.servers.isEmpty && $0.persistence == nil })
        try ipvs.clear()
        #expect(try ipvs.services().isEmpty)
      }
    }

    @Test(arguments: [false, true]) func whatIsSetIsListed(ipv6: Bool) throws {
      try onOwnThread {
        let director = try Director(ipv6: ipv6)
        let (ipvs, virtual, one, two) = (director.ipvs, director.virtual, director.one, director.two)
        try ipvs.addService(virtual, port: 80, scheduler: "sh", persistence: 300, flags: [.fallback, .port])
        try ipvs.addServer(one, port: 8_080, to: virtual, servicePort: 80, by: .masquerade, weight: 7)
        try ipvs.addServer(two, port: 80, to: virtual, by: .route)
        var service = try #require(try ipvs.services().first)
        #expect(service.address == virtual && service.port == 80 && service.scheduler == "sh")
        #expect(service.persistence == 300 && service.flags == [.fallback, .port])
        let servers = Dictionary(uniqueKeysWithValues: service.servers.map { ($0.address, $0) })
        #expect(servers.count == 2)
        #expect(
          servers[one]?.weight == 7 && servers[one]?.port == 8_080 && servers[one]?.forwarding == .masquerade)
        #expect(servers[two]?.weight == 1 && servers[two]?.port == 80 && servers[two]?.forwarding == .route)
        try ipvs.editServer(one, port: 8_080, of: virtual, servicePort: 80, by: .masquerade, weight: 0)
        try ipvs.removeServer(two, port: 80, from: virtual)
        try ipvs.editService(virtual, port: 80, scheduler: "rr")
        service = try #require(try ipvs.services().first)
        #expect(service.scheduler == "rr" && service.persistence == nil && service.flags.isEmpty)
        #expect(service.servers.map(\.weight) == [0])
        let error = try #require(throws: SystemError.self) {
          try ipvs.editServer(two, port: 80, of: virtual, by: .route, weight: 2)
        }
        #expect(error.errno == .noSuchFileOrDirectory)
        let none = try #require(throws: SystemError.self) { try ipvs.removeService(virtual, port: 81) }
        #expect(none.errno == .noSuchProcess)
        try ipvs.removeService(virtual, port: 80)
        #expect(try ipvs.services().isEmpty)
        let unknown = try #require(throws: SystemError.self) {
          try ipvs.addService(virtual, port: 80, scheduler: "none-such")
        }
        #expect(unknown.errno == .noSuchFileOrDirectory)
      }
    }

    /// A weight of 0 leaves what is open where it is and sends nothing new; counts and entries say who has what.
    @Test(arguments: [false, true]) func weightsMoveConnectionsToCome(ipv6: Bool) throws {
      try onOwnThread {
        let director = try Director(ipv6: ipv6)
        let ipvs = director.ipvs
        try ipvs.addService(director.virtual, port: 80, scheduler: "wrr")
        for server in [director.one, director.two] {
          try ipvs.addServer(server, port: 8_080, to: director.virtual, servicePort: 80, by: .masquerade)
        }
        var open = [try director.connect(), try director.connect()]
        #expect(Set(open.map(\.at)) == [0, 1])
        try ipvs.editServer(
          director.one, port: 8_080, of: director.virtual, servicePort: 80, by: .masquerade, weight: 0)
        for _ in 0..<3 {
          open.append(try director.connect())
          #expect(open.last?.at == 1)
        }
        for pair in open {
          try pass(from: pair.client, to: pair.server)
          try pass(from: pair.server, to: pair.client)
        }
        let servers = try #require(try ipvs.services().first).servers
        #expect(servers.first { $0.address == director.one }?.active == 1)
        #expect(servers.first { $0.address == director.two }?.active == 4)
        let entries = try director.table.read()
        #expect(entries.count == 5)
        for entry in entries {
          #expect(
            entry.transport == "TCP" && entry.state == "ESTABLISHED" && entry.virtual == director.virtual)
          #expect(entry.virtualPort == 80 && entry.realPort == 8_080 && !entry.isTemplate)
          #expect(entry.expires > 800 && entry.expires <= 900)
        }
        #expect(
          Set(entries.map(\.clientPort))
            == Set(try open.map { Int(try #require(TCP.localAddress($0.client)).port) }))
        #expect(entries.count { $0.real == director.two } == 4)
      }
    }

    @Test(arguments: [false, true]) func persistenceIsRemembered(ipv6: Bool) throws {
      try onOwnThread {
        let director = try Director(ipv6: ipv6)
        try director.ipvs.addService(director.virtual, port: 80, scheduler: "rr", persistence: 60)
        for server in [director.one, director.two] {
          try director.ipvs.addServer(
            server, port: 8_080, to: director.virtual, servicePort: 80, by: .masquerade)
        }
        let open = try (0..<4).map { _ in try director.connect() }
        #expect(Set(open.map(\.at)).count == 1)
        let templates = try director.table.read().filter(\.isTemplate)
        #expect(templates.count == 1)
        #expect(try #require(try director.ipvs.services().first).servers.map(\.persistent).reduce(0, +) == 1)
      }
    }

    /// Kernels from 5.9 on forget everything; servers and weights stay.
    @Test(arguments: [false, true]) func connectionsAreForgotten(ipv6: Bool) throws {
      try onOwnThread {
        let director = try Director(ipv6: ipv6)
        try director.ipvs.addService(director.virtual, port: 80, scheduler: "wrr", persistence: 60)
        try director.ipvs.addServer(
          director.one, port: 8_080, to: director.virtual, servicePort: 80, by: .masquerade, weight: 3)
        let open = try director.connect()
        #expect(try director.table.read().count == 2)
        let before = try #require(try director.ipvs.services().first)
        try director.node.namespace.run { try director.ipvs.flushConnections(director.table) }
        #expect(try director.table.read().isEmpty)
        let after = try #require(try director.ipvs.services().first)
        #expect(after.persistence == 60 && after.servers.map(\.weight) == [3])
        #expect(after.servers.map(\.address) == before.servers.map(\.address))
        #expect(try director.node.namespace.run { try Sysctl.read("net/ipv4/vs/expire_nodest_conn") } == "0")
        // A new one goes the same way.
        #expect(try director.connect().at == 0)
        TCP.close(open.client)
      }
    }
  }

  /// Whether this kernel has ip_vs, loaded or to load.
  static let hasIPVS: Bool =
    geteuid() == 0
    && (try? onOwnThread {
      try NetworkNamespace.create().run { _ = try IPVSSocket() }
      return true
    }) ?? false
}
