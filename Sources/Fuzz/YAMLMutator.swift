/// Changes lab files by lines and words, so that many of them are still read, and some of those expanded.
enum YAMLMutator {
  /// What means something somewhere in a lab file, and what YAML makes something of.
  private static let words: [String] = [
    "title", "why", "topology", "clocks", "clients", "settings", "matrix", "controls", "exclude", "overrides",
    "workload", "expect", "kind", "family", "server_ports", "servers", "hop", "nat", "backend", "ports",
    "random",
    "drop_invalid", "scheduler", "clock", "isn", "count", "connect", "send", "churn", "flush", "set",
    "remove",
    "advance", "as", "closes", "times", "again", "on", "connections", "rate", "when", "otherwise", "because",
    "source",
    "served", "time_wait", "kernel", "direct", "snat", "ipvs-nat", "ipvs-fullnat", "ipvs-dr", "ipvs-tun",
    "ipv4", "ipv6",
    "server", "client", "nobody", "router", "all", "early", "late", "natural", "off", "ahead", "behind",
    "conntrack",
    "tcp_metrics", "recycled", "full", "same as early", "other than late", "connected", "dropped by tw-paws",
    "dropped by hop", "delayed by tw-seq", "predicted by time-wait", "lost by established-paws", "delivered",
    "server.tcp_rfc1337", "late.clock", "hop.ports", "server.1.weight", "all.tcp_syn_retries", "vs.conntrack",
    "TcpExt.PAWSTimewait", "no tc-bpf", ">= 6.16", "no no ipv6", "true", "false", "null", "~", "yes", "[]",
    "{}", "''",
    "\"\"", "1-65535", "40000-40000", "-", "?", ":", "&a", "*a", "&a [x]", "*a : *a", "!!binary aGk=",
    "!!set {a, b}",
    "<<: *a", "|", ">", "|2+", "%YAML 1.2", "---", "...", "@", "`", "\"\\x00\"", "\"\\u202e\"",
    "\"\\x1b[31m\"",
    "\"\\uD800\"", "\u{e9}", "\u{202e}", "a b", "a/b", "a=b,c=d", "../x", "'x''; touch y; '", "#", "",
  ]

  private static let numbers = [
    "0", "1", "-1", "2", "250", "251", "1000", "10000", "65535", "65536", "2000000000", "2000000001",
    "-2000000000",
    "2147483648", "4294967296", "9223372036854775807", "-9223372036854775808", "99999999999999999999", "1e19",
    "nan",
    ".inf", "0x10", "0o7", "1_000", "+5", "1.5",
  ]

  /// One change; `others` are files to take lines from.
  static func change(_ bytes: inout [UInt8], others: [[UInt8]], by dice: inout Dice) {
    if dice.once(in: 10) { return ByteMutator.change(&bytes, by: &dice) }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
    let place = dice.below(lines.count)
    switch dice.below(14) {
    case 0: lines.remove(at: place)
    case 1: lines.insert(lines[place], at: dice.below(lines.count + 1))
    case 2: lines.swapAt(place, dice.below(lines.count))
    case 3:
      let other = dice.pick(others).split(separator: UInt8(ascii: "\n")).map(Array.init)
      if !other.isEmpty { lines.insert(dice.pick(other), at: place) }
    case 4:
      // Deeper, or less deep.
      if dice.once(in: 2) {
        lines[place].insert(contentsOf: [0x20, 0x20], at: 0)
      } else {
        lines[place] = Array(lines[place].dropFirst(2))
      }
    case 5...8: lines[place] = changed(lines[place], &dice)
    case 9:
      // A number for another, which is often still right.
      if let number = dice.pick(numbersIn(lines)) {
        lines[number.line].replaceSubrange(number.range, with: Array(dice.pick(numbers).utf8))
      }
    case 10: lines.insert(axis(&dice), at: afterMatrix(lines) ?? place)
    case 11:
      let depth = 1 + dice.below(dice.once(in: 10) ? 1200 : 20)
      lines[place] += Array(
        (String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    case 12:
      lines.insert(contentsOf: (0..<(1 + dice.below(200))).map { Array("  k\($0): \($0)".utf8) }, at: place)
    default:
      // Anchors upon anchors.
      let width = 1 + dice.below(9)
      lines.insert(
        contentsOf: (0..<(1 + dice.below(12))).map {
          Array(
            "z\($0): &z\($0) [\(Array(repeating: $0 == 0 ? "x" : "*z\($0 - 1)", count: width).joined(separator: ","))]"
              .utf8)
        }, at: 0)
    }
    bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
  }

  /// A word of the line for another, or one more.
  private static func changed(_ line: [UInt8], _ dice: inout Dice) -> [UInt8] {
    let word = Array((dice.once(in: 3) ? dice.pick(numbers) : dice.pick(words)).utf8)
    let separators = Set(" ,:[]{}".utf8)
    let parts = line.split(maxSplits: .max, omittingEmptySubsequences: true) { separators.contains($0) }
    guard !parts.isEmpty else { return word }
    let part = dice.pick(parts)
    var line = line
    switch dice.below(4) {
    case 0: line.replaceSubrange(part.startIndex..<part.endIndex, with: word)
    case 1: line.insert(contentsOf: Array(", ".utf8) + word, at: part.endIndex)
    case 2: line.replaceSubrange(part.startIndex..<part.endIndex, with: [])
    default: line += Array(" ".utf8) + word
    }
    return line
  }

  /// An axis with many values, or with few.
  private static func axis(_ dice: inout Dice) -> [UInt8] {
    let count = dice.pick([1, 2, 2, 10, 100, 256, 257, 2000])
    return Array("  axis\(dice.below(20)): [\((0..<count).map { "\($0)" }.joined(separator: ", "))]".utf8)
  }

  private static func afterMatrix(_ lines: [[UInt8]]) -> Int? {
    lines.firstIndex { $0.starts(with: Array("matrix:".utf8)) }.map { $0 + 1 }
  }

  private static func numbersIn(_ lines: [[UInt8]]) -> [(line: Int, range: Range<Int>)?] {
    var found: [(Int, Range<Int>)?] = [nil]
    for (number, line) in lines.enumerated() {
      for part in line.split(whereSeparator: { !(0x30...0x39).contains($0) }) {
        found.append((number, part.startIndex..<part.endIndex))
      }
    }
    return found
  }
}
