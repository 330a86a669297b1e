/// What `iptables -nvL` lists, as `iptables-save -c` says it: a support archive has the former.
///
/// A line has packets, bytes, a target (blanks where a rule has none), a protocol by name or number, options (blank in
/// older ip6tables), two interfaces, two addresses, and then what each match and the target print of themselves
/// (print_firewall, iptables.c and nft-shared.c; the extensions' `print`).
struct ListedRules {
  struct Rule: Equatable {
    var line: Int
    /// As it counts, rounded where -x was not given (`12K`).
    var packets: Int
    /// `-A FORWARD -p tcp -m tcp --tcp-flags RST RST -j DROP`; what it does not know stands as it was listed.
    var text: String
  }

  /// A line that is not as a listing has it.
  struct Spoilt: Error {
    var line: Line
    var cause: String
  }

  /// Chains of which the policy is to drop.
  private(set) var policies: [Rule] = []
  private(set) var rules: [Rule] = []

  /// `Chain FORWARD (policy DROP 0 packets, 0 bytes)`, `Chain mine (1 references)`
  static func isHeading(_ line: Substring) -> Bool {
    let words = line.words
    return words.count >= 4 && words[0] == "Chain"
      && (words[2] == "(policy" || words[3] == "references)")
  }

  init(_ lines: [Line]) throws(Spoilt) {
    var chain: Substring?
    for line in lines where !line.text.trimmed.isEmpty && !line.text.hasPrefix("#") {
      let words = line.text.words
      if Self.isHeading(line.text) {
        chain = words[1]
        if words[2] == "(policy", words[3] == "DROP" {
          let packets = words.count > 4 ? Self.number(words[4]) ?? 0 : 0
          policies.append(Rule(line: line.number, packets: packets, text: "policy \(words[1]) DROP"))
        }
        continue
      }
      guard let chain else { throw Spoilt(line: line, cause: "outside of a chain") }
      if words.first == "pkts" { continue }
      if words.first == "target" || words.count > 1 && Self.number(words[0]) == nil {
        throw Spoilt(line: line, cause: "listed without -v")
      }
      guard words.count >= 6, let packets = Self.number(words[0]), Self.number(words[1]) != nil,
        let text = Self.rule(words.dropFirst(2))
      else { throw Spoilt(line: line, cause: "no rule") }
      rules.append(Rule(line: line.number, packets: packets, text: "-A \(chain) \(text)"))
    }
  }

  /// `12`, `12K` (xtables_print_num: thousands).
  private static func number(_ word: Substring) -> Int? {
    if let number = Int(word) { return number >= 0 ? number : nil }
    guard let last = word.last, let factor = ["K": 1_000, "M": 1_000_000, "G": 1_000_000_000][last],
      let number = Int(word.dropLast()), (0..<1_000_000_000).contains(number)
    else { return nil }
    return number * factor
  }

  private static let protocols: [Substring: String] = [
    "0": "", "all": "", "1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp",
  ]

  private static func isProtocol(_ word: Substring) -> Bool {
    let name = word.first == "!" ? word.dropFirst() : word
    return protocols[name] != nil || Int(name) != nil
      || [
        "tcp", "udp", "icmp", "icmpv6", "ipv6-icmp", "sctp", "esp", "ah", "gre", "udplite", "dccp", "igmp",
      ].contains(name)
  }

  private static func rule(_ words: ArraySlice<Substring>) -> String? {
    var rest = words
    var target: Substring?
    // A target's name may be a number's or a protocol's only where another protocol follows.
    guard let first = rest.first else { return nil }
    if !isProtocol(first) || rest.dropFirst().first.map(isProtocol) ?? false { target = rest.removeFirst() }
    guard let proto = rest.popFirst(), isProtocol(proto) else { return nil }
    if let next = rest.first, ["--", "-f", "!f"].contains(next) { rest.removeFirst() }
    guard rest.count >= 4 else { return nil }
    var parts: [String] = []
    func add(_ option: String, _ word: Substring, unless any: Set<Substring>) {
      let isNot = word.first == "!"
      let value = isNot ? word.dropFirst() : word
      guard isNot || !any.contains(value) else { return }
      parts.append("\(isNot ? "! " : "")\(option) \(value)")
    }
    let (input, output) = (rest.removeFirst(), rest.removeFirst())
    let (source, destination) = (rest.removeFirst(), rest.removeFirst())
    guard isAddress(source), isAddress(destination) else { return nil }
    add("-s", source, unless: ["0.0.0.0/0", "::/0", "anywhere"])
    add("-d", destination, unless: ["0.0.0.0/0", "::/0", "anywhere"])
    add("-i", input, unless: ["*", "any"])
    add("-o", output, unless: ["*", "any"])
    let isNot = proto.first == "!"
    let name = isNot ? proto.dropFirst() : proto
    let known = protocols[name] ?? String(name)
    if !known.isEmpty { parts.append("\(isNot ? "! " : "")-p \(known)") }
    let (matches, options, isGoto) = extras(rest, target)
    parts += matches
    if let target { parts.append("\(isGoto ? "-g" : "-j") \(target)") }
    return (parts + options).joined(separator: " ")
  }

