import Evidence

/// What passes on one interface or several, arranged by connection: made while the capture streams by.
struct Traffic {
  /// Both ends in an order of their own.
  private struct Key: Hashable {
    var low: Endpoint
    var high: Endpoint

    init(_ a: Endpoint, _ b: Endpoint) { (low, high) = a < b ? (a, b) : (b, a) }
  }

  private struct Conversation {
    var life: Life
    /// The last two sightings of either end, by which the same packet on its way out is known.
    var recent: [Mark] = []
  }

  private struct Mark {
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: UInt8
    var payload: Int
    var identification: UInt16
    var tsval: UInt32?
    var interface: Int
    var outgoing: Bool?
    var time: Int64
    var isFromClient: Bool

    func isSame(_ other: Mark) -> Bool {
      isFromClient == other.isFromClient && sequence == other.sequence
        && acknowledgement == other.acknowledgement && flags == other.flags && payload == other.payload
        && identification == other.identification
        // A box may strip the option.
        && (tsval == other.tsval || tsval == nil || other.tsval == nil)
    }
  }

  /// The newest SYN of a number, before any translation.
  private struct Origin {
    var conversation: Int
    var tsval: UInt32?
    var time: Int64
  }

  /// What a server did for all.
  struct Tally {
    var attempts = 0
    var answered = 0
    var silent = 0
    var refused = 0
    /// Open to the end, and the server's program has neither said anything nor closed.
    var mute = 0
    /// On which it has.
    var talked = 0
    var halfOpen = 0
    var firstAnswer: Int64 = .max
    var lastAnswer: Int64 = .min
  }

  private struct Pair: Hashable {
    var client: Address
    var server: Address
  }

  private var index: [Key: Int] = [:]
  private var conversations: [Conversation] = []
  private var origins: [UInt32: Origin] = [:]
  private var servers: Set<Endpoint> = []
  private var stamps: [Pair: (tsval: UInt32, time: Int64)] = [:]

  private(set) var tallies: [Endpoint: Tally] = [:]
  /// Lives that did not simply go well.
  private(set) var troubled: [Life] = []
  /// More of them than are kept.
  private(set) var troubledBeyond = 0
  private(set) var healthy = 0
  /// Of them those on which data was sent again, and acknowledged then.
  private(set) var recovered = 0
  private(set) var undecided = 0
  private(set) var segments = 0
  private(set) var others = 0
  /// Packets of link types that nobody here can take apart.
  private(set) var foreign: [Int: Int] = [:]
  private(set) var first: Int64 = .max
  private(set) var last: Int64 = .min
  /// SYNs that `tcp_tw_recycle` would have refused and the server did not, and the other way round.
  private(set) var answeredThoughOlder = 0
  private(set) var silentThoughFine = 0
  private(set) var silentAndOlder = 0
  /// Connections that end well, by who closed first.
  private(set) var closedByServer = 0
  private(set) var closedByClient = 0
  /// Tuples that are not looked at: there were more than are kept.
  private(set) var beyond = 0
  private(set) var asked: [Address: Int] = [:]
  private(set) var present: Set<Address> = []
  /// ICMP errors of which too little was captured to say what about: to whom, what.
  private(set) var vague: [Address: String] = [:]
  private(set) var clocks: [Clocks.Pair: Clocks] = [:]
  /// Ports that a translator gave, by server.
  private(set) var portsGiven: [Endpoint: Set<UInt16>] = [:]
  private(set) var forwards = 0
  /// SYNs that a translator passed on: when, whose, to whom, by which port.
  private(set) var translations: [(time: Int64, client: Endpoint, server: Endpoint, port: UInt16)] = []
  private(set) var view = View.Sum()
  /// Packets that are kept besides, each once.
  var watch: Watch?

  /// Connections that are kept at the same time.
  private static let most = 400_000
  private static let mostTroubled = 50_000

  mutating func add(_ content: LinkDecoder.Content, link: Int) {
    switch content {
    case .tcp(let segment): add(segment)
    case .icmp(let complaint): add(complaint)
    case .complains(let address, let words): if vague.count < 10_000 { vague[address] = words }
    case .asks(let address): if asked.count < 10_000 { asked[address, default: 0] += 1 }
    case .answers(let address): if present.count < 10_000 { present.insert(address) }
    case .other: others += 1
    case .foreign: foreign[link, default: 0] += 1
    }
  }

