import Judging
import Model

/// Holds what was seen against what each cause would leave behind.
struct Reasoner {
  private let incident: Incident
  private let facts: Facts

  init(_ incident: Incident) { (self.incident, facts) = (incident, incident.facts) }

  func answer() -> Answer {
    let readings = self.readings()
    var suspects = Suspects(facts)
    for reading in readings { suspects.add(reading) }
    suspects.addCounters(hasCaptures: !incident.captures.isEmpty)
    let list = suspects.list
    let verdict = self.verdict(list, readings)
    return Answer(
      verdict: verdict, headline: headline(verdict, list, readings), suspects: list,
      missing: Missing(incident, list, verdict).all, happened: events(readings), files: incident.files)
  }

  // MARK: captures

  /// What every troubled life comes to, each once.
  func readings() -> [Reading] {
    var readings = incident.captures.enumerated().flatMap { number, capture in
      self.readings(of: capture).map { reading in
        var reading = reading
        reading.capture = number
        return reading
      }
    }
    joinByNumber(&readings)
    return readings.map { weighed($0) }
  }

  private func readings(of capture: Incident.Capture) -> [Reading] {
    let around = Surroundings(traffic: capture.traffic, view: capture.view, facts: facts)
    return capture.traffic.troubled.map { life in
      let symptom = Symptom(life, until: .max)
      return Reading(symptom: symptom, life: life, fits: fits(symptom, life, around))
    }
  }

  private func fits(_ symptom: Symptom, _ life: Life, _ around: Surroundings) -> [Fit] {
    switch symptom {
    case .none, .undecided: []
    case .silent: SilenceReading.silent(life, in: around)
    case .late: SilenceReading.late(life, in: around)
    case .oldAck(let connected), .oldAckBehind(let connected):
      AnswerReading.oldAck(life, connected: connected, in: around)
    case .refused: AnswerReading.refused(life, in: around)
    case .complained: AnswerReading.complained(life, in: around)
    case .echoRefused: AnswerReading.echoRefused(life)
    case .answerLost:
      AnswerReading.answerLost(life, in: around)
        + (life.oldAcks == 0
          ? [] : AnswerReading.oldAck(life, connected: false, in: around).map { $0.at(most: .possible) })
    case .halfOpen: AnswerReading.halfOpen(life, in: around)
    case .handshakeAckIgnored: AnswerReading.handshakeAckIgnored(life, in: around)
    case .resetAtOnce: AnswerReading.resetAtOnce(life, in: around)
    case .resetInAnswer: OpenReading.resetInAnswer(life, in: around)
    case .stale: OpenReading.stale(life, in: around)
    case .unanswered: OpenReading.unanswered(life, in: around)
    case .askedInVain: OpenReading.askedInVain(life, in: around)
    case .unwritten: OpenReading.unwritten(life, in: around)
    }
  }

  /// The same attempt in several captures, or on both sides of a NAT, is told once: by what tells most.
  private func joinByNumber(_ readings: inout [Reading]) {
    var best: [UInt32: Int] = [:]
    var keeps = [Bool](repeating: true, count: readings.count)
    func rank(_ reading: Reading) -> Int {
      guard let first = reading.fits.map(\.certainty).max() else { return 0 }
      return (first == .shown ? 3000 : first == .likely ? 2000 : 1000) - reading.fits.count
    }
    for index in readings.indices where readings[index].life.isWhole {
      let number = readings[index].life.sequence
      guard let other = best[number], readings[other].life.tsval == readings[index].life.tsval else {
        best[number] = index
        continue
      }
      // A client that asks again while its answers leave: neither side of the NAT alone shows that they do not come.
      for (silent, open) in [(index, other), (other, index)]
      where readings[silent].symptom == .silent && readings[open].symptom == .halfOpen
        && readings[silent].life.syns > 1
      {
        readings[open].symptom = .answerLost
        readings[open].life.syns = max(readings[open].life.syns, readings[silent].life.syns)
        let around = Surroundings(traffic: Traffic(), view: .hop, facts: facts)
        readings[open].fits = AnswerReading.answerLost(readings[open].life, in: around)
      }
      let loser = rank(readings[index]) > rank(readings[other]) ? other : index
      keeps[loser] = false
      if loser == other { best[number] = index }
    }
    readings = zip(readings, keeps).filter(\.1).map(\.0)
  }

