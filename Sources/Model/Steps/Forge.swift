/// Sends one TCP segment that no socket has made, told relative to where a connection stands.
///
/// It passes the node's own OUTPUT and POSTROUTING, as any packet that is made there (`raw_send_hdrinc`): a node that
/// rewrites sources gives it a port of its own, unless conntrack calls it INVALID or it is a RST of no connection.
public struct Forge: StepAction {
  /// Control bits as tcpdump writes them: `S`, `R`, `F.`, `.`.
  public var flags: String
  /// The node that sends it.
  public var from: String
  /// The connection that it is like, by the label of its step; of several the last.
  public var like: String
  /// Which end it claims to come from; nil is the client's.
  public var end: Step.End?
  /// Added to the next sequence number that this end would send.
  public var sequence: Int?
  /// Added to the next sequence number that this end expects.
  public var acknowledgement: Int?
  /// Ticks added to this end's clock; nil with ``isBare`` false is 0.
  public var timestamp: Int?
  /// Ticks added to the last TSval of the other end, which is echoed.
  public var echo: Int?
  /// Whether it has no timestamps, even where the connection has.
  public var isBare: Bool?
  /// Bytes of payload.
  public var payload: Int?

  enum CodingKeys: String, CodingKey {
    case flags, from, like, end = "as", sequence = "seq", acknowledgement = "ack", timestamp = "ts",
      echo = "ecr", isBare = "bare", payload
  }

  public init(
    _ flags: String, from: String, like: String, end: Step.End? = nil, sequence: Int? = nil,
    acknowledgement: Int? = nil, timestamp: Int? = nil, echo: Int? = nil, isBare: Bool? = nil,
    payload: Int? = nil
  ) {
    (self.flags, self.from, self.like, self.end) = (flags, from, like, end)
    (self.sequence, self.acknowledgement) = (sequence, acknowledgement)
    (self.timestamp, self.echo, self.isBare, self.payload) = (timestamp, echo, isBare, payload)
  }

  private static let number: FieldKind = .number(Int(Int32.min)...Int(Int32.max))

  public static let verb = Verb(
    "forge", "one TCP segment is sent that no socket has made", shell: "hping3 -s PORT -M SEQ -L ACK HOST",
    subject: .text(atMost: 8),
    options: [
      Field("from", .name(.node), isRequired: true, "the node that sends it"),
      Field(
        "like", .name(.label), isRequired: true, "the connection that it claims to be of, the last of a label"
      ),
      Field(
        "as", .word(Step.End.allCases.map(\.rawValue)), byDefault: "client",
        "which end of the connection it claims to come from"),
      Field("seq", number, byDefault: "0", "added to the next sequence number of this end"),
      Field("ack", number, byDefault: "0", "added to the next sequence number that this end expects"),
      Field("ts", number, byDefault: "0", "ticks added to this end's clock (TSval)"),
      Field("ecr", number, byDefault: "0", "ticks added to the other end's last TSval (TSecr)"),
      Field("bare", .flag, byDefault: "false", "whether it has no timestamps"),
      Field("payload", .number(0...1_400, unit: "bytes"), byDefault: "0", "how much data it carries"),
    ],
    example: "{forge: R, from: hop, like: opened-late, seq: 10}")

  public static func read(_ words: StepWords) -> [Forge] {
    guard let flags = words.subject.text, let from = words["from"]?.text, let like = words["like"]?.text
    else { return [] }
    return [
      Forge(
        flags, from: from, like: like, end: words.word("as"), sequence: words["seq"]?.number,
        acknowledgement: words["ack"]?.number, timestamp: words["ts"]?.number, echo: words["ecr"]?.number,
        isBare: words["bare"]?.flag, payload: words["payload"]?.number)
    ]
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    let changes = [
      sequence.map { "seq \(signed($0))" }, acknowledgement.map { "ack \(signed($0))" },
      timestamp.map { "TSval \(signed($0))" }, echo.map { "TSecr \(signed($0))" },
      isBare == true ? "no timestamps" : nil, payload.map { "\($0) bytes" },
    ].compactMap(\.self)
    return "\(from) sends [\(flags)] as if it were the \((end ?? .client).rawValue) of \(like)"
      + (changes.isEmpty ? "" : ": " + changes.joined(separator: ", "))
  }

  private func signed(_ number: Int) -> String { number < 0 ? "\(number)" : "+\(number)" }

  public var groups: [String] { [] }
  public var names: [String] { [from] }
  public var refersTo: [String] { [like] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netRaw, .netAdmin) }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? {
    let numbers = [sequence, acknowledgement, timestamp, echo]
    return numbers.lazy.compactMap { outside("forge", $0, Int(Int32.min)...Int(Int32.max)) }.first
      ?? outside("payload", payload, 0...1_400)
  }
  public func mistake(in test: Case) -> StepMistake? {
    if flags.isEmpty || !flags.allSatisfy({ "FSRPU.EW".contains($0) }) || Set(flags).count < flags.count {
      return StepMistake(
        "\"\(flags)\" are no control bits as tcpdump writes them: S, S., R, F., P., .", at: Self.verb.name)
    }
    if !test.network.nodes.contains(from) {
      return StepMistake("there is no node \(from)", at: "from")
    }
    return test.workload.contains { $0.label == like && $0.action.makes == .connections }
      ? nil : StepMistake("no step makes connections called \(like)", at: "like")
  }
  public func perNode(_ members: (String) -> [String]) -> [Forge] { [self] }
}
