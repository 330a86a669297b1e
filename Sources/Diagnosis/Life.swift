import Evidence

/// What one attempt to connect, and the connection that came of it, left in a capture. Kept small: there may be a
/// hundred thousand.
struct Life {
  /// One direction of it.
  struct Way {
    var segments = 0
    /// Behind the newest byte.
    var next: UInt32?
    var tsval: UInt32?
    var tsvalTime: Int64 = 0
    /// Segments that were older by timestamp than one before, and by how many ticks at most.
    var stale = 0
    var staleBy: UInt32 = 0
    var firstStale: Int64 = 0
    /// Data that was sent again since the other end last acknowledged some.
    var repeats = 0
    var mostRepeats = 0
    /// Bytes of the last one that was.
    var repeated = 0
    var fin: Int64?
    /// What it acknowledged with its FIN, and whether it has acknowledged more since.
    var finAcknowledged: UInt32 = 0
    var goesOnBehindFin = false
    var ttl: UInt8?
    var bytes = 0
    /// The newest acknowledgement that it gave.
    var acknowledged: UInt32?
    var last: Sighting.Flags = []
    var lastTime: Int64 = 0
    var lastAcknowledgement: UInt32 = 0
    var lastSequence: UInt32 = 0
    var lastCarried = false
    /// ACKs without data that repeat what the end has said.
    var duplicates = 0
    /// Probes since the other end last said anything, and when the first of them was sent.
    var probes = 0
    var firstProbe: Int64 = 0

    /// Whether it asks if the other end is there: an ACK of one byte before the newest, of keepalive or of a closed window
    /// (`tcp_xmit_probe_skb`).
    func isProbe(_ segment: Sighting) -> Bool { segment.isBareAck && segment.sequence &+ 1 == next }
  }

  /// A bare ACK in answer to a SYN: of an earlier connection, or of one that is open.
  struct OldAck {
    var acknowledgement: UInt32
    var tsecr: UInt32?
  }

  /// A RST on an open connection.
  struct Reset {
    var byServer: Bool
    var time: Int64
    var ttl: UInt8
    /// Whether it answers the other end's last segment: its number is what that acknowledged.
    var answers: Bool
    /// Whether that one carried data or a FIN.
    var answersData: Bool
    /// Whether that one asked if there is anybody.
    var answersProbe: Bool
    /// How often its own end had asked that before, without an answer, and for how many nanoseconds.
    var unansweredProbes: Int
    var asking: Int64
    /// Nanoseconds without a packet before what it answers.
    var idle: Int64
    /// Bytes that had passed before.
    var bytes: Int
    var acknowledges: Bool
  }

  /// What `tcp_tw_recycle` would say to its first SYN.
  enum Remembered {
    case nothing
    case newer(UInt32, seconds: Int)
    /// It is not older than what is remembered, which is younger than 60 s: refused only where the server has its
    /// timestamps off since.
    case young(seconds: Int)
    case fine
  }

  var client: Endpoint
  var server: Endpoint
  var began: Int64
  var ended: Int64

  /// Whether its SYN or SYN-ACK was seen; else it was open when the capture began.
  var isWhole = false
  var syns = 0
  var lastSyn: Int64 = 0
  var sequence: UInt32 = 0
  var tsval: UInt32?
  var newestTsval: UInt32?
  var hasTimestamps = false

  var synAcks = 0
  /// Those that came although the client had acknowledged one.
  var synAcksAfterAck = 0
  var firstSynAck: Int64 = 0
  var answerIsPlain = false
  /// SYN-ACKs whose echo is no timestamp that its SYNs have had, and the first of them.
  var wrongEchoes = 0
  var wrongEcho: UInt32?
  var isEstablished = false
  var oldAcks = 0
  var oldAck: OldAck?
  /// SYNs before the first answer.
  var synsBefore = 0
  var clientResets = 0
  var clientReset: UInt32?
  var clientResetTTL: UInt8?
  /// A RST of just behind the SYN: it answers a SYN-ACK, by somebody who had not asked.
  var isDisowned = false
  var refusals = 0
  var refusalTTL: UInt8 = 0
  var complaints = 0
  var complaint: Complaint?

  var fromClient = Way()
  var fromServer = Way()
  var reset: Reset?
  var longestIdle: Int64 = 0
  private var idleBefore: Int64 = 0

