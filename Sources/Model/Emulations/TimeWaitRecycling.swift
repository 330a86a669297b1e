/// The rule of `tcp_tw_recycle` (4396e46187ca removed it in 4.12), by eBPF programs around the functions that held it.
public enum TimeWaitRecycling {
  /// Its name, what it gives, what it cannot do.
  public static let emulation = Emulation(
    name: "tw_recycle", settings: [setting], means: .recycleEmulation, removedIn: "4.12", tool: "eBPF",
    counters: ["TcpExt.PAWSPassive": refused], mark: "-emulated",
    limits: [
      "TcpExt.PAWSPassive is gone with the rule: \(refused) counts in its place",
      "connect(2) takes no stamp from the cache of timestamps",
      "A retransmitted FIN does not give a recycled TIME_WAIT its full 60 s back",
      "TcpExt.TWKilled does not count the short TIME_WAIT sockets",
      "It needs 5.10 or later: fentry, fmod_ret and BTF",
    ])

  /// The setting that it gives.
  public static let setting = "tcp_tw_recycle"
  /// The counter of the SYNs that it has refused.
  public static let refused = "emulated.PAWSPassive"
}
