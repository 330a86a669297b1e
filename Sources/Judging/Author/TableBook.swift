import Evidence
import Model

/// What was left in the end, held against what an author says: sockets, conntrack and IPVS entries, drops.
struct TableBook {
  let test: Case
  let kernel: Kernel
  let observation: Observation
  let names: NodeNames

  init(_ test: Case, _ kernel: Kernel, _ observation: Observation) {
    (self.test, self.kernel, self.observation) = (test, kernel, observation)
    names = NodeNames(test.network, observation)
  }

  // MARK: sockets

  func sockets(_ name: String, _ pattern: SocketPattern) -> Witness {
    let subject = Witness.Subject.sockets(node: name, named: pattern.name)
    let expected = Witness.Reading.within(pattern.count.range)
    // A node without sockets is not in a census at all: the last that has some may be of an earlier step.
    let last = test.workload.count - 1
    let own = observation.sockets.filter { $0.step == last && names.nodes(name).contains($0.node) }
    let needsEnds = pattern.local != nil || pattern.peer != nil
    if needsEnds, own.contains(where: { $0.entries == nil }) {
      return Witness(
        subject, expected: expected, seen: .words("sockets that were only counted"), holds: false)
    }
    let count = own.reduce(0) { sum, census in
      guard needsEnds, let entries = census.entries else {
        return sum.adding(
          pattern.state.map { census.states[$0] ?? 0 } ?? census.states.values.reduce(0) { $0.adding($1) })
      }
      return sum
        + entries.count { entry in
          (pattern.state == nil || pattern.state == entry.state)
            && pattern.local.map { names.matches($0, entry.local) } ?? true
            && pattern.peer.map { names.matches($0, entry.peer) } ?? true
        }
    }
    return Witness(subject, expected: expected, seen: count)
  }

  // MARK: tables

  func conntrack(_ node: String, _ patterns: [ConntrackPattern]) -> [Witness] {
    let census = observation.conntrack?.last { $0.node == node }
    return table(
      patterns, in: census?.entries, count: \.count, fits: fits, words: Self.words,
      subject: { .conntrack(node: node, named: $0) })
  }

  func ipvs(_ node: String, _ patterns: [IPVSPattern]) -> [Witness] {
    let census = observation.ipvs?.last { $0.node == node }
    return table(
      patterns, in: census?.entries, count: \.count, fits: fits, words: Self.words,
      subject: { .ipvs(node: node, named: $0) })
  }

  /// Each pattern as often as it says, and nothing that none describes.
  private func table<Pattern: Notation, Entry>(
    _ patterns: [Pattern], in entries: [Entry]?, count: KeyPath<Pattern, Amount>,
    fits: (Pattern, Entry) -> Bool,
    words: (Entry) -> String, subject: (String) -> Witness.Subject
  ) -> [Witness] {
    guard let entries else {
      return [
        Witness(
          subject("entries"), expected: .words("a table"), seen: .words("it was not read"), holds: false)
      ]
    }
    let others = entries.filter { entry in !patterns.contains { fits($0, entry) } }
    let listed = patterns.map { pattern in
      Witness(
        subject(pattern.description), expected: .within(pattern[keyPath: count].range),
        seen: entries.count { fits(pattern, $0) })
    }
    let rest = others.prefix(3).map(words).joined(separator: "; ") + (others.count > 3 ? "; ..." : "")
    return listed + [
      Witness(
        subject("others"), expected: .number(0),
        seen: others.isEmpty ? .number(0) : .words("\(others.count): \(rest)"), holds: others.isEmpty)
    ]
  }

  private func fits(_ pattern: ConntrackPattern, _ entry: ConntrackEntry) -> Bool {
    func fits(_ wanted: ConntrackPattern.Direction, _ seen: ConntrackEntry.Direction) -> Bool {
      names.matches(host: wanted.source, seen.source)
        && names.matches(host: wanted.destination, seen.destination)
        && (wanted.sourcePort ?? seen.sourcePort) == seen.sourcePort
        && (wanted.destinationPort ?? seen.destinationPort) == seen.destinationPort
    }
    return (pattern.state ?? entry.state) == entry.state
      && (pattern.assured ?? entry.assured) == entry.assured
      && (pattern.unreplied ?? entry.unreplied) == entry.unreplied && fits(pattern.original, entry.original)
      && fits(pattern.reply, entry.reply)
  }

  private func fits(_ pattern: IPVSPattern, _ entry: IPVSEntry) -> Bool {
    (pattern.state ?? entry.state) == entry.state && names.matches(pattern.client, entry.client)
      && names.matches(pattern.virtual, entry.virtual) && names.matches(pattern.server, entry.server)
  }

  private static func words(_ entry: ConntrackEntry) -> String {
    func words(_ way: ConntrackEntry.Direction) -> String {
      "src=\(way.source) dst=\(way.destination) sport=\(way.sourcePort) dport=\(way.destinationPort)"
    }
    return "\(entry.state) \(words(entry.original)) \(words(entry.reply))"
      + (entry.unreplied ? " [UNREPLIED]" : "") + (entry.assured ? " [ASSURED]" : "")
  }

  private static func words(_ entry: IPVSEntry) -> String {
    "\(entry.state) \(entry.client) \(entry.virtual) \(entry.server)"
  }

  // MARK: drops

  func drops(_ name: String, _ reason: String, _ amount: Amount) -> Witness {
    let subject = Witness.Subject.drops(node: name, reason: reason)
    let expected = Witness.Reading.within(amount.range)
    guard let drops = observation.drops else {
      return Witness(subject, expected: expected, seen: .words("the kernel was not asked"), holds: false)
    }
    let seen = drops.filter { names.nodes(name).contains($0.node) && $0.reason == reason }
      .reduce(0) { $0.adding($1.count) }
    let unheard = observation.dropsNotHeard ?? 0
    let isShort = seen < amount.range.lowerBound
    return Witness(
      subject, expected: expected,
      seen: isShort && unheard > 0 ? .words("\(seen), and \(unheard) drops were not heard") : .number(seen),
      holds: seen <= amount.range.upperBound && seen.adding(unheard) >= amount.range.lowerBound,
      unheard: seen.adding(unheard) < amount.range.lowerBound ? true : nil)
  }
}
