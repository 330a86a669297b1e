import Linux
import Model

/// A node's rules: source NAT of what leaves by some links, and what becomes of single packets.
struct NATRules {
  /// Which program takes the rules.
  enum Backend: String, CaseIterable {
    case iptablesNft = "iptables-nft"
    case iptablesLegacy = "iptables-legacy"
    case nft

    var feature: Capability.Feature {
      switch self {
      case .iptablesNft: .iptablesNft
      case .iptablesLegacy: .iptablesLegacy
      case .nft: .nft
      }
    }
  }

  let backend: Backend
  private let host: Network.Node
  private let family: Network.Family
  /// For masquerading too, which takes the address from the link.
  private var isIPv4: Bool { family == .ipv4 }

  /// The first backend that the case allows and the kernel takes.
  init(_ host: Network.Node, family: Network.Family, kernel: Kernel) {
    let allowed: [Backend] =
      switch host.backend {
      case _ where host.rewritesTimestamps: [.nft]
      case .auto: [.iptablesNft, .iptablesLegacy, .nft]
      case .iptables: [.iptablesNft, .iptablesLegacy]
      case .nft: [.nft]
      }
    self.init(host, family: family, backend: allowed.first { kernel.has($0.feature) } ?? allowed[0])
  }

  init(_ host: Network.Node, family: Network.Family, backend: Backend) {
    self.host = host
    self.family = family
    self.backend = backend
  }

  /// The rules as the tool reads them.
  var text: String { backend == .nft ? nftText : iptablesText }

  /// Whether a rule may drop, so that it is asked how often it did.
  var mayDrop: Bool { !host.rules.isEmpty }

  private func bracketed(_ address: String) -> String { isIPv4 ? address : "[\(address)]" }

  // MARK: iptables

  /// The answers come back by PREROUTING, where nothing is to be done but to have NAT look at them: legacy tables always
  /// do, nft's base chains only where they are (until 4.18, when NAT took its own hooks), and iptables-nft makes those
  /// that have a rule. So there is one that does nothing: `:PREROUTING ACCEPT [0:0]` makes the chain too, and takes
  /// iptables 1.8.9 14 ms where all the rest takes one.
  private var iptablesText: String {
    var text = ""
    if let nat = host.nat {
      let range = "\(nat.ports.lowerBound)-\(nat.ports.upperBound)"
      let random =
        switch nat.random {
        case .none: ""
        case .random: " --random"
        case .fully: " --random-fully"
        }
      let target =
        switch nat.target {
        case .snat: "SNAT --to-source \(bracketed(nat.address)):\(range)"
        case .masquerade: "MASQUERADE --to-ports \(range)"
        }
      text += "*nat\n-A PREROUTING\n"
      for out in nat.out { text += "-A POSTROUTING -o \(out) -p tcp -j \(target)\(random)\n" }
      text += "COMMIT\n"
    }
    let lines = host.rules.flatMap { PacketRuleLine.lines(of: $0, on: host, ipv6: !isIPv4) }
    for table in PacketRuleLine.tables {
      let own = lines.filter { $0.place.table == table }
      guard !own.isEmpty else { continue }
      text += "*\(table)\n" + own.map { "-A \($0.place.chain) \($0.iptables)\n" }.joined() + "COMMIT\n"
    }
    return text
  }

  // MARK: nft

