import Scenario

/// Where a case runs. Pure.
public enum Plan: Sendable, Equatable {
  /// On this machine's kernel.
  case host
  /// Nowhere: what is missing, why, and what would change that.
  case skip(reason: String)

  /// Decides for one case by the kernel's probed capabilities.
  public init(_ test: Case, on kernel: Kernel) {
    self = Self.missing(test, on: kernel).map { .skip(reason: $0) } ?? .host
  }

  private static func missing(_ test: Case, on kernel: Kernel) -> String? {
    func why(_ name: String, _ mend: String) -> String {
      "no \(name): \(kernel.missing[name] ?? "not found by probing"); \(mend)"
    }
    let network = test.network
    // The baseline too: what cannot be pinned would be whatever this host happens to have.
    let baseline = Setting.all.filter {
      $0.baseline != nil && !$0.optional && ($0.scope == .everywhere || network.hop != nil)
    }
    let own = test.settings.values.flatMap(\.keys).sorted()
    for name in own + baseline.map(\.name) where !kernel.capabilities.contains(.setting(name)) {
      return kernel.perKernelSettings.contains(name)
        ? "\(name) is one per kernel here, and nothing on the host is changed; it needs a kernel of its own"
        : why(name, "it needs a kernel that has it")
    }
    if network.family == .ipv6, !kernel.has(.ipv6) { return why("ipv6", "boot without ipv6.disable=1") }
    if let hop = network.hop {
      guard kernel.has(.conntrack) else { return why("conntrack", "modprobe nf_conntrack_netlink") }
      let backends: [Capability.Feature] =
        switch hop.backend {
        case .auto: [.iptablesNft, .iptablesLegacy, .nft]
        case .iptables: [.iptablesNft, .iptablesLegacy]
        case .nft: [.nft]
        }
      guard backends.contains(where: kernel.has) else {
        return why(backends[0].rawValue, "apt-get install iptables nftables")
      }
    }
    for client in network.clients {
      switch client.clock {
      case .offset(let milliseconds):
        let stepped = test.workload.contains { step in
          if case .clock(client.group, _) = step { true } else { false }
        }
        if milliseconds != 0 || stepped, !kernel.has(.tcBPF), !kernel.has(.nftTimestamps) {
          return why("tc-bpf", "and no nft-timestamps either: run as root")
        }
      case .natural:
        if !kernel.has(.randomTimestamps) { return why("random-timestamps", "it needs 4.10 or later") }
      case .off:
        break
      }
      if client.isn != .natural, !kernel.has(.tcpRepair) {
        return why("tcp-repair", "it needs CONFIG_CHECKPOINT_RESTORE and CAP_NET_ADMIN")
      }
    }
    return nil
  }
}

extension Case {
  /// Whether it waits for a client to give up, so that it is worth an early start.
  var waits: Bool {
    rules.contains { rule in
      rule.outcomes.values.contains {
        [.dropped, .exhausted, .served, .predicted].contains($0.outcome)
      }
    }
  }
}