  private static func isAddress(_ word: Substring) -> Bool {
    word.allSatisfy { $0.isHexDigit || "!.:/".contains($0) } || word == "anywhere"
  }

  /// What matches and targets print of themselves.
  private static func extras(
    _ words: ArraySlice<Substring>, _ target: Substring?
  ) -> (matches: [String], options: [String], isGoto: Bool) {
    var (matches, options): ([String], [String]) = ([], [])
    var isGoto = false
    var rest = words
    while let word = rest.popFirst() {
      switch word {
      case "tcp", "udp": matches.append("-m \(word)")
      case "state": matches.append("-m state --state \(rest.popFirst() ?? "")")
      case "ctstate": matches.append("-m conntrack --ctstate \(rest.popFirst() ?? "")")
      case "multiport":
        matches.append("-m multiport --\(rest.popFirst() ?? "") \(rest.popFirst() ?? "")")
      case "[goto]": isGoto = true
      case "/*":
        // A comment may say anything, and nothing of it is a rule's.
        let end = rest.firstIndex(of: "*/") ?? rest.endIndex
        rest = rest[min(end, rest.endIndex)...].dropFirst()
      case "reject-with": options.append("--reject-with \(rest.popFirst() ?? "")")
      case "masq", "redir":
        if rest.first == "ports:" || rest.first == "ports" { rest.removeFirst() }
        options.append("--to-ports \(rest.popFirst() ?? "")")
      case "random", "random-fully", "persistent": options.append("--\(word)")
      case "tcpflags:": matches.append(flags(rest.popFirst() ?? ""))
      default:
        if word.hasPrefix("flags:") {
          matches.append(flags(word.dropFirst("flags:".count)))
        } else if word.hasPrefix("to:"), target == "SNAT" || target == "DNAT" {
          options.append("--to-\(target == "SNAT" ? "source" : "destination") \(word.dropFirst(3))")
        } else if let (option, value) = port(word) {
          matches.append("\(option) \(value)")
        } else {
          matches.append(String(word))
        }
      }
    }
    return (matches, options, isGoto)
  }

  /// `dpt:80`, `spts:1:1024`, `dpt:!22`
  private static func port(_ word: Substring) -> (String, String)? {
    for (prefix, option) in [
      ("dpts:", "--dport"), ("dpt:", "--dport"), ("spts:", "--sport"), ("spt:", "--sport"),
    ]
    where word.hasPrefix(prefix) {
      let value = word.dropFirst(prefix.count)
      return value.first == "!" ? ("! \(option)", String(value.dropFirst())) : (option, String(value))
    }
    return nil
  }

  private static let bits: [(Int, String)] = [
    (0x01, "FIN"), (0x02, "SYN"), (0x04, "RST"), (0x08, "PSH"), (0x10, "ACK"), (0x20, "URG"),
  ]

  /// `0x17/0x02` as `--tcp-flags FIN,SYN,RST,ACK SYN` (print_tcpf, libxt_tcp.c).
  private static func flags(_ word: Substring) -> String {
    let isNot = word.first == "!"
    let ends = (isNot ? word.dropFirst() : word).split(separator: "/")
    guard ends.count == 2 else { return String(word) }
    let names = ends.map { end -> String in
      guard end.hasPrefix("0x"), let mask = Int(end.dropFirst(2), radix: 16) else { return String(end) }
      let all = Self.bits.filter { mask & $0.0 != 0 }.map(\.1)
      return all.isEmpty ? "NONE" : all.joined(separator: ",")
    }
    return "\(isNot ? "! " : "")--tcp-flags \(names[0]) \(names[1])"
  }
}

extension Substring {
  /// A rule without what somebody has noted beside it (`-m comment --comment "..."`, nft's `comment "..."`): that may be
  /// anything, the words of another rule too.
  var withoutComment: Substring {
    guard let mark = firstRange(of: " -m comment --comment ") ?? firstRange(of: " comment \"") else {
      return self
    }
    var rest = self[mark.upperBound...]
    var isQuoted = self[..<mark.upperBound].last == "\""
    if !isQuoted, rest.first == "\"" {
      isQuoted = true
      rest = rest.dropFirst()
    }
    var isEscaped = false
    while let next = rest.first {
      if isQuoted ? next == "\"" && !isEscaped : next == " " { break }
      isEscaped = next == "\\" && !isEscaped
      rest = rest.dropFirst()
    }
    if isQuoted { rest = rest.dropFirst() }
    return Substring(self[..<mark.lowerBound] + rest)
  }
}

extension Line {
  /// `nft -a` writes a handle after each line, which is no part of it.
  var withoutHandle: Line {
    guard let mark = text.ranges(of: " # handle ").last,
      text[mark.upperBound...].trimmed.allSatisfy({ $0.isASCII && $0.isNumber })
    else { return self }
    return Line(number: number, text: text[..<mark.lowerBound].trimmedEnd)
  }
}

extension Substring {
  fileprivate var trimmedEnd: Substring {
    var text = self
    while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
    return text
  }
}
