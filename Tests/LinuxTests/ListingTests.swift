import Foundation
import Linux
import Netlink
import Evidence
import SystemPackage
import TestSupport
import Testing

/// A line for each processor, in hexadecimal (`synproxy_cpu_seq_show`).
@Suite struct SynproxyCounterTests {
  @Test func processorsAreOneSum() {
    let text = """
      entries\t\tsyn_received\tcookie_invalid\tcookie_valid\tcookie_retrans\tconn_reopened
      00000000\t0000000a\t00000000\t00000009\t00000001\t00000000
      00000000\t00000006\t00000002\t00000000\t00000000\t00000000

      """
    #expect(
      SynproxyCounters.sums(in: text) == [
        "synproxy.syn_received": 16, "synproxy.cookie_invalid": 2, "synproxy.cookie_valid": 9,
        "synproxy.cookie_retrans": 1, "synproxy.conn_reopened": 0,
      ])
    #expect(SynproxyCounters.sums(in: "") == [:])
  }
}

extension KernelTests {
  /// Lists of sockets and of tracked connections, held against `ss` and `/proc`.
  @Suite struct Listings {
    /// State, queues and both ends, as `ss` has them: `198.18.0.1:8000`, `[::1]:80`, `*` for any port.
    private static func ss(_ pair: Pair, _ node: TestNode) throws -> Set<String> {
      let output = try node.namespace.run {
        try Tool.run(["ss", "-tanHO", pair.ipv6 ? "-6" : "-4"], stdin: "", environment: [:])
      }
      try #require(output.status == 0, "\(output.stderr)")
      return Set(
        output.stdout.split(separator: "\n").map { line in
          line.split(separator: " ").prefix(5).joined(separator: " ")
        })
    }

    private static func line(_ entry: SocketDiag.Entry) -> String {
      let remote =
        entry.remotePort == 0
        ? (entry.remote.contains(":") ? "[\(entry.remote)]:*" : "\(entry.remote):*")
        : SocketAddress.text(entry.remote, port: entry.remotePort)
      return "\(entry.state) \(entry.receiveQueue) \(entry.sendQueue) "
        + "\(SocketAddress.text(entry.local, port: entry.localPort)) \(remote)"
    }

    @Test(arguments: [false, true]) func socketsAreListedAsSsListsThem(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let (near, far) = try pair.connect()
        let waiting = try pair.client.namespace.run { try TCP.socket(ipv6: ipv6) }
        _ = TCP.connect(waiting, to: pair.serverAddress)
        try wait(waiting, Poll.writable)
        let (closing, half) = try pair.connectAfter(waiting)
        TCP.close(half)
        try wait(closing, Poll.readable)
        #expect(TCP.send(near, [1, 2, 3]) == nil)
        try wait(far, Poll.readable)
        let diag = try pair.server.namespace.run { try SocketDiag() }
        try waitUntil("the FIN is acknowledged") {
          try diag.entries(ipv6: ipv6).contains { $0.state == "FIN-WAIT-2" }
        }
        let entries = try diag.entries(ipv6: ipv6)
        #expect(Set(entries.map(Self.line)) == (try Self.ss(pair, pair.server)))
        let listener = try #require(entries.first { $0.state == "LISTEN" })
        #expect(listener.localPort == 8000 && listener.remotePort == 0)
        // The backlog of the listener, and nobody who waits: all were accepted.
        #expect(listener.sendQueue == 8 && listener.receiveQueue == 0)
        let open = try #require(entries.first { $0.receiveQueue == 3 })
        #expect(open.state == "ESTAB" && open.words.hasPrefix("ESTAB \(pair.serverAddress) "))
        // What the server has closed the kernel keeps without a socket, in FIN_WAIT2.
        let mini = try #require(entries.first { $0.state == "FIN-WAIT-2" })
        #expect(mini.isTimeWaitSocket && mini.expires > 50_000 && mini.expires <= 60_000)
        TCP.close(closing)
        try waitUntil("it is in TIME-WAIT") {
          try diag.entries(ipv6: ipv6).contains { $0.state == "TIME-WAIT" && $0.isTimeWaitSocket }
        }
        #expect(Set(try diag.entries(ipv6: ipv6).map(Self.line)) == (try Self.ss(pair, pair.server)))
      }
    }

