import Evidence

/// The packets of one attempt, or of the end of one connection, in words that do not depend on addresses and on where
/// numbers begin: so that two of them can be held against one another.
struct EnactTrace {
  struct Step: Equatable {
    /// `SYN`, `old ACK`
    var word: String
    var fromClient: Bool
    var time: Int64

    /// `client: SYN`
    var key: String { "\(fromClient ? "client" : "server"): \(word)" }
    static func == (a: Step, b: Step) -> Bool { a.key == b.key }
  }

  private(set) var steps: [Step] = []
  /// Ticks by which the SYN lies behind what the ACK that answers it has last seen; nil where none says.
  private(set) var ticksBehind: Int?
  /// Whether its number lies past what that ACK acknowledges.
  private(set) var isAhead: Bool?

  var isEmpty: Bool { steps.isEmpty }

  /// - Parameters:
  ///   - opens: whether it is about an attempt to connect; else about what becomes of an open connection.
  ///   - sequence: the number of the attempt's SYN, where an earlier one may be among the packets.
  init(_ segments: [Sighting], client: Endpoint, opens: Bool, sequence: UInt32? = nil) {
    if opens { connecting(segments, client, sequence) } else { open(segments, client) }
  }

  private mutating func connecting(_ segments: [Sighting], _ client: Endpoint, _ sequence: UInt32?) {
    let first = segments.firstIndex { segment in
      segment.isSYN && segment.source == client && (sequence == nil || segment.sequence == sequence)
    }
    guard let first else { return }
    let syn = segments[first]
    var old: Sighting?
    var answered = false
    for segment in segments[first...] {
      let isClient = segment.source == client
      let word: String
      if segment.isSYN {
        word = segment.sequence == syn.sequence ? "SYN" : "another SYN"
      } else if segment.isSYNACK {
        answered = true
        word = "SYN-ACK"
      } else if segment.isReset {
        word =
          isClient && old != nil ? "RST of the old number" : segment.flags.contains(.ack) ? "RST, ACK" : "RST"
      } else if !isClient, segment.acknowledgement != syn.sequence &+ 1, !answered {
        old = old ?? segment
        word = "ACK of something older"
      } else if isClient, answered, segment.flags.contains(.ack) {
        add("ACK", isClient, segment)
        break
      } else {
        word = segment.isBareAck ? "ACK" : "data"
      }
      add(word, isClient, segment)
    }
    guard let old else { return }
    isAhead = Modular.after(syn.sequence, old.acknowledgement)
    if let tsval = syn.tsval, let echo = old.tsecr { ticksBehind = Int(Int32(bitPattern: echo &- tsval)) }
  }

  private mutating func open(_ segments: [Sighting], _ client: Endpoint) {
    var newest: [Bool: UInt32] = [:]
    var last: [Bool: UInt32] = [:]
    var begun = false
    var all: [(Step, isTrouble: Bool, carries: Bool)] = []
    for segment in segments where !segment.isSYN && !segment.isSYNACK {
      let isClient = segment.source == client
      let carries = segment.payload > 0 || segment.flags.contains(.fin)
      var isStale = false
      if let tsval = segment.tsval, !segment.isReset {
        if let old = newest[isClient], Modular.before(tsval &+ 10, old) {
          isStale = true
          if ticksBehind == nil { ticksBehind = Int(old &- tsval) }
        } else {
          newest[isClient] = tsval
        }
      }
      let isAgain = carries && last[isClient].map { !Modular.after(segment.next, $0) } ?? false
      if last[isClient].map({ Modular.after(segment.next, $0) }) ?? true { last[isClient] = segment.next }
      var word = segment.isReset ? "RST" : carries ? "data" : "ACK"
      if isAgain { word += " again" }
      if isStale { word += ", older by timestamp" }
      let isTrouble = isStale || segment.isReset
      all.append((Step(word: word, fromClient: isClient, time: segment.time), isTrouble, carries))
      begun = begun || isTrouble
    }
    guard let trouble = all.firstIndex(where: \.isTrouble) else {
      steps = all.map(\.0)
      return
    }
    // What is answered by a RST, or whose acknowledgement is not believed, comes just before.
    var start = trouble
    if start > 0, all[start].0.word.hasPrefix("RST") || !all[start].carries, all[start - 1].carries {
      start -= 1
    }
    steps = all[start...].map(\.0)
    if let reset = steps.firstIndex(where: { $0.word.hasPrefix("RST") }) {
      steps.removeSubrange((reset + 1)...)
    }
  }

  private mutating func add(_ word: String, _ isClient: Bool, _ segment: Sighting) {
    steps.append(Step(word: word, fromClient: isClient, time: segment.time))
  }

  /// Steps until the client begins anew.
  private var round: [Step] {
    guard let first = steps.first else { return [] }
    let again = steps.dropFirst().firstIndex { $0.key == first.key || $0.word.hasPrefix("data again") }
    return Array(steps[..<(again ?? steps.endIndex)])
  }

  /// What the first step is that is not there, in words; nil where both are the same but for how often.
  func difference(from ours: EnactTrace) -> String? {
    func number(_ index: Int) -> String { "packet \(index + 1)" }
    for (index, pair) in zip(round, ours.round).enumerated() where pair.0 != pair.1 {
      return "\(number(index)): theirs is \(pair.0.key), here \(pair.1.key)"
    }
    for (mine, others, who) in [(self, ours, "theirs"), (ours, self, "here")] {
      let known = Set(others.steps.map(\.key))
      if let index = mine.steps.firstIndex(where: { !known.contains($0.key) }) {
        let step = mine.steps[index]
        return "\(number(index)) \(who), \(step.key), comes only \(who == "here" ? "here" : "there")"
      }
    }
    return nil
  }

  /// `SYN > , < old ACK`: at most so many.
  func lines(most: Int = 12) -> [String] {
    guard let began = steps.first?.time else { return [] }
    return steps.prefix(most).map { step in
      let milliseconds = Double(step.time - began) / 1e6
      return "\((milliseconds * 1000).rounded() / 1000)  \(step.key)"
    }
  }
}
