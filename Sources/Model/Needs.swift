/// What a case needs of where it runs, as one value. Whether and why it is skipped, the modules that a guest loads for it,
/// the rights that its worker keeps, whether somebody must agree first, and what `pawslab list` prints come from this.
public struct Needs: Sendable, Equatable {
  /// What its kernel must have, in the order in which a skip names the first that is missing.
  public var kernel: [Need] = []
  /// Rights that its steps use once the network stands: capabilities(7).
  public var rights: Set<Step.Needs.Right> = []
  /// Groups of clients whose timestamp clocks move while connections are open.
  public var movesClocks: Set<String> = []
  /// Whether nodes do something with single packets: rules beside NAT and the one that drops INVALID.
  public var hasRules = false
  /// Whether its network itself may lose packets for good: by rules, or by ways that a lab file has laid out.
  public var losesPackets = false
  /// Whether it runs programs of its lab file's.
  public var runsPrograms = false
  /// Milliseconds that really pass: by its steps' own word, and where it expects a SYN to be given up after long.
  public var passes = 0

  /// Whether a step of it must be over within a second: an emulated processor of a busy machine is too slow for that.
  public var hurries = false

  /// Whether time really passes in it, more than anybody waits for by the way.
  public var isSlow: Bool { passes > 2_000 }

  /// What gives a setting of the case's own that Linux has removed; nil where it sets none such.
  public var emulation: Emulation? {
    Emulation.all.first { $0.settings.contains { kernel.contains(.setting($0, isOwn: true)) } }
  }

  /// The names of ``kernel``, sorted: `a|b` is one of these, `guest` a kernel of its own; a setting of the case's own by
  /// its name. What every case needs is left out.
  public var names: [String] {
    let every: Set<String> = ["tcp_timestamps", "ip_local_reserved_ports"]
    var names: Set<String> = []
    for need in kernel {
      switch need {
      case .oneOf(let means): names.insert(means.map(\.description).joined(separator: "|"))
      case .ownKernel: names.insert("guest")
      case .setting(let name, isOwn: true) where !every.contains(name):
        names.insert(name)
        if Setting.named(name)?.isOnePerKernel == true { names.insert("guest") }
      case .setting: break
      }
    }
    // One of a few is one of more.
    let groups = names.map { Set($0.split(separator: "|")) }
    return names.filter { name in
      let own = Set(name.split(separator: "|"))
      return !groups.contains { $0.isStrictSubset(of: own) }
    }.sorted()
  }
}

/// One thing that a kernel must have for a case.
public enum Need: Sendable, Hashable {
  /// One of these capabilities; where there is none, the first is named.
  case oneOf([Capability])
  /// A setting that can be written: because the case says its value, or because every case pins it.
  case setting(String, isOwn: Bool)
  /// A kernel that is the case's alone, for what it does: `it sets the wall clock`.
  case ownKernel(String)

  static func feature(_ feature: Capability.Feature) -> Need { .oneOf([.feature(feature)]) }
  static func features(_ features: Capability.Feature...) -> Need { .oneOf(features.map(Capability.feature)) }

  /// The first of the means that a kernel has; nil where it has none, and for what is no capability.
  public func met(by kernel: Kernel) -> Capability? {
    guard case .oneOf(let means) = self else { return nil }
    return means.first { kernel.has($0) }
  }

