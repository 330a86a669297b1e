/// What is read of a sosreport or a supportconfig: the members that hold what ``TextKind`` reads, found by their names.
///
/// sos(1) keeps what a command printed under `sos_commands/PLUGIN/COMMAND_WITH_UNDERSCORES` (_mangle_command: whatever is
/// no letter, digit, `-`, `.` or `_` becomes one), and files as they lie, of `/proc/net` all: that is a link to
/// `self/net`, so they lie in `proc/PID/net`, by sos's own number. Which commands is in its
/// plugins networking, firewall_tables, ipvs, conntrack and kernel: rules by `nft -a list ruleset` and by
/// `iptables -t nat -nvL` or `iptables -vnxL`, and nothing by iptables-save. supportconfig(1) has some files, `network.txt`,
/// in which each command's output stands below a heading, `#==[ Command ]===...`, and the command with its path; rules
/// stand there twice, listed and saved, those of nftables a table at a time. What either keeps of other network
/// namespaces is not of this machine's.
public enum SupportFiles {
  /// Bytes of a member at most, of all of them, and how many they may be.
  public static let mostBytes = 64 << 20
  public static let mostOfAll = 256 << 20
  public static let mostMembers = 4_000

  /// Members of supportconfig's whose sections are read.
  private static let sectioned: Set<String> = [
    "network.txt", "env.txt", "basic-environment.txt", "sysctl.txt",
  ]

  /// What a command's output is called by sos, at its beginning, and what it is.
  private static let commands: [(prefix: String, kind: Kind)] = [
    ("sysctl_-a", .asItIs), ("netstat_-s", .asItIs), ("nstat_", .asItIs), ("uname_-a", .asItIs),
    ("nft_list_ruleset", .asItIs), ("nft_-a_list_ruleset", .asItIs), ("nft_list_table_", .asItIs),
    ("iptables-save", .asItIs), ("ip6tables-save", .asItIs),
    ("conntrack_-S", .asItIs), ("ipvsadm_-S", .asItIs), ("ipvsadm_-Ln", .table), ("ss_-", .sockets),
  ]

  private enum Kind { case asItIs, table, sockets, hexadecimal }

  /// What a command is, by its name as sos writes it.
  private static func kind(named name: String) -> Kind? {
    // iptables_-t_nat_-nvL, ip6tables_-vnxL
    if name.hasPrefix("iptables_-") || name.hasPrefix("ip6tables_-") {
      let options = name.split(separator: "_").last { $0.hasPrefix("-") } ?? ""
      return options.contains("L") && options.contains("v") && options.contains("n") ? .asItIs : nil
    }
    // ipvsadm -Ln --rate has other numbers in the places of weights, and is no table of servers.
    if name.hasPrefix("ipvsadm_"), name.contains("--") { return nil }
    return commands.first { name.hasPrefix($0.prefix) }?.kind
  }

  private static func parts(_ path: String) -> [Substring] { path.split(separator: "/") }

  /// A setting's name by its file below /proc/sys; nil for what is none of the network's.
  private static func setting(_ path: String) -> String? {
    let parts = parts(path)
    guard let proc = parts.firstIndex(of: "proc"), parts[proc...].starts(with: ["proc", "sys", "net"]) else {
      return nil
    }
    return parts[(proc + 2)...].joined(separator: ".")
  }

  /// Files of `/proc/net` that are read.
  private static let networkFiles: Set<String> = ["netstat", "snmp", "stat/nf_conntrack"]
  /// And those of them that an audit has a use for besides.
  private static let tables: Set<String> = ["tcp", "tcp6", "sockstat", "ip_vs", "ip_vs_conn"]

  /// A director's connections as sos's plugin ipvs has them printed.
  private static let connections = "ipvsadm_-Ln_--connection"

  /// What a file is called below `/proc/net`, or below `/proc/PID/net`; nil where it lies elsewhere.
  private static func networkFile(_ parts: [Substring]) -> String? {
    guard let proc = parts.lastIndex(of: "proc") else { return nil }
    var rest = parts[(proc + 1)...]
    if let number = rest.first, number.allSatisfy({ $0.isASCII && $0.isNumber }) { rest = rest.dropFirst() }
    guard rest.first == "net" else { return nil }
    return rest.dropFirst().joined(separator: "/")
  }

  /// Whether anything of a member is read, by its path in the archive or below the folder.
  ///
  /// - Parameter withTables: whether tables of sockets and of a director are wanted, as the kernel prints them.
  public static func wants(_ path: String, withTables: Bool = false) -> Bool {
    let parts = parts(path)
    guard let name = parts.last.map(String.init), !name.hasPrefix("._") else { return false }
    if setting(path) != nil { return true }
    if let net = networkFile(parts) {
      return networkFiles.contains(net) || (withTables && tables.contains(net))
    }
    if parts.contains("sos_commands") {
      let isRead = kind(named: name) != nil || (withTables && name == connections)
      return isRead && !parts.contains("namespaces")
    }
    return parts.count <= 2 && sectioned.contains(name)
  }