  /// In a table of the network's own family: one of both (`inet`) has NAT since 5.2 only (nft(8)).
  private var nftText: String {
    var text = "table \(isIPv4 ? "ip" : "ip6") lab {\n"
    if let nat = host.nat {
      let range = "\(nat.ports.lowerBound)-\(nat.ports.upperBound)"
      let random =
        switch nat.random {
        case .none: ""
        case .random: " random"
        case .fully: " fully-random"
        }
      let statement =
        switch nat.target {
        case .snat: "snat \(isIPv4 ? "ip" : "ip6") to \(bracketed(nat.address)):\(range)\(random)"
        case .masquerade: "masquerade to :\(range)\(random)"
        }
      let rules = nat.out.map { out in
        "    oifname \"\(out.hasSuffix("+") ? out.dropLast() + "*" : out[...])\" meta l4proto tcp counter \(statement)\n"
      }
      text += """
          chain prerouting {
            type nat hook prerouting priority dstnat
          }
          chain postrouting {
            type nat hook postrouting priority srcnat
        \(rules.joined())  }

        """
    }
    let lines = host.rules.flatMap { PacketRuleLine.lines(of: $0, on: host, ipv6: !isIPv4) }
    for table in PacketRuleLine.tables {
      for chain in ["PREROUTING", "FORWARD", "INPUT", "OUTPUT"] {
        let own = lines.filter { $0.place == PacketRule.Place(table: table, chain: chain) }
        guard !own.isEmpty else { continue }
        let hook = chain.lowercased()
        text += "  chain \(table == "filter" ? hook : "\(table)_\(hook)") {\n"
        text += "    type filter hook \(hook) priority \(table)\n"
        text += own.map { "    \($0.nft)\n" }.joined() + "  }\n"
      }
    }
    return text + "}\n"
  }

  /// One transaction: `iptables-restore` or `nft -f -` inside the hop.
  func apply(on node: Node) throws {
    try run(backend == .nft ? ["nft", "-f", "-"] : [tool("restore")], stdin: text, on: node)
  }

  /// The rules with their counters: `iptables-save -c` or `nft list ruleset`.
  func saved(on node: Node) throws -> String {
    try run(backend == .nft ? ["nft", "list", "ruleset"] : [tool("save"), "-c"], stdin: "", on: node)
  }

  private func tool(_ verb: String) -> String {
    let flavour = backend == .iptablesNft ? "nft" : "legacy"
    return (isIPv4 ? "iptables-" : "ip6tables-") + "\(flavour)-\(verb)"
  }

  @discardableResult
  private func run(_ command: [String], stdin: String, on node: Node) throws -> String {
    let output: Tool.Output
    do {
      output = try node.namespace.run {
        try Tool.run(command, stdin: stdin, environment: Self.environment)
      }
    } catch {
      throw Failure(error, stage: command.joined(separator: " "), object: node.name)
    }
    guard output.status == 0 else {
      throw Failure(
        stage: command.joined(separator: " "), object: node.name,
        cause: output.stderr.isEmpty ? "exit status \(output.status)" : output.stderr,
        mend: "pawslab doctor says which NAT backends this kernel takes")
    }
    return output.stdout
  }

  /// Legacy iptables would leave `/run/xtables.lock` on the host; nobody else can reach this namespace.
  static let environment = ["XTABLES_LOCKFILE": "/dev/null"]

  /// Packets that rules with a verdict or target have counted, by chain, `rule.POSTROUTING`; what strips options, hides
  /// from conntrack or answers in a server's place by that: `rule.strip`, `rule.notrack`, `rule.synproxy`.
  static func counters(in saved: String) -> [String: Int] {
    var counters: [String: Int] = [:]
    var chain = ""
    for line in saved.split(separator: "\n") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if let first = words.first, first.hasPrefix("["), words.count > 2, words[1] == "-A" {
        let target = words.lastIndex(of: "-j").map { words[$0 + 1] }
        let name = target.flatMap { ["TCPOPTSTRIP": "strip", "CT": "notrack", "SYNPROXY": "synproxy"][$0] }
        counters["rule.\(name ?? String(words[2]))", default: 0] +=
          Int(first.dropFirst().prefix { $0 != ":" }) ?? 0
      } else if words.first == "chain", words.count > 1 {
        chain = words[1].uppercased()
      } else if let at = words.firstIndex(of: "packets"), words.count > at + 1 {
        let name =
          words.contains("reset") && words.contains("option")
          ? "strip" : ["tsval", "tsecr", "notrack", "synproxy"].first { words.contains($0[...]) } ?? chain
        counters["rule.\(name)", default: 0] += Int(words[at + 1]) ?? 0
      }
    }
    return counters
  }
}
