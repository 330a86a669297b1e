import CLibNL
import Glibc
import Linux

/// TCP sockets of the namespace in which it was opened, as `ss` sees them (sock_diag(7)).
public final class SocketDiag {
  private let socket: Socket

  /// Opens in the calling thread's namespace and stays there.
  public init() throws { socket = try Socket(protocol: 4, bus: "NETLINK_SOCK_DIAG") }

  /// How many sockets are in each state but LISTEN and CLOSE, by `ss`'s names: `ss -tan`.
  public func census(ipv6: Bool) throws -> [String: Int] { try census(ipv6: ipv6, timeWait: { _ in }) }

  /// The same, handing on the milliseconds that each TIME_WAIT socket has left: `ss -tano`, `timer:(timewait,..)`.
  public func census(ipv6: Bool, timeWait: (Int) -> Void) throws -> [String: Int] {
    var request = inet_diag_req_v2()
    request.sdiag_family = UInt8(ipv6 ? AF_INET6 : AF_INET)
    request.sdiag_protocol = UInt8(IPPROTO_TCP)
    request.idiag_states = 0x1fff & ~(1 | 1 << 7 | 1 << 10)
    let message = try Socket.message(
      20 /* SOCK_DIAG_BY_FAMILY */, flags: Int32(NLM_F_DUMP), header: request, name: "ss -tan")
    var states: [String: Int] = [:]
    try socket.dump(message) { payload in
      guard payload.count >= MemoryLayout<inet_diag_msg>.size else { return }
      let answer = payload.loadUnaligned(as: inet_diag_msg.self)
      let state = Int(answer.idiag_state)
      if state == 6 { timeWait(Int(answer.idiag_expires)) }
      if Self.names.indices.contains(state) { states[Self.names[state], default: 0] += 1 }
    }
    return states
  }

  /// By number (include/net/tcp_states.h).
  private static let names = [
    "UNKNOWN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "UNCONN",
    "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "SYN-RECV",
  ]
}
