/// A change of the kernel's by which the same thing, to the same clients, is counted otherwise.
///
/// Where what happens is another, lab files say so by rules of their own, and capabilities that are probed; a change that
/// only counters tell is here.
public struct KernelChange: Sendable {
  /// Counters that move before it and not after, one of them at least.
  public var before: Set<String>
  /// The same the other way round; empty where nothing is counted instead.
  public var after: Set<String>
  /// By one of which an attempt must have ended for it to be this change; none for any.
  public var mechanisms: [String] = []
  /// What was changed: function, commit, the first version.
  public var words: String

  /// What is known.
  public static let all = [
    KernelChange(
      before: ["TcpExt.PAWSEstab", "TcpExt.TCPACKSkippedPAWS"],
      after: [
        "TcpExt.TCPSYNChallenge", "TcpExt.TCPChallengeACK", "TcpExt.TCPACKSkippedChallenge", "Tcp.InErrs",
      ],
      words:
        "an older SYN for an open connection is challenged and counted as that since ee05d90d0ac7 (6.4); "
        + "before, PAWS answered it (tcp_validate_incoming)"),
    KernelChange(
      before: ["conntrack.invalid"], after: ["Tcp.AttemptFails"],
      words:
        "the RST for a tuple that is used again passes since c4edc3ccbc63 (5.14) and ends the half-open connection; "
        + "before, it was INVALID (nf_conntrack_tcp_packet)"),
    KernelChange(
      before: ["conntrack.invalid"], after: [],
      words:
        "a SYN that reopens a closed entry is not counted as INVALID since 830af2eba403 (5.17, 5.15.19, 5.10.96); "
        + "it passes either way (nf_conntrack_in)"),
    KernelChange(
      before: ["Tcp.AttemptFails"], after: [], mechanisms: ["icmp", "ipvs-quiesced"],
      words:
        "an ICMP error that comes while connect(2) still has the socket wakes who polls it since 45af29ca761c (5.8, IPv4: "
        + "ip_icmp_error in tcp_v4_err), and he is told before the SYN is sent again; before, the next SYN's error ended "
        + "the attempt (tcp_done)"),
  ]

  /// The fewest changes that explain what moved on one kernel only and on the other only; empty where none do.
  ///
  /// Between kernels that are far apart up to three may meet in one case.
  ///
  /// - Parameter outcomes: what became of the attempts, on both: `refused by icmp`.
  public static func explaining(
    _ one: Set<String>, _ other: Set<String>, outcomes: some Collection<String> = []
  ) -> [KernelChange] {
    let candidates = all.filter { change in
      change.mechanisms.isEmpty
        || outcomes.contains { outcome in change.mechanisms.contains { outcome.hasSuffix("by \($0)") } }
    }
    var sets: [[KernelChange]] = [[]]
    for change in candidates { sets += sets.filter { $0.count < 3 }.map { $0 + [change] } }
    return sets.sorted { $0.count < $1.count }.first { changes in
      [(one, other), (other, one)].contains { explains($0, $1, by: changes) }
    } ?? []
  }

  /// Whether each of them shows, and nothing else does.
  private static func explains(_ old: Set<String>, _ new: Set<String>, by changes: [KernelChange]) -> Bool {
    !changes.isEmpty && old.isSubset(of: changes.reduce([]) { $0.union($1.before) })
      && new.isSubset(of: changes.reduce([]) { $0.union($1.after) })
      && changes.allSatisfy { change in
        !change.before.isDisjoint(with: old)
          && (change.after.isEmpty || !change.after.isDisjoint(with: new))
      }
  }
}