  /// Why a kernel does not do, and what would: nil where it does.
  ///
  /// - Parameters:
  ///   - isGuest: whether the kernel is a guest's, where what is one per kernel may be changed.
  ///   - needs: of which this is one.
  public func refusal(on kernel: Kernel, isGuest: Bool, of needs: Needs) -> String? {
    func why(_ name: String, others: String = "", _ mend: String) -> String {
      "no \(name): \(kernel.missing[name] ?? "not found by probing")\(others); \(mend)"
    }
    // debian-12 has all but what Linux removed.
    let elsewhere =
      needs.emulation.map {
        "a guest of its own has it: pawslab kernels add a kernel below \($0.removedIn), "
          + "or --kernel debian-12 \($0.option)"
      } ?? "--kernel debian-12 has its own"
    switch self {
    case .oneOf(let means):
      guard met(by: kernel) == nil, let first = means.first else { return nil }
      let others = means.dropFirst()
      // Rules that are taken and do nothing are no tool's fault.
      let isInert = kernel.withoutEffect?.isDisjoint(with: means) == false
      var ways =
        isInert ? [] : [first.remedy?.words(inGuest: isGuest, others: others.compactMap(\.remedy)) ?? ""]
      ways.removeAll(where: \.isEmpty)
      if isGuest {
        if ways.isEmpty { ways.append("another kernel may have it") }
      } else {
        ways.append(ways.isEmpty || needs.emulation != nil ? elsewhere : "--kernel debian-12")
      }
      return why(
        first.description,
        others: others.isEmpty ? "" : ", nor " + others.map(\.description).joined(separator: ", "),
        ways.joined(separator: ", or "))
    case .setting(let name, _):
      if kernel.capabilities.contains(.setting(name)) { return nil }
      guard kernel.perKernelSettings.contains(name) else {
        guard let emulation = Emulation.giving(name) else {
          return why(name, "it needs a kernel that has it")
        }
        let elsewhere =
          kernel.missing[emulation.means.rawValue].map { " in debian-12 (here it cannot: \($0))" } ?? ""
        return why(name, emulation.mend + elsewhere)
      }
      return isGuest
        ? nil : "\(name) is one per kernel here, and nothing on the host is changed; \(elsewhere)"
    case .ownKernel(let what):
      return isGuest ? nil : "\(what), and nothing on the host is changed; \(elsewhere)"
    }
  }
}

extension Case {
  /// What it needs of where it runs.
  public var needs: Needs {
    var needs = Needs()
    for step in workload.map(\.action.needs) {
      needs.rights.formUnion(step.rights)
      needs.movesClocks.formUnion(step.movesClocks)
      needs.runsPrograms = needs.runsPrograms || step.runsPrograms
      needs.hurries = needs.hurries || step.hurries
      needs.passes = needs.passes.adding(step.passes)
    }
    needs.passes = needs.passes.adding(waiting)
    needs.hasRules = network.hosts.contains { $0.rules.contains { $0 != .dropInvalid } }
    needs.losesPackets =
      network.topology == .spelledOut || network.hosts.contains { !$0.rules.isEmpty }
    let all =
      networkNeeds + workload.flatMap(\.action.needs.features).map(Need.feature) + settingNeeds
      + (workload.contains(where: \.action.needs.setsWallClock) ? [.ownKernel("it sets the wall clock")] : [])
      + (network.family == .ipv6 ? [.feature(.ipv6)] : []) + trackingNeeds + clientNeeds(needs.movesClocks)
      + repairNeeds + tableNeeds + expiryNeeds
    var seen: Set<Need> = []
    needs.kernel = all.filter { seen.insert($0).inserted }
    return needs
  }

  private var networkNeeds: [Need] {
    var needs: [Need] = []
    let schedulers = network.hosts.flatMap(\.services).map(\.scheduler)
    if !schedulers.isEmpty { needs.append(.feature(.ipvs)) }
    needs += schedulers.map { .oneOf([.scheduler($0)]) }
    if network.hasBridge { needs.append(.feature(.bridge)) }
    if network.hasTunnel { needs.append(.feature(.ipip)) }
    if network.isImpaired { needs.append(.feature(.netem)) }
    return needs
  }

  /// The case's own, those that steps write among them, then the baseline: what cannot be pinned would be whatever this
  /// host happens to have.
  private var settingNeeds: [Need] {
    let written = workload.compactMap(\.action.writes)
    let own = network.nodes.flatMap { node in
      settings[node, default: [:]].keys.sorted()
        + written.filter { $0.node == node }.map(\.setting).sorted()
    }
    let baseline = Setting.all.filter { setting in
      setting.baseline != nil && !setting.optional && !own.contains(setting.name)
        && network.hosts.contains(where: setting.applies)
    }
    return own.map { .setting($0, isOwn: true) } + baseline.map { .setting($0.name, isOwn: false) }
  }

