import Model

/// Causes, with all that speaks for and against each.
struct Suspects {
  private struct Entry {
    var certainty: Certainty
    var count = 0
    var clients: [Address: Int] = [:]
    var evidence: [String] = []
    var against: [String] = []
  }

  private let facts: Facts
  private var entries: [Cause: Entry] = [:]

  init(_ facts: Facts) { self.facts = facts }

  /// Sentences of a kind are alike; a few are enough.
  private static let most = 4

  mutating func add(_ reading: Reading) {
    for fit in reading.fits {
      var entry = entries[fit.cause] ?? Entry(certainty: fit.certainty)
      entry.certainty = max(entry.certainty, fit.certainty)
      entry.count += 1
      entry.clients[reading.life.client.address, default: 0] += 1
      for words in fit.evidence where !entry.evidence.contains(words) && entry.evidence.count < Self.most {
        entry.evidence.append(words)
      }
      for words in fit.against where !entry.against.contains(words) && entry.against.count < Self.most {
        entry.against.append(words)
      }
      entries[fit.cause] = entry
    }
  }

  /// What the counters and settings say by themselves.
  mutating func addCounters(hasCaptures: Bool) {
    func add(_ name: String, _ certainty: Certainty, _ words: String) {
      let cause = Cause(name: name, isMechanism: true)
      var entry = entries[cause] ?? Entry(certainty: certainty)
      if !hasCaptures { entry.certainty = max(entry.certainty, certainty) }
      if !entry.evidence.contains(words) { entry.evidence.append(words) }
      entries[cause] = entry
    }
    let since = facts.isDifference ? "between the two readings" : "since the machine began"
    func value(_ name: String) -> Int {
      name.hasPrefix("conntrack.")
        ? facts.conntrack[String(name.dropFirst("conntrack.".count))] ?? 0 : facts.counter(name) ?? 0
    }
    // A machine that has been up for a year has counted everything once: that is worth a word where nothing was captured.
    let own: [(String, String)] = [
      ("recycle", "PAWSPassive"), ("tw-paws", "PAWSTimewait"), ("listen-overflow", "ListenOverflows"),
      ("syn-queue", "TCPReqQFullDrop"), ("rp-filter", "IPReversePathFilter"),
      ("challenge-ack", "TCPSYNChallenge"),
    ]
    for (name, counter) in own
    where value(counter) > 0 && (!hasCaptures || entries[Cause(name: name, isMechanism: true)] != nil) {
      add(name, facts.isDifference ? .shown : .likely, "\(counter) is \(value(counter)) \(since)")
    }
    guard !hasCaptures else { return }
    if value("PAWSEstab") > 0 {
      let words = "PAWSEstab is \(value("PAWSEstab")) \(since)"
      add("established-paws", .possible, words)
      if facts.counter("PAWSTimewait") == nil {
        add("tw-paws", .possible, words + "; until 6.15 TIME_WAIT counts there too")
      }
    }
    let (failed, dropped) = (value("conntrack.insert_failed"), value("conntrack.drop"))
    if failed > 0 {
      add("hop", .possible, "conntrack's insert_failed is \(failed) \(since)")
      add("nat-race", .possible, "conntrack's insert_failed is \(failed) \(since)")
    }
    if dropped > failed {
      add("conntrack-full", .likely, "conntrack's drop is \(dropped), insert_failed \(failed)")
    }
    if facts.setting("tcp_tw_recycle") == "1", facts.isBefore(4, 12) != false,
      facts.counter("PAWSPassive") == nil
    {
      add("recycle", .possible, "tcp_tw_recycle is 1")
    }
    if !facts.fullQueues.isEmpty {
      add(
        "listen-overflow", .likely,
        "the queue of \(facts.fullQueues.prefix(3).joined(separator: ", ")) is full")
    }
    let weights = facts.services.values.flatMap { $0.map(\.weight) }
    if !weights.isEmpty, weights.allSatisfy({ $0 == 0 }) {
      add("ipvs-quiesced", .likely, "every real server has weight 0")
    }
  }

  /// The surest first, then those of most attempts.
  var list: [Answer.Suspect] {
    entries.map { cause, entry in
      let known = Knowledge.of(cause)
      return Answer.Suspect(
        name: cause.name, isMechanism: cause.isMechanism, certainty: entry.certainty, summary: known.summary,
        count: entry.count, clients: Words.who(entry.clients), evidence: entry.evidence,
        against: entry.against + against(cause), lab: known.lab,
        run: known.lab.map { "pawslab run \($0)" }, change: known.change)
    }.sorted {
      ($1.certainty, $1.count, $0.name) < ($0.certainty, $0.count, $1.name)
    }
  }

  /// What settings say against it, that do not exclude it.
  private func against(_ cause: Cause) -> [String] {
    var words: [String] = []
    if ["tw-paws", "established-paws", "recycle"].contains(cause.name), facts.setting("tcp_timestamps") == "0"
    {
      words.append("tcp_timestamps is 0 (if that is the server's)")
    }
    return words
  }
}

/// What counters say of a cause.
struct Counted {
  /// Why it cannot be; nil where nothing says so.
  var excludes: String?
  /// What counts it.
  var speaksFor: String?

  init(_ known: Knowledge, _ facts: Facts) {
    func value(_ name: String) -> Int? {
      guard name.hasPrefix("conntrack.") else { return facts.counter(name) }
      return facts.conntrack.isEmpty ? nil : facts.conntrack[String(name.dropFirst("conntrack.".count))] ?? 0
    }
    let read = known.counters.compactMap { name in value(name).map { (name, $0) } }
    guard !read.isEmpty else {
      // A table that lacks what only it counts is of a kernel that cannot do it (PAWSPassive, until 4.11).
      if known.countersAreItsOwn, let name = known.counters.first, facts.hasExtended, name == "PAWSPassive" {
        excludes = "the kernel does not know \(name)"
      }
      return
    }
    if read.allSatisfy({ $0.1 == 0 }), read.count == known.counters.count || known.countersAreItsOwn {
      excludes = "\(read.map(\.0).joined(separator: ", ")) of the \(known.place) is 0"
    } else if let first = read.first(where: { $0.1 > 0 }) {
      speaksFor = "\(first.0) is \(first.1)"
    }
  }
}