  /// What lay on its addresses and ports before.
  var past: Past?
  var remembered = Remembered.nothing
  /// Copies of its SYNs that left this box with other addresses, and which.
  var forwarded = 0
  var outer: (client: Endpoint, server: Endpoint)?
  /// Whose SYN it is the translation of.
  var inner: (client: Endpoint, server: Endpoint)?
  /// SYNs that were seen a second time, on their way out.
  var passedOn = 0
  /// SYN-ACKs and others that were.
  var answersPassedOn = 0
  var synsIn = 0
  var synsOut = 0
  var clientTTL: UInt8 = 0
  /// When each of its first SYNs was seen; eight at most.
  var synTimes: [Int64] = []
  var firstInterface = 0
  /// Segments of the client but SYNs that left this box as they came.
  var copies = 0
  /// It goes on with the numbers of a connection of other addresses.
  var unwritten = false

  init(client: Endpoint, server: Endpoint, time: Int64) {
    (self.client, self.server, began, ended) = (client, server, time, time)
  }

  /// What a life leaves to the next one on its addresses and ports.
  struct Past {
    enum State { case timeWait, finWait2, open, closed, unknown }
    var state: State
    var time: Int64
    /// `tw_rcv_nxt`.
    var next: UInt32?
    /// `tw_ts_recent`.
    var recent: UInt32?
    var outer: Endpoint?
    /// Whose it was before a translator gave it these addresses.
    var inner: Endpoint?
    /// The first life of its tuple is none of which nothing is known.
    var wasWhole: Bool
  }

  /// By its FINs; `closed` where the client sent the first, or a RST ended it.
  var left: Past {
    var state = Past.State.open
    switch (fromServer.fin, fromClient.fin) {
    case (let ours?, let theirs?): state = ours <= theirs ? .timeWait : .closed
    // Where one direction only was captured the other's FIN is known by what acknowledges it.
    case (_?, nil) where fromClient.segments == 0: state = fromServer.goesOnBehindFin ? .timeWait : .unknown
    case (_?, nil): state = .finWait2
    // The client's FIN may be the second, or the first of a server that never closes.
    case (nil, _?) where fromServer.segments == 0: state = fromClient.goesOnBehindFin ? .closed : .unknown
    case (nil, _?): state = .open
    case (nil, nil) where fromServer.segments == 0 || fromClient.segments == 0: state = .unknown
    case (nil, nil): state = isEstablished ? .open : .closed
    }
    if reset != nil || (!isEstablished && isWhole) { state = .closed }
    return Past(
      state: state, time: ended, next: fromClient.next, recent: hasTimestamps ? fromClient.tsval : nil,
      outer: outer?.server, inner: inner?.client, wasWhole: isWhole)
  }

  /// Ticks that count as a step back, and not as packets that overtook one another.
  private static let step: UInt32 = 1

  /// Takes in a segment that is of this life.
  mutating func add(_ segment: Sighting, fromClient isClient: Bool) {
    let gap = segment.time - ended
    if gap > longestIdle { longestIdle = gap }
    if gap > 1_000_000_000 { idleBefore = gap }
    ended = max(ended, segment.time)
    if isClient { addFromClient(segment) } else { addFromServer(segment) }
    note(segment, fromClient: isClient)
  }

  private mutating func addFromClient(_ segment: Sighting) {
    if segment.isSYN {
      syns += 1
      lastSyn = segment.time
      newestTsval = segment.tsval
      if synAcks == 0 { synsBefore += 1 }
      if synTimes.count < 8 { synTimes.append(segment.time) }
      if segment.outgoing == true { synsOut += 1 }
      if segment.outgoing == false { synsIn += 1 }
      clientTTL = segment.ttl
      return
    }
    if segment.isReset {
      if isWhole, synAcks == 0, !isEstablished {
        clientResets += 1
        if clientReset == nil { (clientReset, clientResetTTL) = (segment.sequence, segment.ttl) }
        if segment.sequence == sequence &+ 1 { isDisowned = true }
      } else if reset == nil {
        noteReset(segment, byServer: false)
      }
      return
    }
    if segment.flags.contains(.ack) {
      // An ACK of the SYN-ACK; where the server's side was not captured it says that there was one.
      if isWhole, !isEstablished, segment.sequence == sequence &+ 1 { isEstablished = true }
      if !isWhole { isEstablished = true }
      // A client goes on with the option only where the SYN-ACK had it.
      if segment.tsval != nil { hasTimestamps = true }
    }
  }

