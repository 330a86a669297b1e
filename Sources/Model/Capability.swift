/// Something that a kernel or a machine has or lacks, found by probing.
public enum Capability: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
  /// A setting exists in a new namespace and can be written there.
  case setting(String)
  /// A `TcpExt`, `Tcp`, `Ip` or conntrack counter exists, e.g. `TcpExt.PAWSTimewait`.
  case counter(String)
  /// Anything else.
  case feature(Feature)
  /// IPVS balances by that scheduler. Named by its module: `ip_vs_mh`.
  case scheduler(Network.Scheduler)

  /// What a machine or kernel can do beyond settings and counters.
  public enum Feature: String, Sendable, Codable, CaseIterable, Comparable {
    case ipv6
    case conntrack
    case iptablesNft = "iptables-nft"
    case iptablesLegacy = "iptables-legacy"
    case nft
    /// tc eBPF can be loaded and attached: clocks with any offset.
    case tcBPF = "tc-bpf"
    /// A socket can be given an offset that connect(2) keeps (3.9 to 4.9): clocks with any offset.
    case socketClocks = "socket-clocks"
    /// nft can rewrite TCP options: clocks with an offset of 2^30 ticks.
    case nftTimestamps = "nft-timestamps"
    case tcpRepair = "tcp-repair"
    /// A listener whose backlog is 0 has room for one half-open connection without SYN cookies, as its queue to accept
    /// always had (3479c7549fb1, 6.14 and stable kernels).
    case backlogZero = "backlog-zero"
    /// `tcp_timestamps=1` adds a random offset (since 4.10).
    case randomTimestamps = "random-timestamps"
    /// That offset depends on the ports too (7.0 and backports).
    case timestampsByPort = "timestamps-by-port"
    /// Port clash resolution evicts closing conntrack entries (458972550287, 6.5).
    case natEvictsClosing = "nat-evicts-closing"
    /// conntrack counts as INVALID a SYN that reopens a closed entry, and lets it pass (until 830af2eba403: 5.17, and
    /// stable kernels of January 2022).
    case reopeningInvalid = "reopening-invalid"
    /// conntrack counts neighbour discovery and multicast reports of IPv6 as INVALID, and lets them pass: RHEL 7's 3.10,
    /// where `icmpv6_error` says UNTRACKED, and `nf_conntrack_in` asks for an entry all the same.
    case neighboursInvalid = "neighbours-invalid"
    /// A director's connections can be flushed: `expire_nodest_conn` ends those whose server has gone at once
    /// (35dfb013149f, 5.9), where older kernels keep them until they end by themselves.
    case ipvsFlush = "ipvs-flush"
    /// A director that schedules a SYN anew passes it on at once, though conntrack knows the old connection (f0a5e4d7a594:
    /// 5.9, and 4.19.222, 5.4.286); older ones drop the first.
    case ipvsReschedulesTracked = "ipvs-reschedules-tracked"
    /// `expire_nodest_conn=1` gives up the entry of a server of weight 0 whatever `conn_reuse_mode` is (c95c07836fa4: 5.16, and
    /// stable kernels of December 2021).
    case ipvsLeavesQuiesced = "ipvs-leaves-quiesced"
    /// The first packet to a server is not lost in IPv6 by direct routing (2c6b55f45d53, 5.2).
    case ipvsKeepsFirstPacket = "ipvs-keeps-first-packet"
    /// conntrack looks at the packets of namespaces whose rules want it (0c66dc1ea3f0, 4.10), and not of all.
    case conntrackByNeed = "conntrack-by-need"
    /// A SYN that an older connection's ACK has answered is sent again at once (9603d47bad46, 5.6), and not by its timer.
    case promptSYN = "prompt-syn"
    /// A SYN is dropped where the queue to accept is full (5ea8ea2cb7f1, 4.10), and not its ACK.
    case dropsAtFullQueue = "drops-at-full-queue"
    /// TCP_REPAIR takes a socket that is closing; 4.9 takes ESTABLISHED alone.
    case repairClosing = "repair-closing"
    /// `--random` draws a port for each connection, where kernels up to 4.19 hash the addresses.
    case natDrawsPorts = "nat-draws-ports"
    /// A SYN is sent as often as `tcp_syn_retries` says.
    case keepsSYNRetries = "keeps-syn-retries"
    /// The last port of a NAT's range is given again once its connection's time is over.
    case natFreesExpired = "nat-frees-expired"
    /// `tcp_tw_reuse` knows 2, loopback alone (79e9fed46038, 4.19).
    case loopbackReuse = "tw-reuse-knows-loopback"
    /// iptables can take the timestamp option out of segments: `tcp_timestamps=0` for one node of a kernel that
    /// has the setting only once.
    case stripTimestamps = "strip-timestamps"
    /// The generic netlink family `IPVS` answers.
    case ipvs
    /// Bridges can be made: a LAN for `ipvs-dr` and `ipvs-tun`.
    case bridge
    /// IPIP tunnels of both families can be made: for `ipvs-tun`.
    case ipip
    /// Links can be late, lossy and slow: the qdisc `netem`, for `shape` and for links.
    case netem
    /// iptables can have SYNs answered in a server's place (SYNPROXY).
    case synproxy
    /// nft can.
    case nftSynproxy = "nft-synproxy"
    /// nft hands packets to a program, within a hook, until that lets them go (`queue`).
    case nftQueue = "nft-queue"
    /// The kernel names why it throws a packet away, and eBPF may listen (5.17; guests always).
    case dropReasons = "drop-reasons"
    /// It names them, and only a perf event may listen, which tells no packet from another: hints, no witnesses.
    case dropHints = "drop-hints"
    /// eBPF can bring the rule of `tcp_tw_recycle` back where 4.12 has removed it: `--emulate tw_recycle`.
    case recycleEmulation = "tw-recycle-emulation"
    /// That rule refuses a SYN without timestamps too (a26552afe894, 3.17 and RHEL 7).
    case recycleUnstamped = "tw-recycle-unstamped"
    /// A route can have timestamps in microseconds (`tcp_usec_ts`, 6.7).
    case usecTimestamps = "usec-timestamps"
    /// Programs that lab files run (`exec`), by their names.
    case curl, nginx, wrk, haproxy, keepalived

    public static func < (left: Feature, right: Feature) -> Bool { left.rawValue < right.rawValue }

    /// Those that are programs, by the name that they are run by.
    public static let programs: [Feature] = [.curl, .nginx, .wrk, .haproxy, .keepalived]
  }

  private static let schedulers = "ip_vs_"

  /// Whether it is a counter.
  public var isCounter: Bool { if case .counter = self { true } else { false } }

  /// `tcp_tw_recycle`, `TcpExt.PAWSTimewait`, `tc-bpf` or `ip_vs_mh`.
  public var description: String {
    switch self {
    case .setting(let name): name
    case .counter(let name): name
    case .feature(let feature): feature.rawValue
    case .scheduler(let scheduler): Self.schedulers + scheduler.rawValue
    }
  }

  /// Reads a name as in ``description``; a name with a dot is a counter, a known feature is one,
  /// a known setting or scheduler is one, anything else is nil.
  public init?(name: String) {
    if let feature = Feature(rawValue: name) {
      self = .feature(feature)
    } else if Setting.named(name) != nil {
      self = .setting(name)
    } else if name.hasPrefix(Self.schedulers),
      let scheduler = Network.Scheduler(rawValue: String(name.dropFirst(Self.schedulers.count)))
    {
      self = .scheduler(scheduler)
    } else if name.contains(".") {
      self = .counter(name)
    } else {
      return nil
    }
  }

  /// Reads a name in a lab file, where a counter is one that some kernel has; nil for what none has.
  public static func known(_ name: String) -> Capability? {
    guard let capability = Capability(name: name) else { return nil }
    if case .counter(let counter) = capability, !KnownCounters.ofKernels.contains(counter) { return nil }
    return capability
  }

  /// Every name that ``known(_:)`` takes.
  public static let allKnownNames: [String] =
    Feature.allCases.map(\.rawValue) + Network.Scheduler.allCases.map { Capability.scheduler($0).description }
    + Setting.all.map(\.name) + KnownCounters.ofKernels.sorted()

  public init(from decoder: any Decoder) throws {
    let name = try decoder.singleValueContainer().decode(String.self)
    guard let value = Capability(name: name) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "no capability is called \(name)"))
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// What one kernel on one machine can do, as probed by the worker.
public struct Kernel: Codable, Sendable, Equatable {
  /// `uname -r`
  public var release: String
  /// `uname -m`
  public var machine: String
  /// Everything found.
  public var capabilities: Set<Capability>
  /// Settings that the first namespace has and a new one lacks: one per kernel, so not written on a host.
  public var perKernelSettings: Set<String>
  /// TSval ticks per second.
  public var timestampTicksPerSecond: Int
  /// Whether the worker runs as root or in a user namespace of its own.
  public var privilege: Privilege
  /// What was probed and is missing: name to the cause, as the kernel or tool said it.
  public var missing: [String: String]
  /// What takes its orders here, and does nothing by them: source NAT by a backend whose rules are taken while no
  /// connection comes about. Nil for none.
  public var withoutEffect: Set<Capability>?
  /// Where this kernel keeps what the lab's tracing programs read, and the numbers of its drop reasons; nil where
  /// no such program loads.
  public var layout: [String: Int]?
  /// What the lab emulates on it; nil on the kernel as it is.
  public var emulation: Emulation?

