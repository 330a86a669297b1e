/// What happens to packets that leave by an interface: netem, tc-netem(8). The step ``Shape`` and a link that a lab file
/// spells out say it by the same words.
///
/// Chances are drawn by the kernel for each packet by itself. What must be the same in every run is lost by a rule
/// (``PacketRule``), or by 100 percent.
public struct Impairment: Codable, Sendable, Equatable {
  /// Milliseconds by which every packet is late, 0 to ``Bounds/delay``.
  public var delay: Int?
  /// Percent of the packets that are lost, each by itself.
  public var loss: Double?
  /// Percent that come twice.
  public var duplicate: Double?
  /// Percent that are not late, and so overtake those before them.
  public var reorder: Double?
  /// Bits a second.
  public var rate: Int?

  public init(
    delay: Int? = nil, loss: Double? = nil, duplicate: Double? = nil, reorder: Double? = nil,
    rate: Int? = nil
  ) {
    (self.delay, self.loss, self.duplicate) = (delay, loss, duplicate)
    (self.reorder, self.rate) = (reorder, rate)
  }

  /// Bits a second that can be asked for.
  private static let rates = 1_000...10_000_000_000

  /// Its words in a lab file.
  public static let fields: [Field] = [
    Field("delay", .number(0...Bounds.delay, unit: "ms"), "how late every packet is"),
    Field("loss", .decimal(0...100, unit: "percent"), "how many are lost, each by itself"),
    Field("duplicate", .decimal(0...100, unit: "percent"), "how many come twice"),
    Field("reorder", .decimal(0...100, unit: "percent"), "how many are not late; needs a delay"),
    Field("rate", .number(rates, unit: "bit/s"), "how many bits a second pass"),
  ]

  /// From what was read of ``fields``.
  public init(_ words: (String) -> FieldValue?) {
    self.init(
      delay: words("delay")?.number, loss: words("loss")?.decimal, duplicate: words("duplicate")?.decimal,
      reorder: words("reorder")?.decimal, rate: words("rate")?.number)
  }

  /// Whether it changes nothing.
  public var isPlain: Bool { self == Impairment() }

  /// Whether packets may be lost for good.
  public var losesPackets: Bool { (loss ?? 0) > 0 }

  /// `20 ms late, 10 % lost`; empty where it is plain.
  public var words: String {
    func percent(_ number: Double) -> String {
      number == number.rounded() ? "\(Int(number))" : "\(number)"
    }
    let parts = [
      delay.map { "\($0) ms late" }, loss.map { "\(percent($0)) % lost" },
      duplicate.map { "\(percent($0)) % doubled" }, reorder.map { "\(percent($0)) % not late" },
      rate.map { "\($0) bit/s" },
    ]
    return parts.compactMap(\.self).joined(separator: ", ")
  }

  /// What another says besides, in place of what this one says of the same.
  mutating func add(_ other: Impairment) {
    delay = other.delay ?? delay
    loss = other.loss ?? loss
    duplicate = other.duplicate ?? duplicate
    reorder = other.reorder ?? reorder
    rate = other.rate ?? rate
  }

  /// What of it is wrong with the rest: the word, and why; nil where all is well.
  public var mistake: (key: String, message: String)? {
    (reorder ?? 0) > 0 && (delay ?? 0) == 0
      ? ("reorder", "what is not late needs a delay for the rest") : nil
  }

  /// A number that no lab file can have said, with its range; nil where there is none.
  package var excess: String? {
    func percent(_ what: String, _ number: Double?) -> String? {
      number.flatMap { (0...100).contains($0) ? nil : "\(what): \($0), and not within 0 to 100" }
    }
    return outside("delay", delay, 0...Bounds.delay) ?? percent("loss", loss)
      ?? percent("duplicate", duplicate) ?? percent("reorder", reorder) ?? outside("rate", rate, Self.rates)
  }
}

extension Case {
  /// Whether a link of it loses packets by chance: how many is nobody's to say beforehand.
  public var losesByChance: Bool {
    let ends = network.links.flatMap(\.ends).flatMap { [$0.sent, $0.received].compactMap(\.self) }
    return (ends + workload.compactMap { ($0.action as? Shape)?.packets }).contains(where: \.losesPackets)
  }
}