  // MARK: counters and settings

  /// Takes away what a counter that stands still, or a setting, excludes; raises what alone has counted.
  private func weighed(_ reading: Reading) -> Reading {
    var reading = reading
    var kept: [Fit] = []
    for var fit in reading.fits {
      guard fit.cause.isMechanism else {
        kept.append(fit)
        continue
      }
      let counted = Counted(Knowledge.of(fit.cause), facts)
      if let zero = counted.excludes, fit.certainty < .shown {
        suspectsAgainst(&fit, zero)
        continue
      }
      if let words = exclusion(fit.cause) {
        suspectsAgainst(&fit, words)
        continue
      }
      if let words = counted.speaksFor {
        fit.evidence.append(words)
        if fit.certainty == .possible, Knowledge.of(fit.cause).countersAreItsOwn { fit.certainty = .likely }
      }
      kept.append(fit)
    }
    // What is left alone, where something was excluded, is likely.
    let mechanisms = kept.filter(\.cause.isMechanism)
    if mechanisms.count == 1, reading.fits.count > kept.count, kept.count == 1 {
      kept[0].certainty = max(kept[0].certainty, .likely)
    }
    if kept.contains(where: { $0.certainty >= .likely && $0.cause.isMechanism }) {
      kept.removeAll { $0.certainty == .possible && $0.cause.isMechanism && !keepsBesides($0.cause) }
    }
    reading.fits = kept.sorted { $0.certainty > $1.certainty }
    return reading
  }

  private func keepsBesides(_ cause: Cause) -> Bool { cause.name == "ipvs-quiesced" }

  private func suspectsAgainst(_ fit: inout Fit, _ words: String) { fit.against.append(words) }

  private func exclusion(_ cause: Cause) -> String? {
    switch cause.name {
    case "syn-queue":
      return facts.setting("tcp_syncookies").flatMap { $0 != "0" ? "tcp_syncookies is \($0)" : nil }
    case "rp-filter":
      let values = facts.settings.filter { $0.key.hasSuffix(".rp_filter") }.values
      return !values.isEmpty && values.allSatisfy { $0 == "0" } ? "rp_filter is 0 everywhere" : nil
    case "recycle":
      if facts.isBefore(4, 12) == false { return "the kernel has no tcp_tw_recycle (\(facts.kernel ?? ""))" }
      return facts.setting("tcp_tw_recycle") == "0" ? "tcp_tw_recycle is 0" : nil
    default: return nil
    }
  }

  // MARK: what comes of it

  private func verdict(_ suspects: [Answer.Suspect], _ readings: [Reading]) -> Answer.Verdict {
    if suspects.contains(where: { $0.isMechanism && $0.certainty >= .likely }) { return .mechanism }
    // Of another attempt one of the lab's may be true.
    let isOpen = readings.contains {
      $0.fits.contains(where: \.cause.isMechanism) && $0.fits.allSatisfy { $0.certainty < .likely }
    }
    if !isOpen, suspects.contains(where: { !$0.isMechanism && $0.certainty >= .likely }) {
      return .noneOfThese
    }
    if !suspects.isEmpty { return .notEnough }
    return isOneSided ? .notEnough : .nothingWrong
  }

  /// Whether a capture holds one direction only, or none: what the other one lacks is not seen.
  private var isOneSided: Bool {
    incident.captures.contains { $0.traffic.view.isOneSided }
  }

