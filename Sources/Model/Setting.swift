/// A sysctl that the lab knows: a name in a lab file that is not here is a mistake there.
public struct Setting: Sendable, Equatable {
  /// Short name in lab files, e.g. `tcp_rfc1337`.
  public var name: String
  /// Path below `/proc/sys`, e.g. `net/ipv4/tcp_rfc1337`.
  public var path: String
  /// What every node has unless the lab file says otherwise; nil leaves the kernel's.
  public var baseline: String?
  /// Which nodes have it.
  public var scope: Scope
  /// Some kernels lack it; a case that sets it is skipped there. Without this, absence is an error.
  public var optional: Bool
  /// What it takes.
  public var values: Values
  /// What it does, in one sentence without a full stop.
  public var summary: String
  /// One for all namespaces, although each shows it: net/netfilter/nf_conntrack_standalone.c lets only the first one
  /// write it (671c54ea8c7f, 5.13 and stable kernels), and before let each write it for all. Never written in a
  /// namespace, then, to find out: what would be found out has been changed for everybody.
  public var isOnePerKernel = false

  /// What a setting takes. Where the kernel takes more numbers than it has a meaning for, those that have one.
  public enum Values: Sendable, Equatable {
    /// A whole number; the unit is for the reference.
    case number(ClosedRange<Int>, unit: String? = nil)
    /// 0 is off, 1 on.
    case flag
    /// Several numbers or ranges, as they are written.
    case text
  }

  /// Which nodes a setting is written on.
  public enum Scope: Sendable, Equatable {
    case everywhere
    /// Nodes that route: the hop and the router.
    case routers
    /// The hop.
    case hop
    /// The hop where it is an IPVS director.
    case director
  }

  /// Whether a node has it.
  public func applies(to host: Network.Node) -> Bool {
    switch scope {
    case .everywhere: true
    case .routers: host.forwards
    case .hop: host.tracks
    case .director: !host.services.isEmpty
    }
  }

  /// The setting of that name.
  public static func named(_ name: String) -> Setting? { byName[name] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}