  private mutating func addFromServer(_ segment: Sighting) {
    if segment.isSYNACK {
      if synAcks == 0 {
        firstSynAck = segment.time
        hasTimestamps = segment.tsval != nil
        answerIsPlain = !segment.scales && !segment.permitsSACK
      } else if isEstablished {
        synAcksAfterAck += 1
      }
      // What the client has sent is between its first SYN and its last one (tcp_rcv_synsent_state_process).
      if let echo = segment.tsecr, echo != 0, let first = tsval, let last = newestTsval,
        Modular.before(echo, first) || Modular.after(echo, last)
      {
        if wrongEchoes == 0 { wrongEcho = echo }
        wrongEchoes += 1
      }
      synAcks += 1
      return
    }
    if segment.isReset {
      if isWhole, synAcks == 0, !isEstablished {
        if segment.acknowledgement == sequence &+ 1 || syns > 0 {
          refusals += 1
          refusalTTL = segment.ttl
        }
      } else if reset == nil {
        noteReset(segment, byServer: true)
      }
      return
    }
    if isWhole, synAcks == 0, !isEstablished, syns > 0, segment.isBareAck {
      oldAcks += 1
      if oldAck == nil { oldAck = OldAck(acknowledgement: segment.acknowledgement, tsecr: segment.tsecr) }
    }
    if !isWhole { isEstablished = true }
  }

  private mutating func noteReset(_ segment: Sighting, byServer: Bool) {
    let (own, other) = byServer ? (fromServer, fromClient) : (fromClient, fromServer)
    // tcp_v4_send_reset: the number is what the segment acknowledged, or 0 where it acknowledged nothing.
    let answers = other.segments > 0 && segment.sequence == other.lastAcknowledgement
    reset = Reset(
      byServer: byServer, time: segment.time, ttl: segment.ttl, answers: answers,
      answersData: answers && other.lastCarried, answersProbe: answers && other.probes > 0,
      unansweredProbes: own.probes, asking: own.probes > 0 ? segment.time - own.firstProbe : 0,
      idle: idleBefore,
      bytes: fromClient.bytes + fromServer.bytes, acknowledges: segment.flags.contains(.ack))
  }

  private mutating func note(_ segment: Sighting, fromClient isClient: Bool) {
    var (way, other) = isClient ? (fromClient, fromServer) : (fromServer, fromClient)
    way.segments += 1
    if way.isProbe(segment) {
      if way.probes == 0 { way.firstProbe = segment.time }
      way.probes += 1
    } else if !segment.isReset {
      way.probes = 0
    }
    other.probes = 0
    if way.ttl == nil, !segment.isReset { way.ttl = segment.ttl }
    let carries = segment.payload > 0 || segment.flags.contains(.fin)
    if !segment.isReset, !segment.isSYN, !segment.isSYNACK {
      if carries {
        if let next = way.next, !Modular.after(segment.next, next) {
          way.repeats += 1
          way.repeated = segment.payload
          way.mostRepeats = max(way.mostRepeats, way.repeats)
        }
      } else if segment.isBareAck, segment.acknowledgement == way.acknowledged {
        way.duplicates += 1
      }
      if let tsval = segment.tsval {
        if !isWhole { hasTimestamps = true }
        if let newest = way.tsval, Modular.before(tsval &+ Self.step, newest) {
          // What was overtaken on its way is older by less than a breath.
          let by = newest &- tsval
          if by > 10 || segment.time - way.tsvalTime > 100_000_000 {
            if way.stale == 0 { way.firstStale = segment.time }
            way.stale += 1
            way.staleBy = max(way.staleBy, by)
          }
        } else {
          way.tsval = tsval
          way.tsvalTime = segment.time
        }
      }
      if segment.flags.contains(.fin), way.fin == nil {
        way.fin = segment.time
        way.finAcknowledged = segment.acknowledgement
      } else if way.fin != nil, segment.flags.contains(.ack),
        Modular.after(segment.acknowledgement, way.finAcknowledged)
      {
        way.goesOnBehindFin = true
      }
      way.bytes += segment.payload
    } else if segment.isSYN || segment.isSYNACK, let tsval = segment.tsval {
      (way.tsval, way.tsvalTime) = (tsval, segment.time)
    }
    if !segment.isReset, way.next.map({ Modular.after(segment.next, $0) }) ?? true { way.next = segment.next }
    if segment.flags.contains(.ack), !segment.isReset {
      way.acknowledged = segment.acknowledgement
      if let next = other.next, !Modular.before(segment.acknowledgement, next) { other.repeats = 0 }
    }
    if !segment.isReset {
      way.last = segment.flags
      way.lastAcknowledgement = segment.acknowledgement
      way.lastSequence = segment.sequence
      way.lastCarried = carries
    }
    way.lastTime = segment.time
    if isClient { (fromClient, fromServer) = (way, other) } else { (fromServer, fromClient) = (way, other) }
  }
}