  // MARK: segments

  private mutating func add(_ segment: Sighting) {
    segments += 1
    first = min(first, segment.time)
    last = max(last, segment.time)
    let key = Key(segment.source, segment.destination)
    if segment.isSYN { servers.insert(segment.destination) }
    if segment.isSYNACK { servers.insert(segment.source) }
    guard let at = index[key] else { return begin(segment, key) }
    let isClient = conversations[at].life.client == segment.source
    if isCopy(segment, of: at, isClient) { return }
    watch?.add(segment)
    view.add(segment, isClient)
    // A SYN of another number is another attempt, from whichever end it comes.
    if segment.isSYN {
      let life = conversations[at].life
      if !isClient || (life.isWhole && life.sequence != segment.sequence) || !life.isWhole {
        return renew(at, by: segment)
      }
    } else if segment.isSYNACK, !isClient || conversations[at].life.syns == 0 {
      let life = conversations[at].life
      let answersThis = life.isWhole && segment.acknowledgement == life.sequence &+ 1
      if !answersThis { return renewUnseen(at, by: segment) }
    }
    let wasOpen = conversations[at].life.isEstablished
    conversations[at].life.add(segment, fromClient: isClient)
    if !wasOpen, conversations[at].life.isEstablished, conversations[at].life.syns == 1 {
      let life = conversations[at].life
      view.addHandshake(
        answered: life.firstSynAck - life.lastSyn, acknowledged: segment.time - life.firstSynAck)
    }
    if segment.isSYN { follow(segment, at) }
    remember(segment, at, isClient)
  }

  private mutating func begin(_ segment: Sighting, _ key: Key) {
    guard conversations.count < Self.most else {
      beyond += 1
      return
    }
    let isClient: Bool
    if segment.isSYN {
      isClient = true
    } else if segment.isSYNACK {
      isClient = false
    } else if servers.contains(segment.destination) != servers.contains(segment.source) {
      isClient = servers.contains(segment.destination)
    } else {
      isClient = segment.destination.port <= segment.source.port
    }
    index[key] = conversations.count
    let (client, server) =
      isClient ? (segment.source, segment.destination) : (segment.destination, segment.source)
    conversations.append(Conversation(life: Life(client: client, server: server, time: segment.time)))
    _ = isCopy(segment, of: conversations.count - 1, isClient)
    watch?.add(segment)
    view.add(segment, isClient)
    start(conversations.count - 1, segment, isClient, past: nil)
  }

  /// The first segment of a life.
  private mutating func start(_ at: Int, _ segment: Sighting, _ isClient: Bool, past: Life.Past?) {
    conversations[at].life.firstInterface = segment.interface
    conversations[at].life.past = past
    if segment.isSYN {
      conversations[at].life.isWhole = true
      conversations[at].life.sequence = segment.sequence
      conversations[at].life.tsval = segment.tsval
      conversations[at].life.remembered = remembered(of: segment, past)
      clock(segment)
    } else if segment.isSYNACK {
      conversations[at].life.isWhole = true
      conversations[at].life.sequence = segment.acknowledgement &- 1
      conversations[at].life.tsval = segment.tsecr
    } else if isClient {
      conversations[at].life.unwritten = goesOn(segment, at)
    }
    conversations[at].life.add(segment, fromClient: isClient)
    if segment.isSYN { follow(segment, at) }
  }

  private mutating func renew(_ at: Int, by segment: Sighting) {
    let old = conversations[at].life
    let past = old.left
    finish(old, final: true)
    conversations[at].life = Life(client: segment.source, server: segment.destination, time: segment.time)
    start(at, segment, true, past: past)
  }

  /// A SYN-ACK whose SYN was not captured: only this direction was.
  private mutating func renewUnseen(_ at: Int, by segment: Sighting) {
    var old = conversations[at].life
    guard old.ended > 0, old.syns == 0 || old.synAcks > 0 else {
      conversations[at].life.add(segment, fromClient: false)
      return
    }
    var life = Life(client: segment.destination, server: segment.source, time: segment.time)
    life.past = old.left
    // The last that the server said before was an ACK of what was there: the answer to a SYN that nobody captured.
    let way = old.fromServer
    if way.duplicates > 0, way.last == .ack, segment.time - way.lastTime < 3_000_000_000, old.syns == 0 {
      life.oldAcks = 1
      life.oldAck = Life.OldAck(
        acknowledgement: way.lastAcknowledgement, tsecr: lastEcho[at])
      old.fromServer.duplicates = 0
    }
    finish(old, final: true)
    conversations[at].life = life
    start(at, segment, false, past: life.past)
  }

