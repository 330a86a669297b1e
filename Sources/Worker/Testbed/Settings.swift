import Linux
import Model

/// Writes and reads the settings of a node.
enum Settings {
  /// The pinned baseline, then what the case overrides. Equivalent to `ip netns exec NODE sysctl -w`.
  static func apply(_ overrides: [String: String], on node: Node, as host: Network.Node, kernel: Kernel)
    throws
  {
    try node.namespace.run {
      for setting in Setting.all {
        let override = overrides[setting.name]
        guard
          let value = override ?? (setting.applies(to: host) ? setting.baseline : nil)
        else { continue }
        if override == nil, setting.optional, !Sysctl.exists(setting.path) { continue }
        // One per kernel: the lab has written it in the first namespace, for every case of this turn.
        if kernel.perKernelSettings.contains(setting.name) || kernel.emulates(setting.name) { continue }
        try write(setting, value, on: node.name)
        try leaveToAll(setting, on: node.name)
      }
    }
  }

  /// Of `conf/all` and an interface's own the greater counts (IN_DEV_MAXCONF, include/linux/inetdevice.h), and a new
  /// namespace's `conf/default` is a copy of the first one's (devinet_init_net), which new interfaces copy again: a
  /// distribution that sets `rp_filter` there would decide every case. So the interfaces have none of their own.
  private static func leaveToAll(_ setting: Setting, on node: String) throws {
    guard setting.path.hasPrefix("net/ipv4/conf/all/") else { return }
    for interface in ["default", "lo"] {
      var own = setting
      own.path = setting.path.replacing("/all/", with: "/\(interface)/")
      try write(own, "0", on: node)
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
    if kernel.perKernelSettings.contains(name) { return try write(setting, value, on: node.name) }
    try node.namespace.run { try write(setting, value, on: node.name) }
  }

  /// Everything in force, as the kernel reads it back. What a new namespace lacks is what the first one has.
  static func inForce(on node: Node, kernel: Kernel) throws -> [String: String] {
    var firstNamespace: [String: String] = [:]
    for setting in Setting.all where kernel.perKernelSettings.contains(setting.name) {
      firstNamespace[setting.name] = try? Sysctl.read(setting.path)
    }
    return try node.namespace.run {
      var values: [String: String] = [:]
      for setting in Setting.all { values[setting.name] = try Sysctl.readIfPresent(setting.path) }
      return values
    }.merging(firstNamespace) { own, _ in own }
  }

  private static func write(_ setting: Setting, _ value: String, on node: String) throws {
    do { try Sysctl.write(setting.path, value) } catch {
      throw Failure(error, stage: "sysctl \(setting.path)=\(value)", object: node)
    }
  }
}
