import Evidence

/// Lives whose SYN is answered, but not by the SYN-ACK that it asked for.
enum AnswerReading {
  /// A bare ACK in answer to a SYN. What it acknowledges is `rcv_nxt` of what is there, what it echoes is `ts_recent`
  /// (tcp_v4_timewait_ack, tcp_send_challenge_ack): so the ACK itself says what TIME_WAIT would make of the SYN.
  static func oldAck(_ life: Life, connected: Bool, in around: Surroundings) -> [Fit] {
    let next = life.oldAck?.acknowledgement ?? life.clientReset
    guard let next else { return [] }
    var past = life.past
    // What lies before on the same addresses is the same connection only where the numbers agree.
    if let known = past?.next, known != next, known != next &- 1 { past = nil }
    let recent = life.oldAck?.tsecr ?? past?.recent
    let rule = Rule(life, next: next, recent: recent, isSeen: life.syns > 0)
    let numbers = numbers(life, next: next, recent: recent)
    let shown = "a bare ACK answers the SYN in place of a SYN-ACK" + numbers
    // Where the RSTs came through and it is refused all the same, only TIME_WAIT with tcp_rfc1337 ignores them.
    let isDeaf = !connected && life.clientResets >= 2 && around.view != .client && around.view != .unknown
    switch past?.state {
    case .timeWait where rule == .older || rule == .behind:
      return [timeWait(rule, .shown, shown + "; the server closed the connection before it first", life)]
        .compactMap(\.self)
    case .finWait2 where around.view != .client || past?.wasWhole == true:
      return [
        Fit(
          cause: .mechanism("fin-wait-2"), certainty: .shown,
          evidence: [shown + "; the server has closed the connection before it, the client has not"])
      ]
    case .open where past?.wasWhole == true || rule == .accepts || rule == .acceptsByTime:
      return [challenge(.shown, shown + "; the connection before it was never closed by the server")]
    default: break
    }
    if rule == .accepts {
      return [challenge(.shown, shown + "; a TIME_WAIT would have let it through by these numbers")]
    }
    if rule == .acceptsByTime {
      return [
        challenge(.possible, shown + "; a TIME_WAIT would have let it through by its timestamp"),
        Fit(cause: .mechanism("fin-wait-2"), certainty: .possible, evidence: [shown]),
      ]
    }
    guard rule != .unknown else {
      return [
        timeWait(.older, .possible, shown, life), timeWait(.behind, .possible, shown, life),
        challenge(.possible, shown),
        Fit(cause: .mechanism("fin-wait-2"), certainty: .possible, evidence: [shown]),
      ].compactMap(\.self)
    }
    let why =
      isDeaf ? "; the client's RSTs did not end it, which only TIME_WAIT with tcp_rfc1337=1 withstands" : ""
    // Where the answers were not captured, the SYN behind a RST may have one that goes astray.
    let isAstray = !connected && life.syns > 1 && around.traffic.view.isOneSided
    var fits = [timeWait(rule, isDeaf ? .likely : .possible, shown + why, life)].compactMap(\.self)
    if !isDeaf {
      fits.append(challenge(.possible, shown))
      fits.append(Fit(cause: .mechanism("fin-wait-2"), certainty: .possible, evidence: [shown]))
    }
    if isAstray {
      fits.append(Fit(cause: .mechanism("lost-answer"), certainty: .possible, evidence: [shown]))
    }
    return fits
  }

  /// What TIME_WAIT makes of a SYN by numbers alone (tcp_timewait_state_process).
  private enum Rule {
    /// `acceptsByTime`: for its timestamp alone, which FIN_WAIT2 does not ask for.
    case older, behind, accepts, acceptsByTime, unknown

    init(_ life: Life, next: UInt32, recent: UInt32?, isSeen: Bool) {
      if let tsval = life.tsval, let recent, Modular.before(tsval, recent) {
        self = .older
      } else if !isSeen {
        self = .unknown
      } else if Modular.after(life.sequence, next) {
        // The echo tells nothing where the server uses no timestamps, and then nothing but the number decides.
        self = recent == nil && life.tsval != nil && life.oldAck == nil ? .unknown : .accepts
      } else if let tsval = life.tsval, let recent, Modular.before(recent, tsval) {
        self = .acceptsByTime
      } else {
        self = recent == nil && life.tsval != nil && life.oldAck == nil ? .unknown : .behind
      }
    }
  }