  private func headline(
    _ verdict: Answer.Verdict, _ suspects: [Answer.Suspect], _ readings: [Reading]
  ) -> String {
    switch verdict {
    case .mechanism:
      let named = suspects.filter { $0.isMechanism && $0.certainty >= .likely }
      let first = named[0]
      let who = first.clients.isEmpty ? "" : " hits \(first.clients.joined(separator: ", "))"
      let others = named.dropFirst().map(\.name)
      return "\(first.name) (\(first.certainty.rawValue))\(who): \(first.summary)"
        + (others.isEmpty ? "" : "; also \(others.joined(separator: ", "))")
    case .notEnough:
      let names = suspects.filter(\.isMechanism).map(\.name)
      if suspects.isEmpty {
        if incident.captures.allSatisfy({ $0.traffic.segments == 0 }) {
          return "Not enough to tell: no TCP was captured"
        }
        return
          "Nothing wrong is seen, but one direction only was captured: who got no answer does not show in it"
      }
      if names.isEmpty { return "Something is wrong, and what was brought does not say what" }
      if let foreign = suspects.first(where: { !$0.isMechanism && $0.certainty >= .likely }) {
        return "It looks like \(foreign.name), \(foreign.summary); and there is not enough to tell whether "
          + "\(Self.list(names)) \(names.count == 1 ? "hits" : "hit") others"
      }
      return "Not enough to tell: \(Self.list(names)) would look like this, and so does "
        + Self.list(suspects.filter { !$0.isMechanism }.map(\.name), empty: "nothing else that is known")
    case .noneOfThese:
      let foreign = suspects.first { !$0.isMechanism && $0.certainty >= .likely }
      return "None of the lab's mechanisms: it looks like \(foreign?.name ?? ""), \(foreign?.summary ?? "")"
    case .nothingWrong:
      return incident.captures.isEmpty
        ? "Nothing that was brought counts a drop by one of the lab's mechanisms"
        : "Nothing is wrong in what was captured: every SYN has its answer"
    }
  }

  private static func list(_ names: [String], empty: String = "") -> String {
    guard let last = names.last else { return empty }
    return names.count == 1 ? last : names.dropLast().joined(separator: ", ") + " or " + last
  }

  private func events(_ readings: [Reading]) -> [Answer.Event] {
    var counts: [String: [Address: Int]] = [:]
    for reading in readings {
      counts[EventWords.of(reading.symptom), default: [:]][reading.life.client.address, default: 0] += 1
    }
    var events = counts.map { what, who in
      Answer.Event(what: what, count: who.values.reduce(0, +), who: Words.who(who))
    }.sorted { ($1.count, $0.what) < ($0.count, $1.what) }
    for capture in incident.captures {
      let healthy = capture.traffic.healthy
      if healthy > 0 {
        events.append(
          Answer.Event(what: "connections that went well, in \(capture.file)", count: healthy, who: []))
      }
      events += EventWords.clocks(capture.traffic)
    }
    return events
  }
}

/// What was seen, in words.
enum EventWords {
  static func of(_ symptom: Symptom) -> String {
    switch symptom {
    case .none, .undecided: "nothing"
    case .silent: "SYNs without an answer"
    case .oldAck(true), .oldAckBehind(true):
      "SYNs answered by the ACK of something older, connected after a RST"
    case .oldAck(false), .oldAckBehind(false):
      "SYNs answered by the ACK of something older, never connected"
    case .refused: "SYNs answered by a RST"
    case .complained: "SYNs answered by an ICMP error"
    case .late: "SYNs of which not the first was answered"
    case .echoRefused: "SYN-ACKs refused by a RST, for their echo is nobody's"
    case .answerLost: "SYN-ACKs not reaching who asked"
    case .halfOpen: "SYN-ACKs to who says nothing more"
    case .handshakeAckIgnored: "SYN-ACKs again, though acknowledged"
    case .resetAtOnce: "connections reset as soon as open"
    case .resetInAnswer: "open connections reset in answer to a segment"
    case .stale: "open connections whose timestamps go back"
    case .unanswered: "open connections on which nothing is acknowledged any more"
    case .askedInVain: "open connections on which nobody answers a probe"
    case .unwritten: "connections going on with an address that nobody has rewritten"
    }
  }

  /// Addresses whose SYNs go back in time.
  static func clocks(_ traffic: Traffic) -> [Answer.Event] {
    let back = traffic.clocks.filter { $0.value.stepsBack > 0 }.sorted {
      $0.value.stepsBack > $1.value.stepsBack
    }
    return back.prefix(5).map { pair, clocks in
      Answer.Event(
        what: "SYNs whose TSval lies behind one before, by up to \(clocks.by) ticks, towards \(pair.server)",
        count: clocks.stepsBack, who: ["\(pair.client)"])
    }
  }
}
