import Evidence
import Model

/// The captured packets as an author's pattern sees them: with the numbers that tcpdump and packetdrill print.
struct PacketBook {
  /// A packet and its relative numbers.
  struct Entry {
    var segment: Segment
    /// Nil where nothing tells the connection's initial sequence number.
    var sequence: Int?
    var acknowledgement: Int?
    /// Its TSval beside the newest before it from the same end of the connection on this link; nil where there was none.
    var stamp: PacketOption.Stamp?
    /// The step's label whose connection it belongs to.
    var label: String?
  }

  private(set) var entries: [Entry] = []
  private let names: NodeNames

  init(_ test: Case, _ observation: Observation, _ trace: Trace) {
    let segments = observation.packets.compactMap { Segment($0) }
    names = NodeNames(test.network, observation)
    var lines: [Trace.Tuple: Line] = [:]
    let labels = Labels(observation.attempts, trace)
    for segment in segments {
      entries.append(lines[Trace.Tuple(link: segment), default: Line()].entry(segment))
      entries[entries.count - 1].label = labels.label(of: segment)
    }
  }

  /// What one link knows of one 4-tuple.
  private struct Line {
    private var syn: Segment?
    /// The initial sequence numbers of the connection that was answered last, by who sent the SYN and who answered.
    private var base: (opener: String, port: Int, own: UInt32, other: UInt32)?
    private var newest: [String: UInt32] = [:]

    mutating func entry(_ segment: Segment) -> Entry {
      var entry = Entry(segment: segment)
      let sender = "\(segment.source) \(segment.sourcePort)"
      if let tsval = segment.tsval {
        if let before = newest[sender] {
          entry.stamp = Modular.before(tsval, before) ? .older : tsval == before ? .same : .newer
        }
        if newest[sender].map({ Modular.before($0, tsval) }) ?? true { newest[sender] = tsval }
      }
      if segment.isSYN {
        syn = segment
        entry.sequence = 0
        return entry
      }
      if segment.isSYNACK {
        base = (
          segment.destination, segment.destinationPort, segment.acknowledgement &- 1, segment.sequence
        )
      }
      // A RST in answer to a SYN has no number of its own.
      if segment.flags == [.rst, .ack], segment.sequence == 0, let syn {
        entry.sequence = 0
        entry.acknowledgement = relative(segment.acknowledgement, syn.sequence)
        return entry
      }
      guard let base else { return entry }
      let opens = segment.source == base.opener && segment.sourcePort == base.port
      entry.sequence = relative(segment.sequence, opens ? base.own : base.other)
      if segment.flags.contains(.ack) {
        entry.acknowledgement = relative(segment.acknowledgement, opens ? base.other : base.own)
      }
      return entry
    }

    private func relative(_ number: UInt32, _ base: UInt32) -> Int { Int(Int32(bitPattern: number &- base)) }
  }

  /// Whose packets are whose.
  private struct Labels {
    private struct Key: Hashable {
      var node: String
      var time: Int64
      var outgoing: Bool
    }
    private var labels: [Key: String] = [:]

    init(_ attempts: [Attempt], _ trace: Trace) {
      for (index, attempt) in attempts.enumerated() where attempt.kind == .connect {
        let next = attempts[(index + 1)...].first {
          $0.kind == .connect && $0.client == attempt.client && $0.local == attempt.local
            && $0.remote == attempt.remote
        }
        let own = (trace.clientLink[attempt.client] ?? []).filter { segment in
          let port = segment.outgoing ? segment.sourcePort : segment.destinationPort
          let serverPort = segment.outgoing ? segment.destinationPort : segment.sourcePort
          return port == attempt.localPort && serverPort == attempt.serverPort
            && segment.time >= attempt.began && segment.time < next?.began ?? .max
        }
        for segment in own + trace.flow(of: attempt).atServer {
          labels[Key(node: segment.node, time: segment.time, outgoing: segment.outgoing)] = attempt.label
        }
      }
    }

    func label(of segment: Segment) -> String? {
      labels[Key(node: segment.node, time: segment.time, outgoing: segment.outgoing)]
    }
  }