  private static func numbers(_ life: Life, next: UInt32, recent: UInt32?) -> String {
    var text = ""
    if let tsval = life.tsval, let recent {
      let by = Int32(bitPattern: recent &- tsval)
      text = by > 0 ? ": TSval \(by) ticks behind" : ": TSval \(-Int(by)) ticks ahead"
    }
    let by = Int32(bitPattern: next &- life.sequence)
    if life.syns > 0 {
      text += (text.isEmpty ? ": " : ", ") + "number \(by >= 0 ? "behind" : "ahead of") rcv_nxt"
    }
    return text
  }

  private static func timeWait(_ rule: Rule, _ certainty: Certainty, _ words: String, _ life: Life) -> Fit? {
    switch rule {
    case .older: Fit(cause: .mechanism("tw-paws"), certainty: certainty, evidence: [words])
    case .behind: Fit(cause: .mechanism("tw-seq"), certainty: certainty, evidence: [words])
    case .accepts, .acceptsByTime, .unknown: nil
    }
  }

  private static func challenge(_ certainty: Certainty, _ words: String) -> Fit {
    Fit(cause: .mechanism("challenge-ack"), certainty: certainty, evidence: [words])
  }

  /// An RST in answer to a SYN.
  static func refused(_ life: Life, in around: Surroundings) -> [Fit] {
    if life.past?.state == .finWait2 {
      return [
        Fit(
          cause: .mechanism("fin-wait-2"), certainty: .shown,
          evidence: [
            "a RST answers the SYN; the server has closed the connection before it, the client has not"
          ])
      ]
    }
    let tally = around.tally(life)
    var fit = Fit(
      cause: .nobodyListens, certainty: tally.answered == 0 ? .shown : .likely,
      evidence: [
        "a RST answers the SYN" + (tally.answered == 0 ? ", and no other SYN to that port is answered" : "")
      ])
    if let ttl = life.fromServer.ttl, ttl != life.refusalTTL {
      fit.evidence.append("the RST has another TTL than the server's packets: a box in between sends it")
    }
    if tally.answered > 0 {
      fit.against = ["the same port has answered \(Words.count(tally.answered, "other"))"]
    }
    return [fit]
  }

  static func complained(_ life: Life, in around: Surroundings) -> [Fit] {
    guard let complaint = life.complaint else { return [] }
    let words = "\(complaint.words), says \(complaint.from)"
    let weights = around.facts.services.values.flatMap { $0.map(\.weight) }
    let isPort = complaint.words == "ICMP port unreachable"
    if isPort, !weights.isEmpty, weights.allSatisfy({ $0 == 0 }) {
      return [
        Fit(
          cause: .mechanism("ipvs-quiesced"), certainty: .likely,
          evidence: [words, "every real server of the director has weight 0"])
      ]
    }
    return icmp(
      .shown, [words],
      mayBeDirector: isPort && complaint.from == life.server.address && around.facts.services.isEmpty)
  }

  /// An ICMP error: of a rule or a route; where the very address says so that was asked, of a director as well that has
  /// nobody to schedule to (`ip_vs_leave`).
  static func icmp(_ certainty: Certainty, _ evidence: [String], mayBeDirector: Bool) -> [Fit] {
    mayBeDirector
      ? ["icmp", "ipvs-quiesced"].map {
        Fit(cause: .mechanism($0), certainty: .possible, evidence: evidence)
      } : [Fit(cause: .mechanism("icmp"), certainty: certainty, evidence: evidence)]
  }

  /// A SYN-ACK with an echo that is none of the client's: with its RST there is nothing else that it can be.
  static func echoRefused(_ life: Life) -> [Fit] {
    let words =
      "\(Words.count(life.wrongEchoes, "SYN-ACK")) of \(life.synAcks) "
      + "\(life.wrongEchoes == 1 ? "echoes" : "echo") \(life.wrongEcho ?? 0), and the SYN has said \(life.tsval ?? 0)"
    return [
      Fit(
        cause: .mechanism("ts-echo"), certainty: .shown,
        evidence: [words + "; the client answers by a RST and goes on waiting"])
    ]
  }

