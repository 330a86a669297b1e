import CLibNL
import Glibc
import Linux

/// TCP sockets of the namespace in which it was opened, as `ss` sees them (sock_diag(7)).
public final class SocketDiag {
  private let socket: Socket

  /// Opens in the calling thread's namespace and stays there.
  public init() throws { socket = try Socket(protocol: 4, bus: "NETLINK_SOCK_DIAG") }

  func dump(_ message: Socket.Message, _ body: (UnsafeRawBufferPointer) -> Void) throws {
    try socket.dump(message, body)
  }

  /// How many sockets are in each state but LISTEN and CLOSE, by `ss`'s names: `ss -tan`.
  public func census(ipv6: Bool) throws -> [String: Int] { try census(ipv6: ipv6, timeWait: { _ in }) }

  /// Whether a connection is in any state but CLOSED: `ss -tan 'src LOCAL and dst REMOTE'`.
  ///
  /// One lookup in the kernel's hash table (`inet_diag_find_one_icsk`), which finds a listener too where there is
  /// one on that port.
  public func knows(local: SocketAddress, remote: SocketAddress) throws -> Bool {
    var request = inet_diag_req_v2()
    request.sdiag_family = UInt8(local.isIPv6 ? AF_INET6 : AF_INET)
    request.sdiag_protocol = UInt8(IPPROTO_TCP)
    request.idiag_states = .max
    request.id.idiag_sport = local.port.bigEndian
    request.id.idiag_dport = remote.port.bigEndian
    withUnsafeMutableBytes(of: &request.id.idiag_src) { $0.copyBytes(from: local.address) }
    withUnsafeMutableBytes(of: &request.id.idiag_dst) { $0.copyBytes(from: remote.address) }
    request.id.idiag_cookie = (.max, .max)  // INET_DIAG_NOCOOKIE
    let message = try Socket.message(
      20 /* SOCK_DIAG_BY_FAMILY */, header: request, name: "ss -tan src \(local) dst \(remote)")
    do {
      try socket.get(message) { _ in }
      return true
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      return false
    }
  }

  /// A socket in TIME_WAIT.
  public struct TimeWait {
    /// Milliseconds until it ends: `ss -tano`, `timer:(timewait,..)`.
    public var milliseconds: Int
    /// Names it, with a cookie that no later socket has.
    fileprivate var id: inet_diag_sockid
    fileprivate var family: UInt8

    /// In network order, 4 or 16 bytes.
    public var local: [UInt8] { bytes(id.idiag_src) }
    /// In network order, 4 or 16 bytes.
    public var remote: [UInt8] { bytes(id.idiag_dst) }
    public var localPort: UInt16 { UInt16(bigEndian: id.idiag_sport) }
    public var remotePort: UInt16 { UInt16(bigEndian: id.idiag_dport) }

    private func bytes<Field>(_ field: Field) -> [UInt8] {
      withUnsafeBytes(of: field) { Array($0.prefix(family == UInt8(AF_INET) ? 4 : 16)) }
    }
  }

  /// Ends a socket in TIME_WAIT, from 6.1 on (`tcp_abort`): `ss -K`. Nothing where it has ended already: by its
  /// cookie no other socket is meant, and never the listener that a 4-tuple alone would find.
  public func end(_ socket: TimeWait) throws {
    var request = inet_diag_req_v2()
    request.sdiag_family = socket.family
    request.sdiag_protocol = UInt8(IPPROTO_TCP)
    request.id = socket.id
    let message = try Socket.message(
      21 /* SOCK_DESTROY */, flags: Int32(NLM_F_ACK), header: request, name: "ss -K")
    do { try self.socket.commit([message]) } catch let error as SystemError {
      guard [.noSuchFileOrDirectory, .staleNFSFileHandle].contains(error.errno) else { throw error }
    }
  }

  /// The same, handing on each socket for as long as more are wanted, and each TIME_WAIT socket with what names it.
  public func census(
    ipv6: Bool, each: ((Entry) -> Bool)? = nil, timeWait: (TimeWait) -> Void
  ) throws -> [String: Int] {
    var request = inet_diag_req_v2()
    request.sdiag_family = UInt8(ipv6 ? AF_INET6 : AF_INET)
    request.sdiag_protocol = UInt8(IPPROTO_TCP)
    request.idiag_states = 0x1fff & ~(1 | 1 << 7 | 1 << 10)
    let message = try Socket.message(
      20 /* SOCK_DIAG_BY_FAMILY */, flags: Int32(NLM_F_DUMP), header: request, name: "ss -tan")
    var states: [String: Int] = [:]
    // Addresses of thousands in TIME_WAIT are not put into words for nobody.
    var isWanted = true
    try socket.dump(message) { payload in
      guard let answer = Answer(payload, family: request.sdiag_family) else { return }
      if let socket = answer.timeWait { timeWait(socket) }
      if isWanted, let each, let entry = Entry(payload) { isWanted = each(entry) }
      states[answer.state, default: 0] += 1
    }
    return states
  }

  /// One socket, as an answer tells it.
  struct Answer {
    /// As `ss` names it.
    var state: String
    /// Nil in any other state.
    var timeWait: TimeWait?

    /// Nil for what is no answer, or of a state that the lab does not know.
    init?(_ payload: UnsafeRawBufferPointer, family: UInt8) {
      guard let answer = payload.structure(inet_diag_msg.self), let name = TCPState.name(answer.idiag_state)
      else { return nil }
      state = name
      if answer.idiag_state == 6 {
        timeWait = TimeWait(milliseconds: Int(answer.idiag_expires), id: answer.id, family: family)
      }
    }
  }
}
