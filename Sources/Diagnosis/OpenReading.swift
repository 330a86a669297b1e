/// Lives that were open, and came to a bad end.
enum OpenReading {
  static func stale(_ life: Life, in around: Surroundings) -> [Fit] {
    let isClient = life.fromClient.stale >= life.fromServer.stale
    let (way, other) = isClient ? (life.fromClient, life.fromServer) : (life.fromServer, life.fromClient)
    let who = isClient ? "client" : "server"
    let words =
      "\(Words.count(way.stale, "segment")) of the \(who) \(way.stale == 1 ? "is" : "are") older by timestamp than one before, by \(way.staleBy) ticks"
    // Where it was believed nothing was lost.
    let harmed = way.mostRepeats > 0 || other.mostRepeats > 0 || other.duplicates > 0
    guard harmed else { return [] }
    return [
      Fit(
        cause: .mechanism("established-paws"), certainty: .shown,
        evidence: [words, "what it sends is sent again, or answered by the ACK that was there before"])
    ]
  }

  static func resetInAnswer(_ life: Life, in around: Surroundings) -> [Fit] {
    guard let reset = life.reset else { return [] }
    let who = reset.byServer ? "server" : "client"
    let idle = reset.idle > 5_000_000_000 ? ", after \(Words.seconds(of: reset.idle)) without a packet" : ""
    let what = reset.answersProbe ? "a probe (keepalive, or of a closed window)" : "a segment"
    let words = "a RST from the \(who)'s side answers \(what) of an open connection\(idle)"
    if reset.acknowledges {
      return [
        Fit(
          cause: .programResets, certainty: .likely,
          evidence: [words + "; it acknowledges, as a program's does"])
      ]
    }
    let own = reset.byServer ? life.fromServer.ttl : life.fromClient.ttl
    var fit = Fit(
      cause: .mechanism("no-socket"), certainty: .likely,
      evidence: [
        words + "; its number is what that segment acknowledged, as of a host that has no such connection"
      ])
    if let own, own != reset.ttl {
      fit.evidence.append("its TTL is not the \(who)'s: a box in between sends it")
    }
    // Without its connection before, or from the far side of a NAT, it may be one that nobody has rewritten.
    let isNear = reset.byServer ? around.view == .server : around.view == .client || around.view == .server
    if life.isWhole, isNear || (around.view == .hop && own != reset.ttl) { return [fit] }
    fit.certainty = .possible
    return [fit, Fit(cause: .mechanism("conntrack-invalid"), certainty: .possible, evidence: [words])]
  }

  static func unanswered(_ life: Life, in around: Surroundings) -> [Fit] {
    let isClient = life.fromClient.repeats >= life.fromServer.repeats
    let way = isClient ? life.fromClient : life.fromServer
    let who = isClient ? "client" : "server"
    let idle =
      life.longestIdle > 5_000_000_000 ? "; it was idle for up to \(Words.seconds(of: life.longestIdle))" : ""
    let words = "data of the \(who) is sent \(way.repeats + 1) times, and nothing acknowledges it\(idle)"
    let other = isClient ? life.fromServer : life.fromClient
    if way.repeated >= 1_000, other.duplicates > 0 {
      return [
        Fit(
          cause: .tooLarge, certainty: .likely,
          evidence: [
            "a segment of \(way.repeated) bytes is sent \(way.repeats + 1) times, and the other end says that it lacks it: smaller ones come through"
          ])
      ]
    }
    let unseen: [Fit] =
      around.traffic.view.isOneSided
      ? [Fit(cause: .mechanism("established-paws"), certainty: .possible, evidence: [words])] : []
    return unseen + [
      Fit(cause: .peerGone, certainty: .possible, evidence: [words]),
      Fit(cause: .mechanism("conntrack-invalid"), certainty: .possible, evidence: [words]),
      Fit(cause: .mechanism("ipvs"), certainty: .possible, evidence: [words]),
      Fit(cause: .loss, certainty: .possible, evidence: [words]),
    ]
  }

  /// `tcp_keepalive_timer`, `tcp_probe_timer`: who has asked often enough gives up, by a RST where he asked at all.
  static func askedInVain(_ life: Life, in around: Surroundings) -> [Fit] {
    let isClient = life.reset.map { !$0.byServer } ?? (life.fromClient.probes >= life.fromServer.probes)
    let (way, other) = isClient ? (life.fromClient, life.fromServer) : (life.fromServer, life.fromClient)
    // Where its direction was not captured, answers may have been there.
    guard other.segments > 0 else { return [] }
    let (probes, asking) =
      life.reset.map { ($0.unansweredProbes, $0.asking) } ?? (way.probes, life.ended - way.firstProbe)
    let end = life.reset == nil ? "" : ", and its end gives up by a RST"
    let words =
      "\(Words.count(probes, "probe")) of the \(isClient ? "client" : "server") (keepalive, or of a closed window) "
      + "\(probes == 1 ? "is" : "are") not answered for \(Words.seconds(of: asking))\(end)"
    return [
      Fit(cause: .peerGone, certainty: .likely, evidence: [words]),
      Fit(cause: .mechanism("conntrack-invalid"), certainty: .possible, evidence: [words]),
      Fit(cause: .mechanism("ipvs"), certainty: .possible, evidence: [words]),
    ]
  }

  static func unwritten(_ life: Life, in around: Surroundings) -> [Fit] {
    [
      Fit(
        cause: .mechanism("conntrack-invalid"), certainty: .shown,
        evidence: [
          "\(life.client) goes on, to the byte, with a connection that came from another address: a NAT has let it through un-rewritten"
        ])
    ]
  }
}