    @Test(arguments: [false, true]) func anOpenHalfClosedSocketIsNoTimeWaitSocket(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let (near, far) = try pair.connect()
        defer { TCP.close(far) }
        try TCP.shutdownWriting(near)
        let diag = try pair.client.namespace.run { try SocketDiag() }
        try waitUntil("the FIN is acknowledged") {
          try diag.entries(ipv6: ipv6).map(\.state) == ["FIN-WAIT-2"]
        }
        let entry = try #require(try diag.entries(ipv6: ipv6).first)
        #expect(entry.timer == "off" && !entry.isTimeWaitSocket && entry.expires == 0)
      }
    }

    private static func track(_ node: TestNode) throws -> ConntrackSocket {
      let rules = "table inet t { chain i { type filter hook input priority 0; ct state new counter; }; }"
      let nft = try node.namespace.run { try Tool.run(["nft", "-f", "-"], stdin: rules, environment: [:]) }
      try #require(nft.status == 0, "\(nft.stderr)")
      return try node.namespace.run { try ConntrackSocket() }
    }

    @Test(arguments: [false, true]) func trackedConnectionsAreListedAsProcListsThem(ipv6: Bool) throws {
      try onOwnThread {
        let pair = try Pair(ipv6: ipv6)
        let table = try Self.track(pair.server)
        let (near, far) = try pair.connect()
        let (other, third) = try pair.connect()
        let local = try #require(TCP.localAddress(near))
        let tcp = { try table.entries().filter { $0.transport == "tcp" } }
        let entry = try #require(try tcp().first { $0.original.sourcePort == Int(local.port) })
        #expect(entry.original.description == "\(local) > \(pair.serverAddress)")
        #expect(entry.reply.description == "\(pair.serverAddress) > \(local)")
        #expect(entry.state == "ESTABLISHED")
        #expect(entry.status.isSuperset(of: [.seenReply, .assured, .confirmed]))
        #expect(entry.status.isDisjoint(with: [.sourceNAT, .destinationNAT, .dying]))
        let limit = try pair.server.namespace.run {
          try Int(Sysctl.read("net/netfilter/nf_conntrack_tcp_timeout_established"))
        }
        #expect(entry.timeout <= limit ?? 0 && entry.timeout > (limit ?? 0) - 60)
        #expect(try table.count() == table.entries().count)
        let count = try pair.server.namespace.run { try Sysctl.read("net/netfilter/nf_conntrack_count") }
        #expect(try "\(table.count())" == count)
        #expect(try pair.server.namespace.run { try ConntrackSocket.maximum() } > 0)
        // The other side's words, where this kernel has the file.
        let proc = pair.server.namespace.procConntrack()
        if let line = proc.first(where: { $0.contains("sport=\(local.port) dport=8000") }) {
          #expect(line.contains(" ESTABLISHED ") && line.contains("[ASSURED]"))
          #expect(
            line.contains(" \(entry.timeout) ESTABLISHED")
              || line.contains(" \(entry.timeout - 1) ESTABLISHED"))
        }
        // One goes, the other stays; a second time it is not there.
        #expect(try table.delete(entry))
        #expect(try !table.delete(entry))
        let left = try tcp()
        let kept = try #require(TCP.localAddress(other))
        #expect(left.map(\.original.sourcePort) == [Int(kept.port)])
        #expect(try table.delete(left[0].original))
        #expect(try tcp().isEmpty)
        for socket in [near, far, other, third] { TCP.close(socket) }
      }
    }

    /// TCP's states, one after the other, and what NAT makes of the answer's tuple.
    @Test func statesAndTranslationAreTold() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let rules =
          "table ip n { chain p { type nat hook prerouting priority -100; tcp dport 9000 dnat to :8000; }; }"
        let nft = try pair.server.namespace.run {
          try Tool.run(["nft", "-f", "-"], stdin: rules, environment: [:])
        }
        try #require(nft.status == 0, "\(nft.stderr)")
        let table = try pair.server.namespace.run { try ConntrackSocket() }
        let near = try pair.client.namespace.run { try TCP.socket(ipv6: false) }
        _ = TCP.connect(near, to: try SocketAddress("198.18.0.1", port: 9_000))
        try wait(near, Poll.writable)
        try wait(pair.listener, Poll.readable)
        let far = try #require(try TCP.accept(pair.listener))
        let entry = try #require(try table.entries().first { $0.transport == "tcp" })
        #expect(entry.original.destinationPort == 9_000 && entry.reply.sourcePort == 8_000)
        #expect(entry.status.contains(.destinationNAT) && !entry.status.contains(.sourceNAT))
        func state(_ awaited: String) throws {
          try waitUntil("conntrack says \(awaited)") { try table.entries().first?.state == awaited }
        }
        try state("ESTABLISHED")
        try TCP.shutdownWriting(near)
        try wait(far, Poll.readable)
        try state("CLOSE_WAIT")
        TCP.close(far)
        try wait(near, Poll.readable)
        try state("TIME_WAIT")
      }
    }

    @Test func aSYNWithoutAnswerIsUnreplied() throws {
      try onOwnThread {
        let pair = try Pair(ipv6: false)
        let rules = """
          table inet t { chain i { type filter hook input priority 0; ct state new counter; };
          chain o { type filter hook output priority 0; drop; }; }
          """
        let nft = try pair.server.namespace.run {
          try Tool.run(["nft", "-f", "-"], stdin: rules, environment: [:])
        }
        try #require(nft.status == 0, "\(nft.stderr)")
        let table = try pair.server.namespace.run { try ConntrackSocket() }
        let near = try pair.client.namespace.run { try TCP.socket(ipv6: false) }
        _ = TCP.connect(near, to: pair.serverAddress)
        try waitUntil("the SYN is tracked") { try !table.entries().isEmpty }
        let entry = try #require(try table.entries().first)
        // The SYN-ACK passes conntrack before it is dropped, and drops are no answers: which state that is, is read.
        #expect(["SYN_SENT", "SYN_RECV"].contains(entry.state), "\(entry.words)")
        #expect(!entry.status.contains(.assured))
      }
    }
  }
}

extension NetworkNamespace {
  /// The lines of `/proc/net/nf_conntrack`; none where the kernel lacks the file.
  borrowing func procConntrack() -> [String] {
    let output = try? run {
      try Tool.run(["cat", "/proc/net/nf_conntrack"], stdin: "", environment: [:]).stdout
    }
    return (output ?? "").split(separator: "\n").map(String.init)
  }
}

extension Pair {
  /// Accepts the one that waits, and connects another.
  func connectAfter(_ waiting: TCP.Socket) throws -> (client: TCP.Socket, server: TCP.Socket) {
    try wait(listener, Poll.readable)
    _ = try #require(try TCP.accept(listener))
    return try connect()
  }
}