  /// SYN-ACKs that nobody acknowledges.
  static func answerLost(_ life: Life, in around: Surroundings) -> [Fit] {
    if life.isDisowned || life.reset?.byServer == false { return answerRefused(life) }
    let words = "\(Words.count(life.synAcks, "SYN-ACK")) for \(Words.count(life.syns, "SYN")), and no ACK"
    switch around.view {
    case .client:
      return [
        Fit(
          cause: .clientDrops, certainty: .likely, evidence: [words + ": they come to the client's machine"]),
        Fit(cause: .mechanism("rp-filter"), certainty: .possible, evidence: [words]),
      ]
    case .hop where life.answersPassedOn == 0 && life.passedOn > 0:
      return [
        Fit(cause: .mechanism("rp-filter"), certainty: .possible, evidence: [words + "; none is passed on"]),
        Fit(
          cause: .mechanism("lost-answer"), certainty: .possible, evidence: [words + "; none is passed on"]),
      ]
    default:
      // An answer that rp_filter throws away on its way is one that is lost, by a cause with a name.
      let isOff =
        around.facts.setting("conf.all.rp_filter") == "0" || around.facts.counter("IPReversePathFilter") == 0
      return [
        Fit(
          cause: .mechanism("lost-answer"), certainty: isOff ? .likely : .possible,
          evidence: [words + ": the client goes on asking, so that none has reached it"]),
        Fit(cause: .mechanism("rp-filter"), certainty: .possible, evidence: [words]),
      ]
    }
  }

  /// SYN-ACKs that a RST answers. Whoever sends it writes the same (`tcp_v4_send_reset`): one who has not asked, and a client
  /// that takes the echo for an old one's, which is not to be seen behind the box that rewrites.
  private static func answerRefused(_ life: Life) -> [Fit] {
    let words = "a RST answers the SYN-ACK, and the SYN comes again"
    let ttl = life.reset?.byServer == false ? life.reset?.ttl : life.clientResetTTL
    let others = "the answer goes to somebody else than who asked"
    if let ttl, let own = life.fromClient.ttl, ttl != own {
      return [
        Fit(
          cause: .mechanism("lost-answer"), certainty: .likely,
          evidence: ["\(words); the RST's TTL is \(ttl) and the SYN's \(own): \(others)"])
      ]
    }
    guard life.tsval != nil else {
      return [Fit(cause: .mechanism("lost-answer"), certainty: .likely, evidence: ["\(words): \(others)"])]
    }
    return [
      Fit(cause: .mechanism("lost-answer"), certainty: .possible, evidence: ["\(words): \(others)"]),
      Fit(
        cause: .mechanism("ts-echo"), certainty: .possible,
        evidence: ["\(words): the client refuses an echo that was rewritten on its way"]),
    ]
  }

  static func halfOpen(_ life: Life, in around: Surroundings) -> [Fit] {
    if around.traffic.view.isOneSided {
      let words = "\(Words.count(life.synAcks, "SYN-ACK")), and what the client says is not captured"
      var causes: [Cause] = [.clientGone, .mechanism("lost-answer"), .mechanism("rp-filter")]
      if life.hasTimestamps { causes.append(.mechanism("ts-echo")) }
      return causes.map { Fit(cause: $0, certainty: .possible, evidence: [words]) }
    }
    return [
      Fit(
        cause: .clientGone, certainty: .likely,
        evidence: ["\(Words.count(life.synAcks, "SYN-ACK")), and the client says nothing more"])
    ]
  }

  static func handshakeAckIgnored(_ life: Life, in around: Surroundings) -> [Fit] {
    let words =
      "\(Words.count(life.synAcksAfterAck, "SYN-ACK")) more, although the client has acknowledged the first"
    let isNear = around.view == .server || around.view == .hop
    return [
      Fit(
        cause: .mechanism("listen-overflow"), certainty: isNear ? .likely : .possible, evidence: [words],
        against: isNear ? [] : ["the ACK may have been lost behind where this was captured"])
    ] + (isNear ? [] : [Fit(cause: .loss, certainty: .possible, evidence: [words])])
  }

  static func resetAtOnce(_ life: Life, in around: Surroundings) -> [Fit] {
    let words = "a RST of the server answers what ended the handshake"
    if life.reset?.acknowledges == true {
      return [
        Fit(
          cause: .programResets, certainty: .likely,
          evidence: [words + "; it acknowledges, as a program's does (tcp_send_active_reset)"])
      ]
    }
    return [
      Fit(
        cause: .mechanism("listen-overflow"), certainty: .possible,
        evidence: [words + " (tcp_abort_on_overflow)"]),
      Fit(cause: .mechanism("no-socket"), certainty: .possible, evidence: [words]),
      Fit(cause: .programResets, certainty: .possible, evidence: [words]),
    ]
  }
}
