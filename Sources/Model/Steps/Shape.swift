/// What happens to packets on the link of a node: netem, tc-netem(8). Without any option the link is as it was.
public struct Shape: StepAction {
  /// The node at whose link it is, or the link's own name.
  public var node: String
  /// Milliseconds by which every packet is late.
  public var delay: Int?
  /// Percent of the packets that are lost, each by itself.
  public var loss: Double?
  /// Percent that come twice.
  public var duplicate: Double?
  /// Percent that are not late, and so overtake those before them.
  public var reorder: Double?
  /// Bits a second.
  public var rate: Int?
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
    (self.node, self.delay, self.loss, self.duplicate) = (node, delay, loss, duplicate)
    (self.reorder, self.rate, self.of) = (reorder, rate, of)
  }

  public static let verb = Verb(
    "shape", "packets on a node's link are late, lost, doubled, overtaken or slow; without options no more",
    shell: "tc qdisc replace dev eth0 root netem ...", subject: .either([.name(.node), .name(.link)]),
    options: [
      Field("delay", .number(0...Bounds.delay, unit: "ms"), "how late every packet is"),
      Field("loss", .decimal(0...100, unit: "percent"), "how many are lost, each by itself"),
      Field("duplicate", .decimal(0...100, unit: "percent"), "how many come twice"),
      Field("reorder", .decimal(0...100, unit: "percent"), "how many are not late; needs a delay"),
      Field("rate", .number(1_000...10_000_000_000, unit: "bit/s"), "how many bits a second pass"),
      Field(
        "of", .word(Way.allCases.map(\.rawValue)), byDefault: "both",
        "packets that the node sends, that it gets, or both"),
    ],
    example: "{shape: late, delay: 20}")

  public static func read(_ words: StepWords) -> [Shape] {
    words.subject.text.map {
      [
        Shape(
          node: $0, delay: words["delay"]?.number, loss: words["loss"]?.decimal,
          duplicate: words["duplicate"]?.decimal, reorder: words["reorder"]?.decimal,
          rate: words["rate"]?.number, of: words.word("of"))
      ]
    } ?? []
  }

  /// Whether it takes everything away.
  public var isPlain: Bool {
    delay == nil && loss == nil && duplicate == nil && reorder == nil && rate == nil
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    if isPlain { return "\(node)'s link is as it was" }
    let parts = [
      delay.map { "\($0) ms late" }, loss.map { "\($0) % lost" }, duplicate.map { "\($0) % doubled" },
      reorder.map { "\($0) % not late" }, rate.map { "\($0) bit/s" },
    ]
    let which =
      switch of ?? .both {
      case .sent: "what \(node) sends"
      case .received: "what \(node) gets"
      case .both: "packets on \(node)'s link"
      }
    return which + ": " + parts.compactMap(\.self).joined(separator: ", ")
  }

  public var groups: [String] { [] }
  public var names: [String] { [node] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs {
    Step.Needs(.netAdmin) {
      $0.losesPackets = (loss ?? 0) > 0
      if !isPlain { $0.features = [.netem] }
    }
  }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? {
    func percent(_ what: String, _ number: Double?) -> String? {
      number.flatMap { (0...100).contains($0) ? nil : "\(what): \($0), and not within 0 to 100" }
    }
    return outside("delay", delay, 0...Bounds.delay) ?? percent("loss", loss)
      ?? percent("duplicate", duplicate) ?? percent("reorder", reorder)
      ?? outside("rate", rate, 1_000...10_000_000_000)
  }
  public func mistake(in test: Case) -> String? {
    if (reorder ?? 0) > 0, (delay ?? 0) == 0 { return "what is not late needs a delay for the rest" }
    return test.linkMistake(node)
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
