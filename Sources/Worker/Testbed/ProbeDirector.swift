import Linux
import Model
import Netlink

/// What an IPVS director makes of a SYN whose port it knows, or whose server it has never sent anything to.
extension Probe {
  /// Is a SYN that a director schedules anew passed on at once, though conntrack knows the old connection?
  ///
  /// `ip_vs_in` dropped it where the entry used conntrack, until f0a5e4d7a594 (5.9, 5.4.286, 4.19.222) asked whether
  /// that is of an older packet (`ip_vs_conn_uses_old_conntrack`).
  /// With source NAT, for without rules no conntrack looks at the director's packets from 4.10 on (0c66dc1ea3f0).
  static func rescheduleTracked(on kernel: Kernel) throws {
    let one = try OneClient(
      .ipvsFullNAT, hop: Hop(), settings: [Network.hop: ["vs.conn_reuse_mode": "1", "vs.conntrack": "1"]],
      on: kernel)
    try one.connectAndClose("a connection through a director")
    TCP.close(try one.connect("a connection from the same port"))
    guard try one.retransmissions() == 0 else {
      throw Failure(
        stage: "ipvs", object: "a SYN that is scheduled anew, with vs.conntrack=1",
        cause: "the first one is dropped (before f0a5e4d7a594, 5.9)")
    }
  }

  /// With `expire_nodest_conn=1`, is the entry of a server of weight 0 given up whatever `conn_reuse_mode` is
  /// (c95c07836fa4, 5.16 and stable kernels)?
  static func leaveQuiesced(on kernel: Kernel) throws {
    let one = try OneClient(
      .ipvsNAT, settings: [Network.hop: ["vs.conn_reuse_mode": "0", "vs.expire_nodest_conn": "1"]],
      on: kernel)
    try one.connectAndClose("a connection through a director")
    for director in one.testbed.directors {
      for server in one.testbed.test.network.serverNames where director.has(server) {
        try director.weigh(server, weight: 0)
      }
    }
    // Given up, it is scheduled anew: to nobody (ip_vs_leave, ICMP port unreachable).
    if case .accepted(let socket, let server) = try one.ask("a connection from the same port, or an error") {
      for end in [socket, server] { TCP.close(end) }
      throw Failure(
        stage: "ipvs", object: "a SYN whose entry names a server of weight 0, with vs.conn_reuse_mode=0",
        cause: "it follows its entry, though vs.expire_nodest_conn=1 (before c95c07836fa4, 5.16)")
    }
  }

  /// Does a packet that waits for the link address of its server find it, in IPv6 by direct routing?
  ///
  /// `neigh_update` looks what waits up again, by the route's next hop: until 2c6b55f45d53 (5.2) `ip6_neigh_lookup`
  /// took the packet's own destination for it, which is the virtual address, and nobody answers for that.
  static func keepFirstPacket(on kernel: Kernel) throws {
    let one = try OneClient(.ipvsDR, .ipv6, on: kernel)
    TCP.close(try one.connect("a connection by direct routing"))
    guard try one.retransmissions() == 0 else {
      throw Failure(
        stage: "ipvs", object: "the first packet to a server, in IPv6 by direct routing",
        cause: "it is lost: the link address of the virtual address is asked for (before 2c6b55f45d53, 5.2)")
    }
  }
}
