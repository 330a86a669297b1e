import Model

extension Plan {
  /// What a kernel must have for a case to run, by name, sorted: what ``init(_:on:guest:)`` itself refuses to do
  /// without, asked with kernels that lack nothing else. `a|b` is one of these; `guest` a kernel of its own, whose
  /// clock or settings may be changed; a setting that the case sets by its name. What every case needs is left out.
  public static func needs(of test: Case) -> [String] {
    let settings = Set(Setting.all.map { Capability.setting($0.name) })
    let features = Capability.Feature.allCases.map(Capability.feature)
    let whole = kernel(settings.union(features))
    func lacks(_ missing: [Capability.Feature]) -> Bool {
      !Plan(test, on: kernel(whole.capabilities.subtracting(missing.map(Capability.feature))), guest: true)
        .runs
    }
    var needs = Capability.Feature.allCases.filter { lacks([$0]) }.map(\.rawValue)
    let alternatives: [[Capability.Feature]] = [
      [.iptablesNft, .iptablesLegacy], [.iptablesNft, .iptablesLegacy, .nft], [.tcBPF, .nftTimestamps],
      [.tcBPF, .socketClocks, .nftTimestamps],
    ]
    var found: [[Capability.Feature]] = []
    for group in alternatives where !group.contains(where: { lacks([$0]) }) && lacks(group) {
      // A smaller group that is needed needs the larger too.
      if !found.contains(where: { Set($0).isSubset(of: group) }) { found.append(group) }
    }
    needs += found.map { $0.map(\.rawValue).joined(separator: "|") }
    if !Plan(test, on: whole).runs { needs.append("guest") }
    let own = Set(test.settings.values.flatMap(\.keys)).subtracting([
      "tcp_timestamps", "ip_local_reserved_ports",
    ])
    return (needs + own).sorted()
  }

  private static func kernel(_ capabilities: Set<Capability>) -> Kernel {
    Kernel(
      release: "", machine: "", capabilities: capabilities, perKernelSettings: [],
      timestampTicksPerSecond: 1000,
      privilege: .root, missing: [:])
  }
}
