import Linux
import Model

/// `tcp_timestamps=0` for one node of a kernel that has the setting only once: the option is taken out of every
/// segment before the node's TCP sees it, or after it has made it. A kernel with the setting off does not look at
/// the option either (`tcp_parse_options`), so a server cannot tell the two apart.
enum StrippedTimestamps {
  /// Whether the case wants it off on this node, and the kernel has it on for all.
  static func wanted(on node: String, of test: Case, kernel: Kernel) throws -> Bool {
    guard kernel.perKernelSettings.contains("tcp_timestamps"), test.settings[node]?["tcp_timestamps"] == "0"
    else {
      return false
    }
    return try Sysctl.read("net/ipv4/tcp_timestamps") != "0"
  }

  /// `iptables -t mangle -A PREROUTING|POSTROUTING -p tcp -j TCPOPTSTRIP --strip-options timestamp`
  static func apply(on node: Node, ipv6: Bool, kernel: Kernel) throws {
    let flavour = kernel.has(.iptablesNft) ? "nft" : "legacy"
    let rules = ["PREROUTING", "POSTROUTING"].map {
      "-A \($0) -p tcp -j TCPOPTSTRIP --strip-options timestamp\n"
    }
    let output = try node.namespace.run {
      try Tool.run(
        [(ipv6 ? "ip6tables-" : "iptables-") + flavour + "-restore"],
        stdin: "*mangle\n" + rules.joined() + "COMMIT\n", environment: NATRules.environment)
    }
    guard output.status == 0 else {
      throw Failure(stage: "TCPOPTSTRIP", object: node.name, cause: output.stderr)
    }
  }
}
