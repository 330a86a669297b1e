import MicroVM
import Model

/// A kernel that cases can run on, with what probing found.
public struct Machine: Sendable {
  /// `host`, or what the store calls the kernel.
  public let name: String
  public let kernel: Kernel
  /// The kernel to boot; nil for this machine's own.
  public let stored: StoredKernel?
  /// Why nothing can run on it, although it was asked for: it does not boot, or its probe broke.
  public let failure: Failure?

  /// The same machine with something emulated that Linux has removed; nil where it has that, or cannot.
  public func emulating(_ emulation: Emulation) -> Machine? {
    guard let kernel = kernel.emulating(emulation), let name = try? KernelName(name) else { return nil }
    return Machine(
      name: ResultName(name, emulation).description, kernel: kernel, stored: stored, failure: failure)
  }

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
  /// namespace: cases that run side by side must agree on them, and one that changes them runs `alone`.
  case run(settings: [String: String], alone: Bool)
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
    let (values, conflict) = Self.perKernelValues(test, on: kernel)
    guard let values else {
      self = .skip(reason: conflict)
      return
    }
    let changes = test.workload.map(\.action).contains { action in
      if action.needs.setsWallClock { return true }
      guard let write = action.writes, kernel.perKernelSettings.contains(write.setting) else { return false }
      // Taken out of one node's segments, it changes nothing for the others.
      return write.setting != "tcp_timestamps" || write.value != "0" || !kernel.has(.stripTimestamps)
    }
    self = .run(settings: values, alone: changes)
  }

  /// Decides for one case on a machine.
  public init(_ test: Case, on machine: Machine) {
    self.init(test, on: machine.kernel, guest: machine.stored != nil)
  }

  /// Whether it can run.
  public var runs: Bool { if case .run = self { true } else { false } }

  private static func missing(_ test: Case, on kernel: Kernel, guest: Bool) -> String? {
    func why(_ name: String, _ mend: String) -> String {
      "no \(name): \(kernel.missing[name] ?? "not found by probing"); \(mend)"
    }
    let network = test.network
    // debian-12 has all but what Linux removed.
    let elsewhere =
      test.emulation.map {
        "a guest of its own has it: pawslab kernels add a kernel below \($0.removedIn), "
          + "or --kernel debian-12 \($0.option)"
      } ?? "--kernel debian-12 has its own"
    if !network.directorNodes.isEmpty, !kernel.has(.ipvs) {
      return why(
        "ipvs",
        test.emulation != nil ? "modprobe ip_vs, or \(elsewhere)" : "modprobe ip_vs, or --kernel debian-12")
    }
    for feature in test.workload.flatMap(\.action.needs.features) where !kernel.has(feature) {
      let mend =
        guest
        ? "it was fetched without: pawslab kernels remove, and fetch it again"
        : "modprobe sch_\(feature.rawValue)"
      return why(feature.rawValue, mend)
    }
    if network.hasBridge, !kernel.has(.bridge) { return why("bridge", "modprobe bridge") }
    if network.hasTunnel, !kernel.has(.ipip) { return why("ipip", "modprobe ipip ip6_tunnel") }
    // The baseline too: what cannot be pinned would be whatever this host happens to have.
    let baseline = Setting.all.filter { setting in
      setting.baseline != nil && !setting.optional
        && network.hosts.contains(where: setting.applies)
    }
    let own = network.nodes.flatMap { test.settings[$0, default: [:]].keys }.sorted()
    for name in own + baseline.map(\.name) where !kernel.capabilities.contains(.setting(name)) {
      guard kernel.perKernelSettings.contains(name) else {
        guard let emulation = Emulation.giving(name) else {
          return why(name, "it needs a kernel that has it")
        }
        let elsewhere =
          kernel.missing[emulation.means.rawValue].map { " in debian-12 (here it cannot: \($0))" } ?? ""
        return why(name, emulation.mend + elsewhere)
      }
      if !guest {
        return
          "\(name) is one per kernel here, and nothing on the host is changed; \(elsewhere)"
      }
    }
    if test.workload.contains(where: \.action.needs.setsWallClock), !guest {
      return "it sets the wall clock, and nothing on the host is changed; \(elsewhere)"
    }
    if network.family == .ipv6, !kernel.has(.ipv6) { return why("ipv6", "boot without ipv6.disable=1") }
    for host in network.hosts where host.tracks {
      guard kernel.has(.conntrack) else { return why("conntrack", "modprobe nf_conntrack_netlink") }
      let backends: [Capability.Feature] =
        switch host.backend {
        case .auto: [.iptablesNft, .iptablesLegacy, .nft]
        case .iptables: [.iptablesNft, .iptablesLegacy]
        case .nft: [.nft]
        }
      guard backends.contains(where: kernel.has) else {
        // Rules that are taken and do nothing are no tool's fault (NATProof).
        let isTaken = kernel.missing[backends[0].rawValue]?.contains("the rules are taken") == true
        return why(
          backends[0].rawValue,
          isTaken ? "--kernel debian-12 has its own" : "apt-get install iptables nftables")
      }
    }
    for client in network.clients {
      switch client.clock {
      case .offset(let milliseconds):
        let stepped = test.workload.contains { $0.action.needs.movesClocks.contains(client.group) }
        // What gives an open connection's socket another clock makes it send a probe (tcp_send_window_probe).
        let means: [Capability.Feature] =
          stepped ? [.tcBPF, .nftTimestamps] : [.tcBPF, .socketClocks, .nftTimestamps]
        if milliseconds != 0 || stepped, !means.contains(where: kernel.has) {
          return why("tc-bpf", "and neither socket-clocks nor nft-timestamps: run as root")
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

  /// What the settings that are one per kernel must be: what the case says for any node, else the baseline. Nodes
  /// that it says nothing of share what others need; nodes that it wants to differ cannot.
  ///
  /// - Returns: nil and the reason where they cannot.
  private static func perKernelValues(
    _ test: Case, on kernel: Kernel
  ) -> (values: [String: String]?, conflict: String) {
    var values: [String: String] = [:]
    for name in kernel.perKernelSettings.sorted() {
      guard let setting = Setting.named(name) else { continue }
      var wanted = Set(test.network.nodes.compactMap { test.settings[$0]?[name] })
      // Without random offsets 2 is 1.
      if name == "tcp_timestamps", !kernel.has(.randomTimestamps), wanted.remove("2") != nil {
        wanted.insert("1")
      }
      // Off for one node is what taking the option out of its segments comes to.
      if name == "tcp_timestamps", wanted == ["0", "1"], kernel.has(.stripTimestamps) { wanted = ["1"] }
      if wanted.count > 1 {
        let values = wanted.sorted().joined(separator: " and ")
        return (nil, "\(name) is one per kernel there, and this case wants \(values)")
      }
      let isThere = test.network.hosts.contains(where: setting.applies)
      values[name] = wanted.first ?? (isThere ? setting.baseline : nil)
    }
    return (values, "")
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
