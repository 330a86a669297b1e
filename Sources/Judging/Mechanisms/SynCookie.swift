import Evidence
import Model

/// The SYN-ACK is a cookie, and the connection comes from its acknowledgement.
struct SynCookie: MechanismRule {
  let name: Mechanism = "syn-cookie"
  let outcomes: [Outcome] = [.connected]
  let summary =
    "the SYN is answered by a cookie, which without timestamps has no window scale and no SACK, and meets no listener's queue"
  let source = "tcp_conn_request and cookie_v4_check, net/ipv4/syncookies.c; RFC 4987, 3.6"
  let mutations: [Mutation] = [.baseline("tcp_syncookies")]

  func expect(_ book: inout Book) {
    let flow = book.flow
    book.allArrived()
    guard let answer = flow.synAck, let syn = flow.synsAtServer.first else {
      return book.count("SYN-ACKs", 0, is: .number(1))
    }
    // tcp_clear_options: without a timestamp there is nowhere to keep them.
    if syn.tsval == nil || answer.tsval == nil {
      book.check(
        "options of the SYN-ACK", "no window scale, no SACK",
        answer.windowScale == nil && !answer.permitsSACK ? "none of them" : "some of them",
        answer.windowScale == nil && !answer.permitsSACK)
    }
    // With the value 2 every SYN is answered so, and counted by that (PinnedSettings), but one that TIME_WAIT let through.
    guard book.test.pinned("tcp_syncookies", on: syn.node) != "2" else {
      let sent = book.observation.counters(of: syn.node)["TcpExt.SyncookiesSent"] ?? 0
      return book.count("cookies that the server sent", sent, is: .atLeast(1))
    }
    for counter in ["TCPReqQFullDoCookies", "SyncookiesSent", "SyncookiesRecv"] {
      book.move("TcpExt.\(counter)", 1, on: syn.node)
    }
  }

  func remarks(_ book: Book, counts: Bool) -> [Remark] {
    book.flow.synAck.map { [Remark(segment: $0, text: "a SYN cookie", dropped: false)] } ?? []
  }
}
