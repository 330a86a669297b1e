import Evidence

/// Lives whose SYNs nobody answers, or not the first.
enum SilenceReading {
  static func silent(_ life: Life, in around: Surroundings) -> [Fit] {
    let words = "\(Words.count(life.syns, "SYN")), no answer"
    if around.isAbsent(life.server.address), life.refusals == 0, !around.traffic.view.isOneSided {
      return [
        Fit(
          cause: .hostGone, certainty: .shown,
          evidence: [words, "\(life.server.address) is asked for on the link, and nobody answers"])
      ]
    }
    if let complaint = life.complaint, complaint.words.contains("time exceeded") {
      return [
        Fit(
          cause: .looped, certainty: .shown, evidence: [words, "\(complaint.words), says \(complaint.from)"])
      ]
    }
    if let said = around.traffic.vague[life.client.address] {
      let evidence = [words, "\(said), to the same client, cut off before what it is about"]
      return AnswerReading.icmp(
        .likely, evidence, mayBeDirector: said.contains("port unreachable") && around.facts.services.isEmpty)
    }
    // Its translation went out: what became of that is told of that.
    if life.forwarded > 0 { return [] }
    switch around.view {
    case .hop where life.inner == nil && life.passedOn == 0: return swallowed(life, words, around)
    case .hop: return beyond(life, words, around, isNear: false)
    case .server: return beyond(life, words, around, isNear: true)
    case .client, .between, .unknown: return beyond(life, words, around, isNear: false)
    }
  }

  // MARK: it came to the server, or goes there

  /// Attempts without an answer that are no chance.
  private static let many = 3

  /// - Parameter isNear: whether the SYNs were seen at the server itself; else they may have been lost behind.
  private static func beyond(_ life: Life, _ words: String, _ around: Surroundings, isNear: Bool) -> [Fit] {
    var fits: [Fit] = []
    if let fit = recycle(life, words, around, isNear: isNear) { fits.append(fit) }
    if let best = fits.first, best.certainty >= .likely { return fits }
    let tally = around.tally(life)
    let port = around.port(life)
    if port.answered == 0, !around.traffic.view.isOneSided {
      // One that is refused may be any; many, and nobody served, are not picked out by their clocks or ports.
      let isPlain = port.silent >= many
      fits.append(
        Fit(
          cause: .nothingAnswers, certainty: isPlain ? .likely : .possible,
          evidence: [
            words + "; nothing at all is answered on that port"
              + (port.silent > 1 ? ", none of \(Words.count(port.silent, "attempt"))" : "")
          ]))
    }
    let answered = tally.answered > 0 ? "; \(Words.count(tally.answered, "other")) got an answer" : ""
    let listener = around.listener(life)
    if isNear, listener.mute > 0, listener.talked == 0, listener.halfOpen == 0 {
      return fits + [
        Fit(
          cause: .mechanism("listen-overflow"), certainty: .likely,
          evidence: [
            words,
            "\(Words.count(listener.mute, "connection")) of that port \(listener.mute == 1 ? "is" : "are") open, and no program has said or closed anything on \(listener.mute == 1 ? "it" : "them")",
          ])
      ]
    }
    for name in ["listen-overflow", "syn-queue", "rp-filter"] {
      var fit = Fit(
        cause: .mechanism(.init(rawValue: name)), certainty: .possible, evidence: [words + answered])
      if name == "rp-filter", tally.answered > 0 { fit.against = ["the same server answers others"] }
      if name != "rp-filter", around.answersMeanwhile(life) {
        fit.against = ["the same port answers others at the same time"]
      }
      fits.append(fit)
    }
    if tally.answered > 0 {
      fits.append(Fit(cause: .filtered, certainty: .possible, evidence: [words + answered]))
    }
    if !isNear {
      let path = ["hop", "conntrack-full", "nat-race", "ipvs", "lost-answer"]
      fits += path.map {
        Fit(cause: .mechanism(.init(rawValue: $0)), certainty: .possible, evidence: [words + answered])
      }
      fits.append(Fit(cause: .loss, certainty: .possible, evidence: [words]))
    }
    return fits
  }

  private static func recycle(_ life: Life, _ words: String, _ around: Surroundings, isNear: Bool) -> Fit? {
    let facts = around.facts
    if facts.isBefore(4, 12) == false || facts.setting("tcp_tw_recycle") == "0" { return nil }
    let seconds: Int
    var evidence = [words]
    switch life.remembered {
    case .newer(let stamp, let age):
      seconds = age
      let by = life.tsval.map { "\(stamp &- $0) ticks behind" } ?? "without a timestamp"
      evidence.append(
        "the SYN is \(by), where \(life.client.address) was \(seconds) s ago when the server closed a connection of it first"
      )
    case .fine: return nil
    case .young(let seconds):
      let isOff = facts.setting("tcp_timestamps") == "0"
      return Fit(
        cause: .mechanism("recycle"), certainty: isOff ? .likely : .possible,
        evidence: evidence + [
          "the server closed a connection of \(life.client.address) first \(seconds) s ago, and \(isOff ? "has" : "if it has") its timestamps off now"
        ], against: isOff ? [] : ["the SYN is not older by timestamp"])
    case .nothing:
      guard around.view != .server || life.began - around.traffic.first < 60_000_000_000 else { return nil }
      // What the server remembers from before the capture nobody sees.
      return Fit(
        cause: .mechanism("recycle"), certainty: .possible, evidence: evidence,
        against: isNear ? ["no connection of that address is seen before"] : [])
    }
    var fit = Fit(cause: .mechanism("recycle"), certainty: .likely, evidence: evidence)
    if around.traffic.answeredThoughOlder > 0 {
      fit.against.append("\(Words.count(around.traffic.answeredThoughOlder, "SYN")) as old got an answer")
      fit.certainty = .possible
    }
    if around.traffic.silentThoughFine > around.traffic.silentAndOlder {
      fit.against.append(
        "\(Words.count(around.traffic.silentThoughFine, "SYN")) that is not older got none either")
      fit.certainty = .possible
    }
    if facts.setting("tcp_tw_recycle") == "1" || (facts.counter("PAWSPassive") ?? 0) > 0 {
      fit.certainty = .shown
    }
    return fit
  }

