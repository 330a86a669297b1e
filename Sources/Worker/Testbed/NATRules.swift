import Linux
import Model

/// The hop's rules: source NAT towards the server, and perhaps a drop of INVALID packets.
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
  private let hop: Hop
  private let addressing: Addressing

  /// Whether a hop has any rule at all.
  static func needed(by network: Network) -> Bool {
    network.topology.hidesClients || network.hop?.dropInvalid == true
  }

  /// The first backend that the case allows and the kernel takes.
  init(_ hop: Hop, addressing: Addressing, kernel: Kernel) {
    let allowed: [Backend] =
      switch hop.backend {
      case .auto: [.iptablesNft, .iptablesLegacy, .nft]
      case .iptables: [.iptablesNft, .iptablesLegacy]
      case .nft: [.nft]
      }
    self.init(
      hop, addressing: addressing, backend: allowed.first { kernel.has($0.feature) } ?? allowed[0])
  }

  init(_ hop: Hop, addressing: Addressing, backend: Backend) {
    self.hop = hop
    self.addressing = addressing
    self.backend = backend
  }

  /// The rules as the tool reads them.
  var text: String { backend == .nft ? nftText : iptablesText }

  private var range: String { "\(hop.ports.lowerBound)-\(hop.ports.upperBound)" }

  /// The answers come back by PREROUTING, where nothing is to be done but to have NAT look at them: legacy tables always
  /// do, nft's base chains only where they are (until 4.18, when NAT took its own hooks), and iptables-nft makes those
  /// that have a rule. So there is one that does nothing: `:PREROUTING ACCEPT [0:0]` makes the chain too, and takes
  /// iptables 1.8.9 14 ms where all the rest takes one.
  private var iptablesText: String {
    let random =
      switch hop.random {
      case .none: ""
      case .random: " --random"
      case .fully: " --random-fully"
      }
    let address = addressing.family == .ipv4 ? addressing.hop : "[\(addressing.hop)]"
    let target =
      switch hop.nat {
      case .snat: "SNAT --to-source \(address):\(range)"
      case .masquerade: "MASQUERADE --to-ports \(range)"
      }
    var text = ""
    if addressing.topology.hidesClients {
      text += "*nat\n-A PREROUTING\n-A POSTROUTING -o srv+ -p tcp -j \(target)\(random)\nCOMMIT\n"
    }
    if hop.dropInvalid {
      text += "*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    }
    return text
  }

  private var nftText: String {
    let random =
      switch hop.random {
      case .none: ""
      case .random: " random"
      case .fully: " fully-random"
      }
    let family = addressing.family == .ipv4 ? "ip" : "ip6"
    let address = addressing.family == .ipv4 ? addressing.hop : "[\(addressing.hop)]"
    let statement =
      switch hop.nat {
      case .snat: "snat \(family) to \(address):\(range)\(random)"
      case .masquerade: "masquerade to :\(range)\(random)"
      }
    var text = "table inet lab {\n"
    if addressing.topology.hidesClients {
      text += """
          chain prerouting {
            type nat hook prerouting priority dstnat
          }
          chain postrouting {
            type nat hook postrouting priority srcnat
            oifname "srv*" meta l4proto tcp counter \(statement)
          }

        """
    }
    if hop.dropInvalid {
      text += """
          chain forward {
            type filter hook forward priority filter
            ct state invalid counter drop
          }

        """
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
    return (addressing.family == .ipv4 ? "iptables-" : "ip6tables-") + "\(flavour)-\(verb)"
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

  /// Packets that each rule with a verdict or target has counted, by chain: `rule.POSTROUTING`.
  static func counters(in saved: String) -> [String: Int] {
    var counters: [String: Int] = [:]
    var chain = ""
    for line in saved.split(separator: "\n") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if let first = words.first, first.hasPrefix("["), words.count > 2, words[1] == "-A" {
        counters["rule.\(words[2])"] = Int(first.dropFirst().prefix { $0 != ":" }) ?? 0
      } else if words.first == "chain", words.count > 1 {
        chain = words[1].uppercased()
      } else if let at = words.firstIndex(of: "packets"), words.count > at + 1 {
        counters["rule.\(chain)"] = Int(words[at + 1]) ?? 0
      }
    }
    return counters
  }
}