  /// Under what rights cases run.
  public enum Privilege: String, Codable, Sendable {
    case root
    case userNamespace = "user-namespace"
  }

  /// Makes a kernel's description.
  public init(
    release: String, machine: String, capabilities: Set<Capability>, perKernelSettings: Set<String>,
    timestampTicksPerSecond: Int, privilege: Privilege, missing: [String: String],
    withoutEffect: Set<Capability>? = nil, layout: [String: Int]? = nil
  ) {
    self.release = release
    self.machine = machine
    self.capabilities = capabilities
    self.perKernelSettings = perKernelSettings
    self.timestampTicksPerSecond = timestampTicksPerSecond
    self.privilege = privilege
    self.missing = missing
    self.withoutEffect = withoutEffect
    self.layout = layout
  }

  private enum CodingKeys: String, CodingKey {
    case release, machine, capabilities, perKernelSettings, timestampTicksPerSecond, privilege, missing
    case withoutEffect, layout, emulation
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    release = try container.decode(String.self, forKey: .release)
    machine = try container.decode(String.self, forKey: .machine)
    capabilities = try container.decode(Set<Capability>.self, forKey: .capabilities)
    perKernelSettings = try container.decode(Set<String>.self, forKey: .perKernelSettings)
    timestampTicksPerSecond = try container.decode(.timestampTicksPerSecond, in: Self.ticks)
    privilege = try container.decode(Privilege.self, forKey: .privilege)
    missing = try container.decode([String: String].self, forKey: .missing)
    withoutEffect = try container.decodeIfPresent(Set<Capability>.self, forKey: .withoutEffect)
    layout = try container.decodeIfPresent([String: Int].self, forKey: .layout)
    if let odd = layout?.first(where: {
      !($0.key.hasSuffix("()") ? Self.arguments : Self.places).contains($0.value)
    }) {
      throw DecodingError.dataCorruptedError(
        forKey: .layout, in: container, debugDescription: "\(odd.key) is at \(odd.value)")
    }
    emulation = try container.decodeIfPresent(Emulation.self, forKey: .emulation)
  }

