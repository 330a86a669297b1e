import Evidence
import Model

/// What a reader should notice about single packets: which SYN was refused by what, which ACK is the old one.
///
/// Indices are those of ``Observation/packets``. A counter is named only where the case's judgement holds, so that
/// it moved by just so much.
public func remarks(
  on judgement: Judgement, of test: Case, on kernel: Kernel, seen observation: Observation
) -> [Int: String] {
  // Where each SYN was answered there is nothing to say, and no reason to look at every packet again.
  let remarkable = judgement.attempts.filter {
    $0.attempt.kind == .send || $0.syns != 1 || $0.synsAtServer != 1 || $0.expected.mechanism != nil
  }
  guard !remarkable.isEmpty else { return [:] }
  let trace = Trace(observation, in: test.network)
  struct Place: Hashable {
    var node: String
    var time: Int64
    var outgoing: Bool
  }
  var places: [Place: Int] = [:]
  for (index, packet) in observation.packets.enumerated() {
    places[Place(node: packet.node, time: packet.time, outgoing: packet.outgoing)] = index
  }
  var remarks: [Int: String] = [:]
  /// `dropped`: whether the kernel's word belongs to it; a SYN that is sent again has the same sequence number.
  func note(_ segment: Segment, _ text: String, dropped: Bool = true) {
    let reasons = Set(
      (dropped ? observation.drops ?? [] : []).filter {
        $0.sequence == segment.sequence && $0.sourcePort == segment.sourcePort
          && !$0.reason.hasPrefix("NOT_SPEC")
      }.map(\.reason))
    // Softirqs that wait for ksoftirqd take their time.
    let soon = (dropped ? observation.dropHints ?? [] : []).filter {
      (segment.time...segment.time.adding(10_000_000)).contains($0.time)
    }
    let text =
      text + (reasons.isEmpty ? "" : " (kfree_skb: \(reasons.sorted().joined(separator: ", ")))")
      + (soon.isEmpty
        ? ""
        : " (hint: within 10 ms the kernel dropped some packet, by "
          + "\(Set(soon.map(\.reason)).sorted().joined(separator: ", ")))")
    guard let index = places[Place(node: segment.node, time: segment.time, outgoing: segment.outgoing)],
      remarks[index] == nil
    else { return }
    remarks[index] = text
  }
  var book = Book(
    test: test, kernel: kernel, observation: observation, trace: trace,
    rule: test.rule(on: kernel) ?? Rule(kernel: [], outcomes: [:], because: ""))
  let counts = judgement.verdict == .pass
  for judged in remarkable {
    book.open(at: judged)
    let flow = book.flow
    let rule = judged.holds ? judged.expected.mechanism?.rule : nil
    if judged.attempt.kind == .connect {
      let refused = flow.synAck == nil ? flow.synsAtServer : flow.synsAtServer.dropLast()
      for (index, syn) in refused.enumerated() {
        let number = refused.count > 1 || judged.syns > 1 ? "SYN \(index + 1) of \(judged.syns)" : "SYN"
        note(syn, "\(number), \(rule?.refusal(book, counts: counts) ?? "not accepted")")
      }
      if flow.synAck != nil, !refused.isEmpty, let last = flow.synsAtServer.last {
        note(last, "SYN \(flow.synsAtServer.count) of \(judged.syns), accepted", dropped: false)
      }
      if flow.synsAtServer.isEmpty {
        let by =
          rule?.loss(book, counts: counts)
          ?? (test.network.forwardingNodes.isEmpty ? "never arrived" : "never left the hop")
        for (index, syn) in flow.synsAtClient.enumerated() {
          note(syn, "SYN \(index + 1) of \(judged.syns), \(by)")
        }
      }
      for ack in flow.oldAcks { note(ack, "old ACK: TIME_WAIT's answer, of the connection before") }
      for reset in flow.resets { note(reset, "RST in answer to the old ACK") }
    }
    for remark in rule?.remarks(book, counts: counts) ?? [] {
      note(remark.segment, remark.text, dropped: remark.dropped)
    }
  }
  return remarks
}
