import Linux
import Model

/// Writes and reads the settings of a node.
enum Settings {
  /// The pinned baseline, then what the case overrides. Equivalent to `ip netns exec NODE sysctl -w`.
  ///
  /// - Parameter fresh: what new namespaces have, by path, as the first of them told; what is as it is to be is not
  ///   written.
  static func apply(
    _ overrides: [String: String], on node: Node, as host: Network.Node, kernel: Kernel,
    fresh: inout Fresh
  ) throws {
    try node.namespace.run {
      for setting in Setting.all {
        let override = overrides[setting.name]
        guard
          let value = override ?? (setting.applies(to: host) ? setting.baseline : nil)
        else { continue }
        if override == nil, setting.optional, !fresh.has(setting.path, in: node.sysctls) { continue }
        // One per kernel: the lab has written it in the first namespace, for every case of this turn.
        if kernel.perKernelSettings.contains(setting.name) || kernel.emulates(setting.name) { continue }
        try write(setting, value, on: node, fresh: &fresh)
        try leaveToAll(setting, on: node, fresh: &fresh)
      }
    }
  }

  /// What new namespaces of this kernel have, as the first of them told.
  struct Fresh {
    private var values: [String: String?] = [:]
    private var present: [String: Bool] = [:]

    /// Whether there is such a setting.
    mutating func has(_ path: String, in tree: Sysctl.Tree) -> Bool {
      let known = present[path] ?? Sysctl.exists(path, in: tree)
      present[path] = known
      return known
    }

    /// Its value; nil where it cannot be read.
    mutating func value(_ path: String, in tree: Sysctl.Tree) -> String? {
      if let known = values[path] { return known }
      let value = (try? Sysctl.readIfPresent(path, in: tree)) ?? nil
      values[path] = .some(value)
      return value
    }
  }

  /// Settings that no write of another changes, as `ip_forward` does (inet_forward_change).
  private static let alone = [
    "net/ipv4/tcp_", "net/ipv4/conf/", "net/ipv4/ip_local_port_range", "net/core/somaxconn",
  ]

  /// One setting of a new namespace, unless it is so already.
  private static func write(
    _ setting: Setting, _ value: String, on node: Node, fresh: inout Fresh
  ) throws {
    if alone.contains(where: { setting.path.hasPrefix($0) }),
      fresh.value(setting.path, in: node.sysctls) == value
    {
      return
    }
    try write(setting, value, on: node)
  }

  /// Of `conf/all` and an interface's own the greater counts (IN_DEV_MAXCONF, include/linux/inetdevice.h), and a new
  /// namespace's `conf/default` is a copy of the first one's (devinet_init_net), which new interfaces copy again: a
  /// distribution that sets `rp_filter` there would decide every case. So the interfaces have none of their own.
  private static func leaveToAll(
    _ setting: Setting, on node: Node, fresh: inout Fresh
  ) throws {
    guard setting.path.hasPrefix("net/ipv4/conf/all/") else { return }
    for interface in ["default", "lo"] {
      var own = setting
      own.path = setting.path.replacing("/all/", with: "/\(interface)/")
      try write(own, "0", on: node, fresh: &fresh)
    }
  }

  /// One setting, in the middle of a workload.
  static func set(_ name: String, _ value: String, on node: Node, ipv6: Bool, kernel: Kernel) throws {
    guard let setting = Setting.named(name) else {
      throw Failure(stage: "sysctl", object: name, cause: "the lab knows no such setting")
    }
    if name == "tcp_timestamps", value == "0", kernel.perKernelSettings.contains(name),
      kernel.has(.stripTimestamps)
    {
      return try StrippedTimestamps.apply(on: node, ipv6: ipv6, kernel: kernel)
    }
    // One per kernel: nobody else runs beside a case that changes it.
    if kernel.perKernelSettings.contains(name) { return try write(setting, value, on: node) }
    try node.namespace.run { try write(setting, value, on: node) }
  }

  /// Everything in force, as the kernel reads it back. What a new namespace lacks is what the first one has.
  static func inForce(on node: Node, kernel: Kernel) throws -> [String: String] {
    var firstNamespace: [String: String] = [:]
    for setting in Setting.all where kernel.perKernelSettings.contains(setting.name) {
      firstNamespace[setting.name] = try? Sysctl.read(setting.path)
    }
    return try node.namespace.run {
      var values: [String: String] = [:]
      for setting in Setting.all {
        values[setting.name] = try Sysctl.readIfPresent(setting.path, in: node.sysctls)
      }
      return values
    }.merging(firstNamespace) { own, _ in own }
  }

  private static func write(_ setting: Setting, _ value: String, on node: Node) throws {
    do { try Sysctl.write(setting.path, value, in: node.sysctls) } catch {
      throw Failure(error, stage: "sysctl \(setting.path)=\(value)", object: node.name)
    }
  }
}
