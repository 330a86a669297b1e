import Glibc
import Linux
import SystemPackage
import TestSupport
import Testing

/// A socket's number is the kernel's to give again as soon as it is closed.
@Suite(.serialized) struct SocketTests {
  @Test func aClosedSocketReachesNobodyElses() throws {
    try onOwnThread {
      let first = try TCP.socket(ipv6: false)
      let number = first.descriptor
      TCP.close(first)
      // The lowest free number is next, so hold sockets until it is that one.
      var others: [TCP.Socket] = []
      while others.last?.descriptor != number, others.count < 64 {
        others.append(try TCP.socket(ipv6: false))
      }
      TCP.close(first)
      #expect(others.allSatisfy { $0.isOpen })
      #expect(!first.isOpen)
      #expect(TCP.send(first, [1]) == .badFileDescriptor)
      #expect(TCP.pendingError(first) == .badFileDescriptor)
      #expect(throws: SystemError.self) { try TCP.unacknowledged(first) }
      guard case .failed(.badFileDescriptor) = TCP.receive(first, upTo: 1) else {
        Issue.record("a closed socket was read from")
        return
      }
      // Nobody's was closed by the second close: the number is still in use.
      for other in others { #expect(fcntl(other.descriptor, F_GETFD) >= 0) }
    }
  }

  /// What throws on the way to a connection leaves no descriptor behind.
  @Test func aSocketThatNobodyHoldsIsClosed() throws {
    let descriptor = try onOwnThread { try TCP.socket(ipv6: false).descriptor }
    var name = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    // Another thread may have the number by now, but not as an unbound socket of TCP over IPv4.
    let domain = withUnsafeMutablePointer(to: &name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    #expect(domain < 0 || name.ss_family != sa_family_t(AF_INET))
  }
}