  /// TSecr of the last bare ACK of a server, by conversation, where only that direction is seen.
  private var lastEcho: [Int: UInt32] = [:]

  private mutating func remember(_ segment: Sighting, _ at: Int, _ isClient: Bool) {
    guard segment.isBareAck || segment.flags.contains(.fin) else { return }
    let life = conversations[at].life
    if !isClient, segment.isBareAck, life.syns == 0 {
      if let tsecr = segment.tsecr { lastEcho[at] = tsecr }
      return
    }
    // tcp_time_wait remembers, when the server's end gets there: the client's FIN behind the server's own.
    guard isClient, life.hasTimestamps, let fin = life.fromServer.fin, segment.flags.contains(.fin),
      fin <= segment.time, let tsval = segment.tsval
    else { return }
    stamps[Pair(client: life.client.address, server: life.server.address)] = (tsval, segment.time)
  }

  /// `tcp_peer_is_proven` (until 4.11): TCP_PAWS_WINDOW is 1, TCP_PAWS_MSL 60 s.
  private func remembered(of syn: Sighting, _ past: Life.Past?) -> Life.Remembered {
    guard let stamp = stamps[Pair(client: syn.source.address, server: syn.destination.address)] else {
      return .nothing
    }
    let seconds = Int((syn.time - stamp.time) / 1_000_000_000)
    guard seconds < 60 else { return .fine }
    guard let tsval = syn.tsval else { return .newer(stamp.tsval, seconds: seconds) }
    return Modular.before(tsval &+ 1, stamp.tsval)
      ? .newer(stamp.tsval, seconds: seconds) : .young(seconds: seconds)
  }

  private mutating func clock(_ syn: Sighting) {
    guard let tsval = syn.tsval else { return }
    let pair = Clocks.Pair(client: syn.source.address, server: syn.destination.address)
    if clocks[pair] == nil, clocks.count >= 20_000 { return }
    clocks[pair, default: Clocks()].add(tsval, at: syn.time)
  }

  // MARK: the same packet again

  /// Whether it is a packet that was seen on another interface just before; a box that forwards shows each twice.
  private mutating func isCopy(_ segment: Sighting, of at: Int, _ isClient: Bool) -> Bool {
    let mark = Mark(
      sequence: segment.sequence, acknowledgement: segment.acknowledgement, flags: segment.flags.rawValue,
      payload: segment.payload, identification: segment.identification, tsval: segment.tsval,
      interface: segment.interface, outgoing: segment.outgoing, time: segment.time, isFromClient: isClient)
    for other in conversations[at].recent where other.isSame(mark) {
      let isElsewhere = other.interface != mark.interface || other.outgoing != mark.outgoing
      // On one interface twice: loopback's two sides, a mirrored port. Nobody sends anything again so soon.
      // A bare ACK may be said twice at once.
      if !isElsewhere, mark.time - other.time < 1_000_000, !segment.isBareAck { return true }
      guard isElsewhere, mark.time - other.time < 20_000_000 else { continue }
      if segment.isSYN {
        conversations[at].life.passedOn += 1
        forwards += 1
      } else if isClient {
        conversations[at].life.copies += 1
      } else {
        conversations[at].life.answersPassedOn += 1
      }
      return true
    }
    if conversations[at].recent.count >= 4 { conversations[at].recent.removeFirst() }
    conversations[at].recent.append(mark)
    return false
  }

  /// A SYN of a number that another tuple's has: a translator's work.
  private mutating func follow(_ syn: Sighting, _ at: Int) {
    if let origin = origins[syn.sequence], origin.conversation != at, origin.tsval == syn.tsval,
      syn.time - origin.time < 3_000_000_000, syn.time >= origin.time
    {
      let inner = conversations[origin.conversation].life
      guard inner.sequence == syn.sequence else { return }
      conversations[origin.conversation].life.forwarded += 1
      conversations[origin.conversation].life.outer = (syn.source, syn.destination)
      conversations[at].life.inner = (inner.client, inner.server)
      if syn.source != inner.client, portsGiven.count < 1_000 {
        portsGiven[syn.destination, default: []].insert(syn.source.port)
      }
      forwards += 1
      if translations.count < 100_000 {
        translations.append((syn.time, inner.client, inner.server, syn.source.port))
      }
      return
    }
    if origins.count > Self.most { origins.removeAll() }
    origins[syn.sequence] = Origin(conversation: at, tsval: syn.tsval, time: syn.time)
  }

