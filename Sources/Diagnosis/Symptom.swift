/// What is to be seen of a life, before anybody asks why.
enum Symptom: Hashable {
  /// Nothing that would be worth a word.
  case none
  /// The capture ends too early.
  case undecided
  /// SYNs, and nothing that answers.
  case silent
  /// A bare ACK of something older answers the SYN, and then a SYN-ACK or not.
  case oldAck(connected: Bool)
  /// The same by the client's RST alone: only its direction was captured.
  case oldAckBehind(connected: Bool)
  /// An RST answers the SYN.
  case refused
  /// An ICMP error does.
  case complained
  /// A SYN-ACK, but for a later SYN than the first.
  case late
  /// A SYN-ACK echoes what the client has not sent, and it answers by a RST.
  case echoRefused
  /// SYN-ACKs again and again, and SYNs too.
  case answerLost
  /// SYN-ACKs again and again, and nothing from the client any more.
  case halfOpen
  /// SYN-ACKs again although the client has acknowledged.
  case handshakeAckIgnored
  /// An RST in answer to what ended the handshake.
  case resetAtOnce
  /// An RST in answer to a segment of an open connection.
  case resetInAnswer
  /// Segments go back in time.
  case stale
  /// Data again and again, and nothing that acknowledges it.
  case unanswered
  /// Nobody answers who asks whether the other end is there.
  case askedInVain
  /// A connection of other addresses goes on here.
  case unwritten

  private static let second: Int64 = 1_000_000_000

  /// - Parameter end: when the capture ends; `.max` where something else followed on the tuple.
  init(_ life: Life, until end: Int64) {
    // Its SYN left with other addresses, and what came behind it did not.
    let isUnwritten = life.unwritten || (life.forwarded > 0 && life.passedOn == 0 && life.copies > 0)
    if isUnwritten {
      self = .unwritten
    } else if life.isWhole, life.synAcks == 0, !life.isEstablished {
      self = Self.unanswered(life, end)
    } else {
      self = Self.opened(life, end)
    }
  }

  private static func unanswered(_ life: Life, _ end: Int64) -> Symptom {
    if life.complaints > 0, life.complaint?.ends == true { return .complained }
    // A RST of just behind the SYN answers a SYN-ACK: that came to somebody who had not asked.
    if life.isDisowned { return .answerLost }
    if life.refusals > 0, life.oldAcks == 0 { return .refused }
    if life.oldAcks > 0 { return .oldAck(connected: false) }
    if life.clientResets > 0 { return .oldAckBehind(connected: false) }
    let waited = end == .max || end - life.lastSyn >= second * 9 / 10
    return life.syns > 1 || waited ? .silent : .undecided
  }

  private static func opened(_ life: Life, _ end: Int64) -> Symptom {
    if life.isWhole {
      if !life.isEstablished, life.wrongEchoes > 0, life.reset?.byServer == false { return .echoRefused }
      if !life.isEstablished, life.syns > 1 || life.oldAcks > 0, life.reset?.byServer == false {
        return .answerLost
      }
      if life.oldAcks > 0 {
        if !life.isEstablished, life.syns > 0, life.synAcks > 1 { return .answerLost }
        // Where the client's side is not captured what it has come to shows by what the server says then.
        let isOpen = life.isEstablished || life.syns > 0 || life.fromServer.segments > 1
        if isOpen { return .oldAck(connected: true) }
        if life.syns == 0 { return .halfOpen }
      }
      if life.clientResets > 0, life.syns > 1 { return .oldAckBehind(connected: true) }
      if !life.isEstablished {
        if life.syns > 1, life.synAcks > 1 { return .answerLost }
        if life.synAcks > 1 { return .halfOpen }
        // The client's side is not captured; the server's goes on, once it is open.
        if life.syns == 0, life.fromClient.segments == 0, life.fromServer.segments == 1,
          end == .max || end - life.firstSynAck >= second
        {
          return .halfOpen
        }
        if life.syns > 1 { return .late }
      }
      if life.synAcksAfterAck > 1 { return .handshakeAckIgnored }
      if let reset = life.reset, reset.byServer, life.fromServer.bytes == 0, reset.answers,
        reset.time - life.firstSynAck < second
      {
        return .resetAtOnce
      }
    }
    if life.fromClient.stale > 0 || life.fromServer.stale > 0 { return .stale }
    if let reset = life.reset, reset.unansweredProbes > 0, reset.asking >= second { return .askedInVain }
    if let reset = life.reset, reset.answersData || reset.answersProbe { return .resetInAnswer }
    if life.reset == nil, max(life.fromClient.probes, life.fromServer.probes) >= 2 { return .askedInVain }
    if max(life.fromClient.repeats, life.fromServer.repeats) >= 2 { return .unanswered }
    if life.isWhole, life.isEstablished, life.syns > 1, life.synAcks >= 1, life.synsBefore > 1 {
      return .late
    }
    return .none
  }
}
