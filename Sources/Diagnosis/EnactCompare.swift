import Evidence

/// What the lab saw, held against what they saw.
public struct EnactComparison: Sendable {
  /// The first packet that differs; nil where all are the same.
  public let difference: String?
  /// Why nothing could be held against anything.
  public let cannot: String?
  /// Numbers that differ by more than time explains, and others that are as there.
  public let numbers: [String]
  /// `0.0  client: SYN` of both, side by side.
  public let rows: [(theirs: String, here: String)]
  /// What ``Incident/answer()`` makes of the lab's own capture at the same place.
  public let diagnosed: [String]
}

extension Enactment {
  /// Packets of theirs, to be read a second time: what was counted at first keeps none.
  public func theirs(file: String) -> Incident.CaptureStream {
    let life = story.life
    // A little before, for a packet that is in a capture's order and not in time's.
    let times = (life.began - 1_000_000)...max(life.began, life.ended) + 1_000_000
    return Incident.CaptureStream(
      file: file, watching: Watch(ends: [(life.client, life.server)], times: times))
  }

  /// - Parameters:
  ///   - stream: a stream of ``theirs(file:)`` that was read to its end; nil where the capture can be read once only.
  ///   - packets: of the lab's run, all nodes.
  ///   - attempt: when the attempt began and ended there, in nanoseconds since 1970.
  ///   - client: whose attempt it is, a node.
  ///   - servers: the nodes that accept.
  public func compare(
    _ stream: Incident.CaptureStream?, packets: [Packet], attempt: (began: Int64, ended: Int64),
    client: String, servers: Set<String>
  ) -> EnactComparison {
    let capture = vantage.capture(packets, client: client, servers: servers)
    var whole = Incident(at: story.view)
    // What is older than before needs what was before.
    let began = isOpening ? attempt.began : .min
    var ours = Incident.CaptureStream(
      file: "the lab's", watching: Watch(ends: nil, times: began...max(began, attempt.ended)))
    do { try capture.withUnsafeBytes { try ours.add($0) } } catch {
      return cannot("\(error)", [])
    }
    let segments = ours.watched
    whole.add(ours, file: "the lab's")
    let diagnosed = whole.answer().suspects.filter(\.isMechanism).map {
      "\($0.name) (\($0.certainty.rawValue))"
    }
    guard let stream else {
      return cannot("their capture came by standard input, which is read once only", diagnosed)
    }
    let opens = isOpening
    let theirs = EnactTrace(
      stream.watched, client: story.life.client, opens: opens,
      sequence: story.life.syns > 0 ? story.life.sequence : nil)
    guard let ends = ourClient(segments, opens: opens) else {
      return cannot("the lab's attempt has left no packet at that place", diagnosed)
    }
    let own = segments.filter { $0.source == ends.client || $0.destination == ends.client }
    let here = EnactTrace(own, client: ends.client, opens: opens)
    guard !theirs.isEmpty, !here.isEmpty else {
      return cannot(
        "\(theirs.isEmpty ? "their capture" : "the lab's") has no packet of the attempt", diagnosed)
    }
    let (left, right) = (theirs.lines(), here.lines())
    let rows = (0..<max(left.count, right.count)).map {
      ($0 < left.count ? left[$0] : "", $0 < right.count ? right[$0] : "")
    }
    return EnactComparison(
      difference: theirs.difference(from: here), cannot: nil, numbers: numbers(theirs, here), rows: rows,
      diagnosed: diagnosed)
  }

  private func cannot(_ why: String, _ diagnosed: [String]) -> EnactComparison {
    EnactComparison(difference: nil, cannot: why, numbers: [], rows: [], diagnosed: diagnosed)
  }

  private var isOpening: Bool {
    !["established-paws", "no-socket", "conntrack-invalid"].contains(mechanism)
  }

  /// The ends of the lab's attempt, on the same side of a translator as theirs.
  private func ourClient(_ segments: [Sighting], opens: Bool) -> (client: Endpoint, server: Endpoint)? {
    if !opens {
      // The end that a lab's client has: the port that is not one of the lab's listeners.
      let ends = segments.compactMap { segment -> (Endpoint, Endpoint)? in
        if (8_000..<8_250).contains(segment.destination.port) { return (segment.source, segment.destination) }
        if (8_000..<8_250).contains(segment.source.port) { return (segment.destination, segment.source) }
        return nil
      }
      let wanted = story.life.unwritten || story.life.inner != nil
      guard let first = ends.first else { return nil }
      return (wanted ? ends.last { $0.0 != first.0 } : nil) ?? first
    }
    guard let first = segments.first(where: \.isSYN) else { return nil }
    let own = (client: first.source, server: first.destination)
    guard story.life.inner != nil else { return own }
    let translated = segments.first { $0.isSYN && $0.sequence == first.sequence && $0.source != first.source }
    return translated.map { ($0.source, $0.destination) } ?? own
  }

  /// A second of ticks, or one in a hundred: what passes meanwhile is not the same.
  private func numbers(_ theirs: EnactTrace, _ here: EnactTrace) -> [String] {
    var lines: [String] = []
    if let a = theirs.ticksBehind, let b = here.ticksBehind {
      let isSame = (a > 0) == (b > 0) && abs(a - b) <= max(3_000, abs(a) / 100)
      lines.append(
        "TSval \(Self.behind(a)), here \(Self.behind(b))" + (isSame ? "" : ": not the same"))
    }
    if let a = theirs.isAhead, let b = here.isAhead {
      func word(_ ahead: Bool) -> String { ahead ? "ahead of" : "behind" }
      lines.append(
        a == b
          ? "its number lies \(word(a)) what was received before, here too"
          : "its number lies \(word(a)) what was received before, here \(word(b)): not the same")
    }
    return lines
  }

  private static func behind(_ ticks: Int) -> String {
    ticks > 0 ? "\(ticks) ticks behind" : "\(-ticks) ticks ahead"
  }
}