  /// What is to be read of the members, by the readers of single texts.
  ///
  /// - Parameter members: those that ``wants(_:)``, with their paths.
  /// - Returns: texts with a name for each, in the order of their names.
  public static func texts(_ members: [(path: String, text: String)]) -> [(name: String, text: String)] {
    var texts: [(name: String, text: String)] = []
    var settings: [String] = []
    for (path, text) in members.sorted(by: { $0.path < $1.path }) {
      let name = parts(path).last.map(String.init) ?? path
      // Without the folder that all of it lies in.
      let known =
        parts(path).firstIndex { $0 == "sos_commands" || $0 == "proc" } ?? max(0, parts(path).count - 1)
      let path = parts(path)[known...].joined(separator: "/")
      if let setting = setting(path) {
        settings.append(
          "\(setting) = \(Substring(text.split(whereSeparator: \.isNewline).first ?? "").trimmed)")
      } else if sectioned.contains(name), !parts(path).contains("sos_commands") {
        texts += sections(text).map { (path + ": " + $0.name, $0.text) }
      } else {
        let kind = path.hasSuffix("stat/nf_conntrack") ? .hexadecimal : kind(named: name) ?? .asItIs
        texts.append((path, converted(text, kind)))
      }
    }
    if !settings.isEmpty { texts.append(("proc/sys/net", settings.joined(separator: "\n") + "\n")) }
    return texts.filter { text in text.text.contains { !$0.isWhitespace } }
  }

  // MARK: supportconfig

  /// Sections whose command is one that is read: `# /sbin/sysctl -a`, `# /usr/bin/cat /proc/net/netstat`.
  private static func sections(_ text: String) -> [(name: String, text: String)] {
    var sections: [(name: String, text: String)] = []
    var lines: [Substring] = []
    var name: String?
    func end() {
      if let name, let kind = kind(of: name) {
        sections.append((name, converted(lines.joined(separator: "\n") + "\n", kind)))
      }
    }
    var isHeading = false
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      if line.hasPrefix("#==[ ") {
        end()
        (name, lines, isHeading) = (nil, [], true)
      } else if isHeading {
        name = line.hasPrefix("# ") ? String(line.dropFirst(2).trimmed) : nil
        isHeading = false
      } else {
        lines.append(line)
      }
    }
    end()
    return sections
  }

  private static func kind(of command: String) -> Kind? {
    var words = Substring(command).words.prefix { !$0.hasPrefix(">") && !$0.hasPrefix("2>") && $0 != "|" }
    guard let program = words.first?.split(separator: "/").last else { return nil }
    words = words.dropFirst()
    if program == "cat" || words.isEmpty,
      command.contains("/proc/net/netstat") || command.contains("/proc/net/snmp")
    {
      return command.contains("snmp6") ? nil : .asItIs
    }
    return kind(named: ([program] + words).joined(separator: "_"))
  }

  // MARK: other ways to print the same

  private static func converted(_ text: String, _ kind: Kind) -> String {
    switch kind {
    case .asItIs: text
    case .table: director(text)
    case .sockets: sockets(text)
    case .hexadecimal: perProcessor(text)
    }
  }

  /// ipvsadm(8) -Ln as ipvsadm -Sn has it: `TCP  VIP:PORT wlc`, and below it `  -> SERVER:PORT  Masq  1  0  0`.
  private static func director(_ text: String) -> String {
    var lines: [String] = []
    var service: String?
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.words
      if words.count >= 2, let option = ["TCP": "-t", "UDP": "-u", "FWM": "-f"][words[0]] {
        service = "\(option) \(words[1])"
        lines.append("-A \(option) \(words[1]) -s \(words.count > 2 ? words[2] : "wlc")")
      } else if words.count >= 4, words[0] == "->", let service, Int(words[3]) != nil {
        lines.append(
          "-a \(service) -r \(words[1]) -\(words[2] == "Masq" ? "m" : words[2] == "Tunnel" ? "i" : "g") -w \(words[3])"
        )
      }
    }
    return lines.joined(separator: "\n") + (lines.isEmpty ? "" : "\n")
  }

  /// /proc/net/stat/nf_conntrack as conntrack(8) -S has it (ct_cpu_seq_show: hexadecimal, a line for each processor).
  private static func perProcessor(_ text: String) -> String {
    let lines = text.split(whereSeparator: \.isNewline)
    guard let names = lines.first?.words, names.contains("insert_failed") else { return "" }
    return lines.dropFirst().enumerated().map { index, line in
      let pairs = zip(names, line.words).dropFirst().map { "\($0)=\(Int($1, radix: 16) ?? 0)" }
      return "cpu=\(index) \(pairs.joined(separator: " "))\n"
    }.joined()
  }

  /// ss(8) with more options than -tan: the sockets of TCP, without what stands below each.
  private static func sockets(_ text: String) -> String {
    let lines = text.split(whereSeparator: \.isNewline).compactMap { line -> String? in
      var words = line.words
      guard !line.isIndented else { return nil }
      if words.first == "tcp" { words.removeFirst() }
      let isSocket =
        words.count >= 5 && SocketLine.states.contains(words[0]) && Int(words[1]) != nil
        && Int(words[2]) != nil
      // UNCONN is what ss calls a socket of UDP, and of other kinds.
      return isSocket && words[0] != "UNCONN" ? words.prefix(5).joined(separator: " ") : nil
    }
    return lines.joined(separator: "\n") + (lines.isEmpty ? "" : "\n")
  }
}
