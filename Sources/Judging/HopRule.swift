import Evidence
import Model

/// Whether a NAT has a source port for a new connection, by what passed on the server's link:
/// `nf_nat_l4proto_unique_tuple` and `nf_nat_may_kill`, net/netfilter/nf_nat_core.c.
struct HopRule {
  private let book: Book

  init(_ book: Book) { self.book = book }

  /// Whether the first SYN finds every port of the range in use towards its server and port, by entries of other
  /// connections that still live and that it may not evict.
  var refuses: Bool { free == 0 }

  /// How many ports of the range no such entry had when the first SYN came; nil where that is not known.
  var free: Int? {
    guard let ports = book.test.network.hosts.lazy.compactMap(\.nat?.ports).first,
      let syn = book.flow.synsAtClient.first,
      !book.test.forgetsConnections(within: book.attempt.attempt.step)
    else { return nil }
    let forgotten = book.forgotConnections
    var held: Set<Int> = []
    for (tuple, segments) in book.trace.tuples
    where tuple.serverPort == syn.destinationPort && ports.contains(tuple.clientPort) {
      let past = segments.prefix { $0.time < syn.time }.drop { $0.time < forgotten }
      if lives(past, at: syn) { held.insert(tuple.clientPort) }
    }
    return ports.count - held.count
  }

  /// Whether a connection's entry still lives and stays.
  private func lives(_ past: ArraySlice<Segment>, at syn: Segment) -> Bool {
    guard let last = past.last else { return false }
    let reset = past.contains { $0.flags.contains(.rst) }
    let fins = [true, false].map { way in past.last { $0.outgoing == way && $0.flags.contains(.fin) } }
    let closed = !fins.contains(nil)
    let setting =
      reset
      ? "nf_conntrack_tcp_timeout_close"
      : closed ? "nf_conntrack_tcp_timeout_time_wait" : "nf_conntrack_tcp_timeout_established"
    let node = book.test.network.natNodes.first ?? ""
    let text =
      book.test.setting(setting, on: node, inStep: book.attempt.attempt.step)
      ?? book.observation.settings[node]?[setting] ?? Setting.named(setting)?.baseline
    guard syn.time.subtracting(last.time) / 1_000_000_000 < Int64(text.flatMap { Int($0) } ?? 0) else {
      return false
    }
    // Since 6.5 a closing entry gives way to a SYN whose sequence number has advanced (nf_seq_has_advanced): past the
    // end of all that the old connection's client has sent.
    guard book.kernel.has(.natEvictsClosing), closed || reset else { return true }
    let end = past.lazy.filter { !$0.outgoing }.map {
      $0.sequence &+ UInt32(truncatingIfNeeded: $0.payload)
        &+ ($0.flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
    }.max { Modular.before($0, $1) }
    return end.map { !Modular.after(syn.sequence &+ 1, $0) } ?? true
  }
}

extension Book {
  /// When the hop last forgot its connections before the attempt's step: the end of the last attempt before that.
  var forgotConnections: Int64 {
    let step = attempt.attempt.step
    guard let flush = test.workload.prefix(max(0, step)).lastIndex(where: \.forgetsConnections) else {
      return .min
    }
    return observation.attempts.last { $0.step < flush }?.ended ?? .min
  }
}
