import Foundation
import Linux
import Netlink
import SystemPackage
import TestSupport
import Testing

extension KernelTests {
  @Suite struct Namespaces {
    @Test func theThreadIsBackAfterCreateAndRun() throws {
      try onOwnThread {
        let before = try NetworkNamespace.current().inode
        let made = try NetworkNamespace.create()
        #expect(try NetworkNamespace.current().inode == before)
        #expect(try made.inode != before)
        let other = try NetworkNamespace.create()
        try made.run {
          #expect(try NetworkNamespace.current().inode == made.inode)
          let inside = try other.run { try NetworkNamespace.current().inode }
          #expect(try inside == other.inode)
          #expect(try NetworkNamespace.current().inode == made.inode)
        }
        #expect(throws: CancellationError.self) { try made.run { throw CancellationError() } }
        #expect(try NetworkNamespace.current().inode == before)
      }
    }

    /// A namespace's inode is given to the next one soon after it is gone; its cookie never.
    @Test(
      .enabled(
        if: Needs.met((try? DropReasons.Layout.ofRunningKernel()) != nil),
        "SKIPPED: needs BTF and drop reasons"))
    func programsKnowANamespaceFromTheNextWithItsInode() throws {
      let layout = try DropReasons.Layout.ofRunningKernel()
      try onOwnThread {
        let (gone, node) = try Self.reusedInode()
        #expect(try node.namespace.cookie != gone)
        let drops = try DropReasons(layout, namespaces: [gone])
        let heard = try DropReasons(layout, namespaces: [try node.namespace.cookie])
        node.routes.setLoopbackUp()
        try node.routes.commit()
        try node.namespace.run {
          let socket = try TCP.socket(ipv6: false)
          defer { TCP.close(socket) }
          _ = TCP.connect(socket, to: try SocketAddress("127.0.0.1", port: 8000))
        }
        try waitUntil("NO_SOCKET is heard") { heard.all().contains { $0.reason == "NO_SOCKET" } }
        #expect(drops.all().isEmpty)
      }
    }

    /// The cookie of a namespace that is gone, and a later one with its inode. Others make namespaces meanwhile and may
    /// take it, so it is tried again.
    private static func reusedInode() throws -> (gone: UInt64, node: TestNode) {
      for _ in 0..<100 {
        let (gone, inode) = try { () throws -> (UInt64, UInt64) in
          let first = try NetworkNamespace.create()
          return (try first.cookie, try first.inode)
        }()
        // The lowest free one is next, so those before it are kept.
        var made: [TestNode] = []
        while made.count < 500 {
          let node = try TestNode()
          if try node.namespace.inode == inode { return (gone, node) }
          made.append(node)
        }
      }
      Issue.record("no inode came again in 100 times 500 namespaces")
      throw CancellationError()
    }

    @Test func descriptorsAreNotLeaked() throws {
      func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
      }
      func round() throws {
        try onOwnThread {
          let pair = try Pair(ipv6: false)
          let (near, far) = try pair.connect()
          TCP.close(near)
          TCP.close(far)
          try pair.client.namespace.run {
            _ = try CounterFiles().read()
            _ = try Tool.run(["true"], stdin: "", environment: [:])
            _ = try TimestampClock(interface: "eth0", routes: pair.client.routes, offset: 0)
          }
        }
      }
      // The first round opens what the process keeps.
      try round()
      // Other suites open and close theirs meanwhile; what leaks here is more each time, by ten at least.
      var leaked: [Int] = []
      repeat {
        let before = try descriptors()
        for _ in 0..<10 { try round() }
        leaked.append(try descriptors() - before)
      } while leaked.last ?? 0 > 0 && leaked.count < 10
      #expect(leaked.last ?? 0 <= 0, "\(leaked)")
    }

