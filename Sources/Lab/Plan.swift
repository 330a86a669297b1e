import MicroVM
import Scenario

/// A kernel that cases can run on, with what probing found.
public struct Machine: Sendable {
  /// `host`, or what the store calls the kernel.
  public let name: String
  public let kernel: Kernel
  /// The kernel to boot; nil for this machine's own.
  public let stored: StoredKernel?
  /// Why nothing can run on it, although it was asked for: it does not boot, or its probe broke.
  public let failure: Failure?

  /// Makes a machine.
  public init(name: String, kernel: Kernel, stored: StoredKernel?, failure: Failure? = nil) {
    self.name = name
    self.kernel = kernel
    self.stored = stored
    self.failure = failure
  }
}

/// Whether a case can run on a kernel. Pure.
public enum Plan: Sendable, Equatable {
  /// It has all that the case needs. `settings` are those that are one per kernel, to be written in the first
  /// namespace: cases that run side by side must agree on them.
  case run(settings: [String: String])
  /// It lacks something: what, why, and what would change that.
  case skip(reason: String)

  /// Decides for one case by the kernel's probed capabilities.
  ///
  /// - Parameter guest: whether the kernel is a guest's, where a setting that is one per kernel may be written.
  public init(_ test: Case, on kernel: Kernel, guest: Bool = false) {
    if let reason = Self.missing(test, on: kernel, guest: guest) {
      self = .skip(reason: reason)
      return
    }
    switch Self.perKernelValues(test, on: kernel) {
    case .success(let settings): self = .run(settings: settings)
    case .failure(let conflict): self = .skip(reason: conflict.reason)
    }
  }

  /// Whether it can run.
  public var runs: Bool { if case .run = self { true } else { false } }

  private static func missing(_ test: Case, on kernel: Kernel, guest: Bool) -> String? {
    func why(_ name: String, _ mend: String) -> String {
      "no \(name): \(kernel.missing[name] ?? "not found by probing"); \(mend)"
    }
    let network = test.network
    if network.topology.isIPVS, !kernel.has(.ipvs) {
      return why("ipvs", "modprobe ip_vs, or --kernel debian-12")
    }
    if network.topology.hasRouter, !kernel.has(.bridge) { return why("bridge", "modprobe bridge") }
    if network.topology == .ipvsTun, !kernel.has(.ipip) { return why("ipip", "modprobe ipip ip6_tunnel") }
    // The baseline too: what cannot be pinned would be whatever this host happens to have.
    let baseline = Setting.all.filter { setting in
      setting.baseline != nil && !setting.optional
        && network.nodes.contains { setting.applies(to: $0, of: network) }
    }
    let own = network.nodes.flatMap { test.settings[$0, default: [:]].keys }.sorted()
    for name in own + baseline.map(\.name) where !kernel.capabilities.contains(.setting(name)) {
      guard kernel.perKernelSettings.contains(name) else { return why(name, "it needs a kernel that has it") }
      if !guest {
        return
          "\(name) is one per kernel here, and nothing on the host is changed; --kernel debian-12 has its own"
      }
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

  private struct Conflict: Error { var reason: String }

  /// What the settings that are one per kernel must be, where all nodes of the case agree.
  private static func perKernelValues(_ test: Case, on kernel: Kernel) -> Result<[String: String], Conflict> {
    var values: [String: String] = [:]
    for name in kernel.perKernelSettings.sorted() {
      guard let setting = Setting.named(name) else { continue }
      for step in test.workload {
        if case .set(_, name, _) = step {
          return .failure(
            Conflict(reason: "\(name) is one per kernel there, so it cannot be set on one node"))
        }
      }
      var wanted: Set<String> = []
      for node in test.network.nodes {
        let baseline = setting.applies(to: node, of: test.network) ? setting.baseline : nil
        guard var value = test.settings[node]?[name] ?? baseline else { continue }
        // Without random offsets 2 is 1.
        if name == "tcp_timestamps", value == "2", !kernel.has(.randomTimestamps) { value = "1" }
        wanted.insert(value)
      }
      guard wanted.count <= 1 else {
        return .failure(
          Conflict(
            reason:
              "\(name) is one per kernel there, and this case wants \(wanted.sorted().joined(separator: " and "))"
          ))
      }
      values[name] = wanted.first
    }
    return .success(values)
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
