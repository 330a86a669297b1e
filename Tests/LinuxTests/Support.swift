import Evidence
import Foundation
import Linux
import Model
import Netlink
import SystemPackage
import Testing
import TestSupport

/// Everything that changes or measures the kernel: one after the other, on namespaces of its own.
@Suite(
  .serialized,
  .enabled(if: geteuid() == 0, "SKIPPED: needs root for namespaces, packet sockets and tc eBPF; run as root"))
struct KernelTests {}

/// A namespace with its route socket.
final class TestNode {
  let namespace: NetworkNamespace
  let routes: RouteSocket

  init() throws {
    namespace = try NetworkNamespace.create()
    routes = try namespace.run { try RouteSocket() }
  }
}

/// A client and a server on one veth pair, a listener, and a capture on the server's end.
final class Pair {
  let client: TestNode
  let server: TestNode
  let ipv6: Bool
  let serverAddress: SocketAddress
  let listener: TCP.Socket
  let capture: PacketCapture

  init(ipv6: Bool, timestamps: String = "2") throws {
    self.ipv6 = ipv6
    client = try TestNode()
    server = try TestNode()
    let (near, far) = ipv6 ? ("2001:2::2", "2001:2::1") : ("198.18.0.2", "198.18.0.1")
    let address = try SocketAddress(far, port: 8000)
    serverAddress = address
    client.routes.addVeth(
      name: "eth0", index: 100, peer: "eth0", peerIndex: 101,
      peerNamespace: server.namespace.fileDescriptor)
    try client.routes.commit()
    for (node, index, own) in [(client, 100, near), (server, 101, far)] {
      node.routes.setLoopbackUp()
      node.routes.addAddress(own, prefix: ipv6 ? 64 : 24, index: index)
      node.routes.setUp(index: index)
      try node.routes.commit()
      try node.namespace.run { try Sysctl.write("net/ipv4/tcp_timestamps", timestamps) }
    }
    let (client, server) = (client, server)
    try waitUntil("both ends are ready") {
      let up = try client.routes.isReady(index: 100) && server.routes.isReady(index: 101)
      return try up && (!ipv6 || client.routes.isLocal(near) && server.routes.isLocal(far))
    }
    listener = try server.namespace.run { try TCP.listen(on: address, backlog: 8) }
    capture = try server.namespace.run { try PacketCapture(interface: "eth0") }
  }

  deinit { TCP.close(listener) }

  func connect(sequence: UInt32? = nil) throws -> (client: TCP.Socket, server: TCP.Socket) {
    let near = try client.namespace.run { try TCP.socket(ipv6: ipv6) }
    if let sequence { try TCP.pinSequence(near, sequence) }
    if let errno = TCP.connect(near, to: serverAddress) { #expect(errno == .nowInProgress) }
    try wait(near, Poll.writable)
    #expect(TCP.pendingError(near) == nil)
    try wait(listener, Poll.readable)
    return (near, try #require(try TCP.accept(listener)))
  }

  /// The TCP segments that the server's link has seen since the last call, and whether their checksums hold.
  func segments() throws -> [(segment: Segment, checksum: Bool?)] {
    var seen: [(Segment, Bool?)] = []
    try capture.drain { time, outgoing, length, bytes in
      let packet = Packet(
        node: "server", interface: "eth0", time: time, outgoing: outgoing, length: length, bytes: Data(bytes))
      if let segment = Segment(packet) { seen.append((segment, checksumHolds(Array(bytes), length: length))) }
    }
    return seen
  }
}

/// Sends a byte and waits until it has arrived.
func pass(from: TCP.Socket, to: TCP.Socket) throws {
  #expect(TCP.send(from, [7]) == nil)
  try wait(to, Poll.readable)
  guard case .bytes([7]) = TCP.receive(to, upTo: 8) else {
    Issue.record("the byte did not arrive")
    return
  }
}

func wait(_ socket: TCP.Socket, _ events: Int16) throws {
  var requests = [Poll.Request(descriptor: socket.descriptor, events: events)]
  try #require(try Poll.wait(&requests, timeout: 2000) == 1, "waited two seconds for a descriptor")
}

/// Looks again until it holds, for two seconds at most.
func waitUntil(_ what: String, _ holds: () throws -> Bool) throws {
  let end = SystemClock.monotonic() + 2_000_000_000
  while try !holds() {
    try #require(SystemClock.monotonic() < end, "waited two seconds until \(what)")
    sched_yield()
  }
}

/// RFC 9293, section 3.1: pseudo-header, header and data add up to all ones. nil where the capture has cut them.
private func checksumHolds(_ bytes: [UInt8], length: Int) -> Bool? {
  guard bytes.count >= length else { return nil }
  func u16(_ at: Int) -> UInt32 { UInt32(bytes[at]) << 8 | UInt32(bytes[at + 1]) }
  let ipv4 = u16(12) == 0x0800
  let tcp = ipv4 ? 34 : 54
  let end = ipv4 ? 14 + Int(u16(16)) : 54 + Int(u16(18))
  var sum = UInt32(6 + end - tcp)
  for at in stride(from: ipv4 ? 26 : 22, to: tcp, by: 2) { sum += u16(at) }
  for at in stride(from: tcp, to: end, by: 2) { sum += at + 1 < end ? u16(at) : UInt32(bytes[at]) << 8 }
  while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
  return sum == 0xffff
}

/// `ethtool -K DEV tx off`, by ioctl: the tool is often not installed.
func offloadOff(_ interface: String) throws {
  let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
  defer { close(socket) }
  var value: (UInt32, UInt32) = (0x17, 0)  // ETHTOOL_STXCSUM
  let result = withUnsafeMutablePointer(to: &value) { value in
    var request = [UInt8](interface.utf8) + [UInt8](repeating: 0, count: 40 - interface.utf8.count)
    withUnsafeBytes(of: UInt(bitPattern: value)) { request.replaceSubrange(16..<24, with: $0) }
    return ioctl(socket, 0x8946, &request)  // SIOCETHTOOL
  }
  try #require(result == 0, "SIOCETHTOOL: errno \(errno)")
}
