import Evidence
import Model

/// SYNs that meet a closed entry of conntrack's, which makes way for a new one. `nf_conntrack_in` looks the SYN up again
/// (NF_REPEAT), and until 830af2eba403 (5.17, 5.15.19, 5.10.96) it counted each as INVALID, though it passes.
enum Reopenings {
  static func expect(
    _ test: Case, _ observation: Observation, on kernel: Kernel, trace: Trace,
    counters: inout ExpectedCounters
  ) {
    // A director without rules has `vs.conntrack=1` and nothing that is tracked, from 4.10 on (0c66dc1ea3f0).
    let trackers = test.network.hosts.filter {
      $0.tracks && ($0.hasRules || !kernel.has(.conntrackByNeed))
    }.map(\.name)
    guard kernel.has(.reopeningInvalid), !trackers.isEmpty else { return }
    let flushes = test.workload.indices.filter { index in
      (test.workload[index].action as? Flush)?.table == .conntrack
    }
    func step(at time: Int64) -> Int {
      observation.attempts.lazy.filter { $0.began <= time }.map(\.step).max() ?? 0
    }
    // A lone tracker is the lone NAT: it sees what its clients see. Behind another one, addresses are what that gives.
    let clients = Set(test.network.clients.map(\.name))
    let links = trace.clientLink.filter { trackers.count > 1 || clients.contains($0.key) }
    let count = links.values.reduce(0) { total, segments in
      total
        + reopened(segments).count { closed, again in
          !flushes.contains { step(at: closed) < $0 && $0 < step(at: again) }
        }
    }
    guard count > 0 else { return }
    // Which of several has passed it is not told by the captures of clients and servers.
    let range = trackers.count == 1 ? count...count : 0...count
    for node in trackers { counters.add("conntrack.invalid", range, on: node) }
  }

  /// When an entry was closed and when a SYN of the same addresses and ports met it, by a client's link.
  ///
  /// `tcp_packet`, in SYN_SENT: the entry is in TIME_WAIT, or older, where one side has sent the first FIN
  /// (IP_CT_TCP_FLAG_CLOSE_INIT of either), or its last packet was a RST of the SYN's own side. Closed entries stay 10 s,
  /// those in TIME_WAIT 120 s.
  private static func reopened(_ segments: [Segment]) -> [(closed: Int64, again: Int64)] {
    struct Ends: Hashable {
      var port: Int
      var remote: String
      var remotePort: Int
    }
    struct Entry {
      var closed: Int64?
      var stays: Int64 = 0
      var firstToClose: Bool?
    }
    var entries: [Ends: Entry] = [:]
    var found: [(Int64, Int64)] = []
    for segment in segments {
      let ends =
        segment.outgoing
        ? Ends(port: segment.sourcePort, remote: segment.destination, remotePort: segment.destinationPort)
        : Ends(port: segment.destinationPort, remote: segment.source, remotePort: segment.sourcePort)
      var entry = entries[ends] ?? Entry()
      if segment.outgoing, segment.isSYN {
        if let closed = entry.closed, segment.time.subtracting(closed) < entry.stays {
          found.append((closed, segment.time))
        }
        entry = Entry()
      } else if segment.flags.contains(.rst) {
        entry.closed = segment.outgoing ? segment.time : nil
        entry.stays = 10_000_000_000
      } else if segment.flags.contains(.fin) {
        if let first = entry.firstToClose, first != segment.outgoing {
          entry.closed = segment.time
          entry.stays = 120_000_000_000
        } else {
          entry.firstToClose = segment.outgoing
        }
      }
      entries[ends] = entry
    }
    return found
  }
}