  // MARK: it came to a box, and did not leave it

  /// What a conntrack entry of a closed connection lives (nf_conntrack_tcp_timeout_time_wait).
  private static let remembered: Int64 = 120_000_000_000

  private static func swallowed(_ life: Life, _ words: String, _ around: Surroundings) -> [Fit] {
    let words = words + ": it comes to the box and does not leave it"
    if let race = race(life, words, around) { return [race] }
    if let past = life.past, let outer = past.outer, outer != life.server {
      return [
        Fit(
          cause: .mechanism("ipvs"), certainty: .likely,
          evidence: [words, "the connection before from the same port went to \(outer)"])
      ]
    }
    var fits = [ports(life, words, around)]
    for name in ["conntrack-full", "rp-filter"] {
      fits.append(Fit(cause: .mechanism(.init(rawValue: name)), certainty: .possible, evidence: [words]))
    }
    let rules = around.facts.drops
    fits.append(
      Fit(
        cause: .filtered, certainty: rules.isEmpty ? .possible : .likely,
        evidence: [words] + rules.prefix(2).map { "a rule that drops: \($0)" }))
    return fits
  }

  /// Whether the NAT has a port left, as far as it has been seen to give any.
  private static func ports(_ life: Life, _ words: String, _ around: Surroundings) -> Fit {
    let given = around.traffic.portsGiven.filter { $0.key.port == life.server.port }.reduce(
      into: Set<UInt16>()
    ) {
      $0.formUnion($1.value)
    }
    // A NAT that leaves ports as they are has as many as its clients.
    let own = around.traffic.translations.filter { $0.server.port == life.server.port }
    let chooses = !own.contains { $0.port == $0.client.port }
    let busy = Set(
      own.filter {
        $0.time < life.began && life.began - $0.time < remembered
          && $0.client != life.client
      }.map(\.port))
    let known = around.facts.portRange.map { $0.count } ?? given.count
    guard chooses, known > 0, known <= 64, busy.count >= known else {
      return Fit(cause: .mechanism("hop"), certainty: .possible, evidence: [words])
    }
    return Fit(
      cause: .mechanism("hop"), certainty: .likely,
      evidence: [
        words,
        "all \(Words.count(known, "port")) that the NAT gives towards that server were given to others in the last two minutes",
      ])
  }

  /// Whether another client's SYN of the same port left the box at the same instant.
  private static func race(_ life: Life, _ words: String, _ around: Surroundings) -> Fit? {
    guard let lost = life.synTimes.first else { return nil }
    let winner = around.traffic.translations.first {
      abs($0.time - lost) < 20_000_000 && $0.client != life.client && $0.server.port == life.server.port
        && $0.port == life.client.port
    }
    guard let winner else { return nil }
    return Fit(
      cause: .mechanism("nat-race"), certainty: .likely,
      evidence: [
        words,
        "\(winner.client) had its SYN sent on by port \(winner.port) \(Words.seconds(of: abs(winner.time - lost))) apart",
      ])
  }

  // MARK: the first SYNs only

  static func late(_ life: Life, in around: Surroundings) -> [Fit] {
    let fits = first(life, in: around)
    guard around.view != .server, around.traffic.recovered > 0, !fits.isEmpty,
      !fits.contains(where: { $0.certainty >= .likely })
    else { return fits }
    let words =
      "data had to be sent again too, on \(Words.count(around.traffic.recovered, "connection")) that went on after it"
    return [Fit(cause: .loss, certainty: .likely, evidence: [words])] + fits.filter { $0.cause != .loss }
  }

  private static func first(_ life: Life, in around: Surroundings) -> [Fit] {
    let waited = Words.seconds(of: max(0, life.firstSynAck - life.began))
    let words = "\(Words.count(life.syns, "SYN")), the answer \(waited) after the first"
    if around.view == .hop, life.inner == nil, life.forwarded > 0 || life.passedOn > 0,
      life.forwarded < life.syns
    {
      if let race = race(life, words, around) { return [race] }
      return onTheWay(life, words + ": the first does not leave the box", around)
    }
    if life.forwarded > 0 { return [] }
    var fits = [
      Fit(cause: .mechanism("listen-overflow"), certainty: .possible, evidence: [words]),
      Fit(cause: .mechanism("syn-queue"), certainty: .possible, evidence: [words]),
    ]
    if around.view != .server {
      fits += onTheWay(life, words, around)
      fits.append(Fit(cause: .loss, certainty: .possible, evidence: [words]))
    }
    return fits
  }

  /// What drops a SYN on its way, and lets the next one through.
  private static func onTheWay(_ life: Life, _ words: String, _ around: Surroundings) -> [Fit] {
    var causes = ["hop", "nat-race", "conntrack-full", "ipvs"]
    // ip6_neigh_lookup, until 2c6b55f45d53.
    if !life.server.address.isIPv4, around.facts.isBefore(5, 2) != false {
      causes.append("ipvs-first-packet")
    }
    return causes.map {
      Fit(cause: .mechanism(.init(rawValue: $0)), certainty: .possible, evidence: [words])
    }
  }
}