  /// Holds the packets against a pattern.
  func witness(_ pattern: PacketPattern) -> Witness {
    let fitting = pattern.kinds.map { kind in
      let links = Set(link(of: kind).flatMap(names.nodes))
      return Set(
        entries.indices.filter { links.contains(entries[$0].segment.node) && fits(kind, entries[$0]) })
    }
    let taken = fitting.reduce(into: Set<Int>()) { $0.formUnion($1) }.sorted()
    let counts = pattern.kinds.map { $0.count?.range ?? (pattern.isNone ? 0...0 : 1...1) }
    if pattern.kinds.count == 1 {
      return Witness(.pattern(text: pattern.description), expected: .within(counts[0]), seen: taken.count)
    }
    // How many of them can be the kinds so far, in their order.
    var reached: Set<Int> = [0]
    for (kind, count) in zip(fitting, counts) {
      var next: Set<Int> = []
      for start in reached {
        for length in 0...min(count.upperBound, taken.count - start) {
          if length >= count.lowerBound { next.insert(start + length) }
          guard start + length < taken.count, kind.contains(taken[start + length]) else { break }
        }
      }
      reached = next
    }
    return Witness(
      .pattern(text: pattern.description), expected: .words("in this order"),
      seen: .words(runs(taken, fitting)), holds: reached.contains(taken.count))
  }

  /// `1st x2, 2nd x1`: which kinds were seen, in order.
  private func runs(_ taken: [Int], _ fitting: [Set<Int>]) -> String {
    var runs: [(kind: Int, count: Int)] = []
    for index in taken {
      // The kind that goes on, or one that comes later, before one that comes again.
      let kinds = fitting.indices.filter { fitting[$0].contains(index) }
      let kind = kinds.first { $0 >= runs.last?.kind ?? 0 } ?? kinds.first ?? 0
      if runs.last?.kind == kind { runs[runs.count - 1].count += 1 } else { runs.append((kind, 1)) }
    }
    let names = ["1st", "2nd", "3rd"]
    let words = runs.prefix(12).map { run in
      "\(run.kind < 3 ? names[run.kind] : "\(run.kind + 1)th") x\(run.count)"
    }
    return words.isEmpty ? "none of them" : words.joined(separator: ", ") + (runs.count > 12 ? ", ..." : "")
  }

  /// Whose link a kind of packet is looked for on.
  private func link(of kind: PacketKind) -> [String] {
    if let node = kind.node { return [node] }
    let captured = Set(entries.map(\.segment.node))
    for end in [kind.from, kind.to] where !end.isAddress {
      if let host = end.host, names.nodes(host).contains(where: captured.contains) { return [host] }
    }
    return []
  }

  private func fits(_ kind: PacketKind, _ entry: Entry) -> Bool {
    let segment = entry.segment
    if let flags = kind.flags, flags != segment.flags.rawValue { return false }
    if let label = kind.label, label != entry.label { return false }
    if let wanted = kind.sequence, wanted != entry.sequence { return false }
    if let wanted = kind.sequenceEnd, wanted != entry.sequence.map({ $0 + segment.payload }) { return false }
    if let wanted = kind.acknowledgement, wanted != entry.acknowledgement { return false }
    if let wanted = kind.window, wanted != segment.window { return false }
    if let wanted = kind.length, wanted != segment.payload { return false }
    return names.matches(kind.from, segment.source, segment.sourcePort)
      && names.matches(kind.to, segment.destination, segment.destinationPort)
      && kind.options.allSatisfy { has($0, entry) }
  }

  private func has(_ option: PacketOption, _ entry: Entry) -> Bool {
    let segment = entry.segment
    switch option {
    case .no(.mss): return segment.mss == nil
    case .no(.sackOK): return !segment.permitsSACK
    case .no(.wscale): return segment.windowScale == nil
    case .no(.TS): return segment.tsval == nil
    case .mss(let wanted): return segment.mss != nil && (wanted == nil || wanted == segment.mss)
    case .sackOK: return segment.permitsSACK
    case .windowScale(let wanted):
      return segment.windowScale != nil && (wanted == nil || wanted == segment.windowScale)
    case .timestamp(let value, let echo):
      guard let tsval = segment.tsval else { return false }
      if let echo, echo != segment.tsecr.map(Int.init) { return false }
      switch value {
      case nil: return true
      case .exactly(let number)?: return number == Int(tsval)
      case let relation?: return relation == entry.stamp
      }
    }
  }
}

extension Trace.Tuple {
  /// The same for both directions on one link, whoever opened the connection.
  init(link segment: Segment) {
    self.init(segment)
    guard (server, serverPort) < (client, clientPort) else { return }
    (client, clientPort, server, serverPort) = (server, serverPort, client, clientPort)
  }
}
