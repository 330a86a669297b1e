import CLibNL
import Glibc
import Linux

extension SocketDiag {
  /// One TCP socket: a line of `ss -tano`.
  public struct Entry: Sendable, Equatable {
    /// As `ss` names it: `LISTEN`, `ESTAB`, `TIME-WAIT`, ...
    public var state: String
    /// Its own address and port.
    public var local: String
    public var localPort: Int
    /// The other end's; of a listener `0.0.0.0` or `::`, and 0.
    public var remote: String
    public var remotePort: Int
    /// Recv-Q: bytes that wait to be read; of a listener, the connections that wait for accept(2) (`sk_ack_backlog`).
    public var receiveQueue: Int
    /// Send-Q: bytes written and not acknowledged; of a listener, its backlog (`sk_max_ack_backlog`).
    public var sendQueue: Int
    /// As `ss` writes it: `off`, `on` (retransmission), `keepalive`, `timewait`, `persist` (a shut window is probed).
    public var timer: String
    /// Milliseconds until that timer runs out; 0 where it is off.
    public var expires: Int
    /// How often it has run out already in a row.
    public var retransmits: Int
    /// Whether the kernel keeps it without a socket, for a program that has closed it (`struct inet_timewait_sock`):
    /// TIME_WAIT, and FIN_WAIT2 on its way there (`tw_substate`, which is what is reported as the state).
    public var isTimeWaitSocket: Bool { timer == "timewait" }

    /// `ESTAB 198.18.0.1:8000 198.18.0.2:40112`
    public var words: String {
      "\(state) \(SocketAddress.text(local, port: localPort)) \(SocketAddress.text(remote, port: remotePort))"
    }
  }

  /// `ss -tano`: every TCP socket of the family but those that are not connected, bound or not, in the order of the
  /// kernel's tables. An IPv6 socket that serves IPv4 (`::ffff:0.0.0.0/96`) is of the IPv6 family.
  public func entries(ipv6: Bool) throws -> [Entry] {
    var request = inet_diag_req_v2()
    request.sdiag_family = UInt8(ipv6 ? AF_INET6 : AF_INET)
    request.sdiag_protocol = UInt8(IPPROTO_TCP)
    request.idiag_states = 0x1fff & ~(1 | 1 << 7)  // all but 0 and CLOSE
    let message = try Socket.message(
      20 /* SOCK_DIAG_BY_FAMILY */, flags: Int32(NLM_F_DUMP), header: request, name: "ss -tano")
    var entries: [Entry] = []
    try dump(message) { payload in
      if let entry = Entry(payload) { entries.append(entry) }
    }
    return entries
  }
}

extension SocketDiag.Entry {
  /// Nil for what is no answer, or of a state that the lab does not know.
  init?(_ payload: UnsafeRawBufferPointer) {
    guard let answer = payload.structure(inet_diag_msg.self), let state = TCPState.name(answer.idiag_state)
    else { return nil }
    let isIPv4 = Int32(answer.idiag_family) == AF_INET
    func text<Field>(_ field: Field) -> String {
      withUnsafeBytes(of: field) { SocketAddress.text(of: Array($0), isIPv4: isIPv4) }
    }
    self.init(
      state: state, local: text(answer.id.idiag_src),
      localPort: Int(UInt16(bigEndian: answer.id.idiag_sport)),
      remote: text(answer.id.idiag_dst), remotePort: Int(UInt16(bigEndian: answer.id.idiag_dport)),
      receiveQueue: Int(answer.idiag_rqueue), sendQueue: Int(answer.idiag_wqueue),
      timer: Self.timers.indices.contains(Int(answer.idiag_timer))
        ? Self.timers[Int(answer.idiag_timer)] : "unknown",
      expires: Int(answer.idiag_expires), retransmits: Int(answer.idiag_retrans))
  }

  /// By number (`inet_sk_diag_fill`, `inet_twsk_diag_fill`).
  private static let timers = ["off", "on", "keepalive", "timewait", "persist"]
}