    @Test func settingsAreTheNamespaces() throws {
      try onOwnThread {
        let before = try Sysctl.read("net/ipv4/tcp_rfc1337")
        let made = try NetworkNamespace.create()
        try made.run {
          try Sysctl.write("net/ipv4/tcp_rfc1337", "1")
          #expect(try Sysctl.read("net/ipv4/tcp_rfc1337") == "1")
          #expect(try Sysctl.read("net/ipv4/ip_local_port_range").split(separator: " ").count == 2)
          #expect(!Sysctl.exists("net/ipv4/tcp_tw_recycled"))
        }
        #expect(try Sysctl.read("net/ipv4/tcp_rfc1337") == before)
        let error = try #require(throws: SystemError.self) {
          try made.run { try Sysctl.write("net/ipv4/tcp_rfc1337", "x") }
        }
        #expect(error.description == "write x(/proc/sys/net/ipv4/tcp_rfc1337): Invalid argument")
      }
    }

    @Test func countersAreReadByNameAndAgain() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let counters = try pair.server.namespace.run { try CounterFiles() }
        let before = try counters.read()
        for name in ["TcpExt.PAWSEstab", "IpExt.InOctets", "Ip6.InReceives", "Tcp.OutRsts"] {
          #expect(before[name] != nil, "\(name)")
        }
        let (near, far) = try pair.connect()
        TCP.close(near)
        TCP.close(far)
        let after = try counters.read()
        #expect(after["Tcp.PassiveOpens", default: 0] - before["Tcp.PassiveOpens", default: 0] == 1)
      }
    }

    @Test func aToolRunsInTheNamespaceAndDiesInTime() throws {
      try onOwnThread {
        let made = try NetworkNamespace.create()
        let link = try made.run {
          try Tool.run(["readlink", "/proc/self/ns/net"], stdin: "", environment: [:])
        }
        let inode = try made.inode
        #expect(link.stdout == "net:[\(inode)]\n")
        let echo = try Tool.run(
          ["sh", "-c", "cat; echo $LC_ALL$EXTRA >&2; exit 3"], stdin: "in", environment: ["EXTRA": "!"])
        #expect((echo.stdout, echo.stderr, echo.status) == ("in", "C!", 3))
        #expect(try Tool.run(["sh", "-c", "kill -9 $$"], stdin: "", environment: [:]).status == 137)
        #expect(
          try Tool.run(["no-such-tool"], stdin: "", environment: [:]).stderr == "no-such-tool: not found")
        let late = try #require(throws: SystemError.self) {
          try Tool.run(["sleep", "60"], stdin: "", environment: [:], deadline: 50)
        }
        #expect(late.errno == .timedOut)
      }
    }

    /// In a process of its own, which loses its rights for good.
    @Test func whatIsGivenUpIsGone() async {
      await #expect(processExitsWith: .success) {
        try onOwnThread {
          func refused(_ what: String, _ body: () throws -> Void) {
            do { try body() } catch let error as SystemError where error.errno == .notPermitted {
              return
            } catch {
              fatalError("\(what): \(error)")
            }
            fatalError("\(what) was allowed")
          }
          let made = try NetworkNamespace.create()
          let socket = try TCP.socket(ipv6: false)
          try Confinement.keep(only: [.sysAdmin])
          // What a workload goes on doing.
          try made.run {
            _ = try TCP.socket(ipv6: false)
            try Sysctl.write("net/ipv4/tcp_rfc1337", "1")
          }
          guard try Tool.run(["true"], stdin: "", environment: [:]).status == 0 else {
            fatalError("no tool runs")
          }
          // And what it does not.
          refused("a namespace") { _ = try NetworkNamespace.create() }
          refused("a user namespace") { try UserNamespace.enter() }
          refused("a mount") { try Guest.mount("proc", at: "/proc") }
          refused("a module") { try Guest.loadModule("/dev/null") }
          refused("a BPF map") { _ = try BPF.Array32(entries: 1) }
          refused("the clock") { try SystemClock.setRealtime(forward: 0) }
          refused("a sequence number") { try TCP.pinSequence(socket, 1) }
          // Nor does anything that is started from here.
          let child = try Tool.run(["unshare", "--user", "true"], stdin: "", environment: [:])
          guard child.status != 0, child.stderr.contains("Operation not permitted") else {
            fatalError("a child: \(child)")
          }
        }
      }
    }

    /// From inside another user namespace nothing leads back to the host's network; that is an error, not the end.
    @Test func withoutAWayBackNothingIsLeft() async {
      await #expect(processExitsWith: .success) {
        try onOwnThread {
          try Confinement.keep(only: [])
          do {
            _ = try NetworkNamespace.create()
            fatalError("it was made")
          } catch let error as SystemError {
            guard error.stage == "setns", error.errno == .notPermitted else { fatalError("\(error)") }
          }
        }
      }
    }
  }
}