  /// TSval ticks per second of any kernel: HZ, or 1000 since 4.13, or with `TCP_USEC_TS` (6.7) a million.
  package static let ticks = 1...1_000_000
  /// Offsets in structs, numbers of types and drop reasons, the mask of those: `enum`s of 32 bits.
  private static let places = -0x8000_0000...0x7fff_ffff
  /// How many arguments a function has, as a layout says by `NAME()`.
  private static let arguments = 0...12

  /// Capabilities are written sorted, so that two kernels' descriptions can be compared line by line.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(release, forKey: .release)
    try container.encode(machine, forKey: .machine)
    try container.encode(capabilities.sorted(), forKey: .capabilities)
    try container.encode(perKernelSettings.sorted(), forKey: .perKernelSettings)
    try container.encode(timestampTicksPerSecond, forKey: .timestampTicksPerSecond)
    try container.encode(privilege, forKey: .privilege)
    try container.encode(missing, forKey: .missing)
    try container.encodeIfPresent(withoutEffect?.sorted(), forKey: .withoutEffect)
    try container.encodeIfPresent(layout, forKey: .layout)
    try container.encodeIfPresent(emulation, forKey: .emulation)
  }

  /// Whether the kernel has a drop reason of that name, and tells it.
  public func names(dropReason: String) -> Bool {
    has(.dropReasons) && layout?["reason \(dropReason)"] != nil
  }

  /// The same without its counters, which a worker has no use for.
  public var forWorker: Kernel {
    var kernel = self
    kernel.missing = [:]
    kernel.capabilities = capabilities.filter { !$0.isCounter }
    return kernel
  }

  /// Whether the kernel has it.
  public func has(_ capability: Capability) -> Bool { capabilities.contains(capability) }

  /// Whether the kernel has it.
  public func has(_ feature: Capability.Feature) -> Bool { capabilities.contains(.feature(feature)) }

  /// Whether the kernel has that counter; true where nobody has asked which it has, and of those that every kernel has.
  public func counts(_ counter: String) -> Bool {
    capabilities.contains(.counter(counter)) || !counter.hasPrefix("TcpExt.")
      || !capabilities.contains(where: \.isCounter)
  }

  /// The first of these counters that the kernel has: `paws_timewait` is `PAWSTimewait`, else `PAWSEstab`.
  public func counter(_ names: String...) -> String? {
    names.first { capabilities.contains(.counter($0)) }
  }
}

extension Network.Scheduler: Comparable {
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
