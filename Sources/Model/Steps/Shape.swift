/// What happens to packets on the link of a node: netem, tc-netem(8). Without any option the link is as it was.
public struct Shape: StepAction {
  /// The node at whose link it is, or the link's own name.
  public var node: String
  /// What happens to them.
  public var packets: Impairment
  /// Which packets; nil is ``Way/both``.
  public var of: Way?

  /// Packets by their way on the node's link.
  public enum Way: String, Codable, Sendable, CaseIterable {
    /// What the node sends.
    case sent
    /// What the node gets.
    case received
    case both
  }

  public init(
    node: String, delay: Int? = nil, loss: Double? = nil, duplicate: Double? = nil, reorder: Double? = nil,
    rate: Int? = nil, of: Way? = nil
  ) {
    self.init(
      node: node,
      Impairment(delay: delay, loss: loss, duplicate: duplicate, reorder: reorder, rate: rate), of: of)
  }

  public init(node: String, _ packets: Impairment, of: Way? = nil) {
    (self.node, self.packets, self.of) = (node, packets, of)
  }

  private enum CodingKeys: String, CodingKey { case node, of }

  /// Flat, as it is written in a lab file.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    node = try container.decode(String.self, forKey: .node)
    of = try container.decodeIfPresent(Way.self, forKey: .of)
    packets = try Impairment(from: decoder)
  }

  public func encode(to encoder: any Encoder) throws {
    try packets.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(node, forKey: .node)
    try container.encodeIfPresent(of, forKey: .of)
  }

  public static let verb = Verb(
    "shape", "packets on a node's link are late, lost, doubled, overtaken or slow; without options no more",
    shell: "tc qdisc replace dev eth0 root netem ...", subject: .either([.name(.node), .name(.link)]),
    options: Impairment.fields + [
      Field(
        "of", .word(Way.allCases.map(\.rawValue)), byDefault: "both",
        "packets that the node sends, that it gets, or both; of a link by its name its first node")
    ],
    example: "{shape: late, delay: 20}")

  public static func read(_ words: StepWords) -> [Shape] {
    words.subject.text.map {
      [Shape(node: $0, Impairment { words[$0] }, of: words.word("of"))]
    } ?? []
  }

  /// Whether it takes everything away.
  public var isPlain: Bool { packets.isPlain }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    if isPlain { return "\(node)'s link is as it was" }
    let which =
      switch of ?? .both {
      case .sent: "what \(node) sends"
      case .received: "what \(node) gets"
      case .both: "packets on \(node)'s link"
      }
    return "\(which): \(packets.words)"
  }

  public var groups: [String] { [] }
  public var names: [String] { [node] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs {
    Step.Needs(.netAdmin) {
      $0.losesPackets = packets.losesPackets
      if !isPlain { $0.features = [.netem] }
    }
  }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { packets.excess }
  public func mistake(in test: Case) -> StepMistake? {
    packets.mistake.map { StepMistake($0.message, at: $0.key) } ?? test.linkMistake(node, at: Self.verb.name)
  }
  public func perNode(_ members: (String) -> [String]) -> [Shape] {
    let nodes = members(node)
    return (nodes.isEmpty ? [node] : nodes).map {
      var own = self
      own.node = $0
      return own
    }
  }
}