  /// Whether a segment of a tuple that is new goes on where another one's was: nobody has rewritten it.
  private func goesOn(_ segment: Sighting, _ at: Int) -> Bool {
    guard conversations.count < 2_000 else { return false }
    return conversations.enumerated().contains { other, conversation in
      other != at && conversation.life.server == segment.destination
        && conversation.life.fromClient.next == segment.sequence && segment.payload > 0
        && conversation.life.fromServer.next == segment.acknowledgement
    }
  }

  // MARK: ICMP

  private mutating func add(_ complaint: Complaint) {
    guard let at = index[Key(complaint.source, complaint.destination)],
      conversations[at].life.client == complaint.source
    else { return }
    conversations[at].life.complaints += 1
    conversations[at].life.complaint = complaint
    conversations[at].life.ended = max(conversations[at].life.ended, complaint.time)
  }

  // MARK: the end

  /// Nothing more comes.
  mutating func end() {
    for conversation in conversations { finish(conversation.life, final: false) }
    conversations = []
    index = [:]
    origins = [:]
  }

  private mutating func finish(_ life: Life, final: Bool) {
    // An ICMP error that was cut off before what it is about is an answer, to one who has asked once.
    let isOver = final || vague[life.client.address] != nil
    let symptom = Symptom(life, until: isOver ? .max : last)
    if life.isWhole, life.syns > 0 || life.synAcks > 0 { tally(life, symptom) }
    switch symptom {
    case .none:
      healthy += 1
      if max(life.fromClient.mostRepeats, life.fromServer.mostRepeats) > 0 { recovered += 1 }
      if let ours = life.fromServer.fin, let theirs = life.fromClient.fin {
        if ours <= theirs { closedByServer += 1 } else { closedByClient += 1 }
      }
    case .undecided: undecided += 1
    default:
      if troubled.count < Self.mostTroubled { troubled.append(life) } else { troubledBeyond += 1 }
    }
  }

  private mutating func tally(_ life: Life, _ symptom: Symptom) {
    // The translation of an attempt is the same attempt.
    guard symptom != .undecided else { return }
    if tallies[life.server] == nil, tallies.count >= 20_000 { return }
    var tally = tallies[life.server] ?? Tally()
    tally.attempts += 1
    if life.synAcks > 0 || life.isEstablished {
      tally.answered += 1
      let time = life.synAcks > 0 ? life.firstSynAck : life.began
      if !life.isEstablished {
        tally.halfOpen += 1
      } else if life.fromServer.bytes > 0 || life.fromServer.fin != nil || life.reset != nil {
        tally.talked += 1
      } else {
        tally.mute += 1
      }
      tally.firstAnswer = min(tally.firstAnswer, time)
      tally.lastAnswer = max(tally.lastAnswer, time)
    } else if life.refusals > 0 {
      tally.refused += 1
    } else {
      tally.silent += 1
    }
    tallies[life.server] = tally
    guard life.past?.state != .timeWait || life.oldAcks == 0 else { return }
    switch (life.remembered, symptom) {
    case (.newer, .silent): silentAndOlder += 1
    case (.newer, _) where life.synAcks > 0 && life.synsBefore == 1: answeredThoughOlder += 1
    case (.fine, .silent), (.nothing, .silent), (.young, .silent): silentThoughFine += 1
    default: break
    }
  }
}

/// The clocks that one address shows: TSval of its SYNs, extrapolated.
struct Clocks {
  struct Pair: Hashable {
    var client: Address
    var server: Address
  }

  private var newest: (tsval: UInt32, time: Int64)?
  private(set) var syns = 0
  /// SYNs whose TSval lies behind the newest before.
  private(set) var stepsBack = 0
  /// The largest of those steps, in ticks.
  private(set) var by: UInt32 = 0

  mutating func add(_ tsval: UInt32, at time: Int64) {
    syns += 1
    if let newest, Modular.before(tsval &+ 1, newest.tsval) {
      stepsBack += 1
      by = max(by, newest.tsval &- tsval)
    } else {
      newest = (tsval, time)
    }
  }
}
