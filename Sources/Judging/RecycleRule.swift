import Evidence
import Model

/// What a server with `tcp_tw_recycle` remembers of a SYN's source, and what it does with the SYN: `tcp_remember_stamp`,
/// `tcp_tw_remember_stamp` and `tcp_peer_is_proven`, net/ipv4/tcp_metrics.c and tcp_ipv4.c (until 4.11).
struct RecycleRule {
  /// A timestamp that is remembered.
  struct Stamp: Equatable {
    var tsval: UInt32
    /// Seconds since it was stored.
    var age: Int
  }

  private let book: Book

  init(_ book: Book) { self.book = book }

  /// What the server remembers of a SYN's source when it comes: what it told before the step, and what the packets of the
  /// step have left since. Of earlier steps the packets alone are no proof, where the server was asked and did not say it.
  func stamp(for syn: Segment, isTold: Bool = true) -> Stamp? {
    let step = book.attempt.attempt.step
    var stamp: Stamp?
    if isTold { stamp = book.trace.stamp(for: syn, before: step).map { Stamp(tsval: $0.tsval, age: $0.age) } }
    for closing in book.trace.closings(for: syn) {
      guard let then = self.step(at: closing.time), isTold ? then == step : then <= step else { continue }
      let between = then < step ? book.test.workload[clamped(then + 1)..<clamped(step)] : []
      if between.contains(where: \.forgetsStamps) || book.test.forgetsStamps(within: step) {
        stamp = nil
        continue
      }
      let seconds =
        Int(syn.time.subtracting(closing.time) / 1_000_000_000)
        .adding(between.reduce(0) { $0.adding($1.secondsForward) })
      // tcp_remember_stamp: a newer one, or any where the old one is older than TCP_PAWS_MSL.
      guard let old = stamp, old.age < 60, Modular.before(closing.tsval, old.tsval) else {
        stamp = Stamp(tsval: closing.tsval, age: seconds)
        continue
      }
    }
    return stamp
  }

  /// Whether a SYN is refused by a stamp: younger than TCP_PAWS_MSL (60 s) and newer than the SYN's by more than
  /// TCP_PAWS_WINDOW (1), or any such stamp where the SYN has none (since 3.17).
  func refuses(_ tsval: UInt32?, by stamp: Stamp?) -> Bool {
    guard let stamp, stamp.age < 60 else { return false }
    return tsval.map { Int32(bitPattern: stamp.tsval &- $0) > 1 } ?? true
  }

  /// The SYN's timestamp as the server sees it: one whose timestamps are off does not look at the option.
  func tsval(of syn: Segment) -> UInt32? {
    book.test.timestampsAreOff(on: syn.node, before: book.attempt.attempt.step) ? nil : syn.tsval
  }

  /// Whether the setting is on while the attempt's step runs.
  var isOn: Bool {
    let node = book.flow.serverNode
    let value =
      book.test.setting("tcp_tw_recycle", on: node, inStep: book.attempt.attempt.step)
      ?? book.observation.settings[node]?["tcp_tw_recycle"]
    return value == "1"
  }

  /// Whether a SYN meets a TIME_WAIT socket that is recycled but not over, which asks for no stamp: 3.5 times an RTO that
  /// is 200 ms at least.
  func meetsTimeWait(_ syn: Segment) -> Bool {
    guard TimeWaitRule.isLeft(by: book.trace.before(syn), rfc1337: false),
      let last = book.trace.before(syn).last(where: { !$0.outgoing && $0.flags.contains(.fin) })
    else { return false }
    return syn.time.subtracting(last.time) < 700_000_000
  }

  /// The step in which something passed.
  private func step(at time: Int64) -> Int? {
    book.observation.attempts.last { $0.began <= time }?.step
  }

  private func clamped(_ step: Int) -> Int { min(max(step, 0), book.test.workload.count) }
}

extension Trace {
  /// Timestamps that a server stored of a SYN's source before it: of each connection between these addresses that the
  /// server closed first and whose SYN-ACK had timestamps, the last when it came to FIN_WAIT2 or TIME_WAIT.
  func closings(for syn: Segment) -> [(time: Int64, tsval: UInt32)] {
    var found: [(time: Int64, tsval: UInt32)] = []
    for (tuple, segments) in tuples
    where tuple.node == syn.node && tuple.client == syn.source && tuple.server == syn.destination {
      var stamped = false
      var fin: UInt32?
      for segment in segments where segment.time < syn.time {
        if segment.outgoing {
          if segment.isSYNACK { (stamped, fin) = (segment.tsval != nil, nil) }
          if segment.flags.contains(.fin), fin == nil {
            fin = segment.sequence &+ UInt32(truncatingIfNeeded: segment.payload) &+ 1
          }
        } else if segment.flags.contains(.fin), fin == nil {
          // The client closed first: the server keeps nothing.
          stamped = false
        } else if stamped, let fin, let tsval = segment.tsval, segment.flags.contains(.ack),
          segment.flags.contains(.fin) || segment.acknowledgement == fin
        {
          found.append((segment.time, tsval))
        }
      }
    }
    return found.sorted { $0.time < $1.time }
  }
}