  private var trackingNeeds: [Need] {
    network.hosts.filter(\.tracks).flatMap { host -> [Need] in
      guard host.hasRules else { return [.feature(.conntrack)] }
      if host.rewritesTimestamps { return [.feature(.conntrack), .feature(.nft), .feature(.nftTimestamps)] }
      return switch host.backend {
      case .auto:
        [.feature(.conntrack), .features(.iptablesNft, .iptablesLegacy, .nft)]
          + (host.proxies ? [.features(.synproxy, .nftSynproxy)] : [])
      case .iptables:
        [.feature(.conntrack), .features(.iptablesNft, .iptablesLegacy)]
          + (host.proxies ? [.feature(.synproxy)] : [])
      case .nft:
        [.feature(.conntrack), .feature(.nft)] + (host.proxies ? [.feature(.nftSynproxy)] : [])
      }
    }
  }

  private func clientNeeds(_ moving: Set<String>) -> [Need] {
    network.clients.flatMap { client -> [Need] in
      var needs: [Need] = []
      switch client.clock {
      case .offset(let milliseconds):
        // What gives an open connection's socket another clock makes it send a probe (tcp_send_window_probe).
        if moving.contains(client.group) {
          needs.append(.features(.tcBPF, .nftTimestamps))
        } else if milliseconds != 0 {
          needs.append(.features(.tcBPF, .socketClocks, .nftTimestamps))
        }
      case .natural: needs.append(.feature(.randomTimestamps))
      case .microseconds: needs.append(.feature(.usecTimestamps))
      case .off: break
      }
      if client.isn != .natural { needs.append(.feature(.tcpRepair)) }
      return needs
    }
  }

  /// An end that vanishes when the other one has closed is closing itself: CLOSE_WAIT.
  private var repairNeeds: [Need] {
    let vanishing = workload.lastIndex { $0.action is Vanish } ?? 0
    return workload[..<vanishing].contains { $0.action is Close } ? [.feature(.repairClosing)] : []
  }

  /// The bound of conntrack's table is one per kernel: it is one node's where nobody else has a table.
  private var tableNeeds: [Need] {
    let isBound = settings.values.contains { $0["nf_conntrack_max"] != nil }
    return isBound ? [.feature(.conntrackByNeed)] : []
  }

  /// Whoever comes when the time of a NAT's only port is over gets it at once, or when conntrack's collector has been
  /// there: between 0 and 16 s later, or as late as a machine with nothing to do wakes (gc_worker, deferrable).
  private var expiryNeeds: [Need] {
    let asksForExpired = network.hosts.contains { host in
      guard host.nat?.ports.count == 1 else { return false }
      var state: String?
      var waited = 0
      for step in workload {
        switch step.action {
        case let flush as Flush where flush.table == .conntrack: state = nil
        case let wait as Wait: waited = waited.adding(wait.milliseconds)
        case let connect as Connect:
          if let state, let limit = milliseconds(of: "nf_conntrack_tcp_timeout_\(state)", on: host),
            waited >= limit
          {
            return true
          }
          state = connect.aborts == nil ? connect.closer == .nobody ? "established" : "time_wait" : "close"
          waited = 0
        default: break
        }
      }
      return false
    }
    return asksForExpired ? [.feature(.natFreesExpired)] : []
  }

  /// A setting in seconds, the case's own or the baseline's.
  private func milliseconds(of setting: String, on host: Network.Node) -> Int? {
    let value = settings[host.name]?[setting] ?? Setting.named(setting)?.baseline
    return value.flatMap(Int.init)?.multiplied(by: 1_000)
  }

  /// Milliseconds that the longest SYN is tried for which is expected to be given up, where that is long: it passes in
  /// the kernel's own time, whatever the machine.
  private var waiting: Int {
    let labels = Set(
      rules.flatMap { rule in rule.outcomes.filter { $0.value.outcome == .dropped }.map(\.key) })
    let groups = workload.filter { step in step.label.map(labels.contains) == true }.flatMap(\.action.groups)
    let longest = groups.isEmpty ? 0 : synTimeout(of: groups)
    return longest > Deadlines.patience ? longest : 0
  }
}
