import Linux
import SystemPackage

/// What happens to the packets that leave an interface: the numbers of `tc qdisc ... netem`, tc-netem(8).
///
/// Chances are drawn by the kernel for each packet by itself (no correlation): what must be the same in every run is
/// lost by a firewall rule instead.
public struct Shaping: Sendable, Hashable {
  /// Milliseconds by which every packet is late, 0 to 60,000.
  public var delay: Int
  /// Percent of the packets that are lost, 0 to 100. Each is a drop of the qdisc: ``Qdisc/drops``.
  public var loss: Double
  /// Percent of the packets that come twice, 0 to 100.
  public var duplicate: Double
  /// Percent of the packets that are not late, and so overtake those before them, 0 to 100. Needs a delay.
  public var reorder: Double
  /// Bits a second, 1,000 to 10,000,000,000; nil for no bound.
  public var rate: Int?
  /// Packets that may be under way, 1 to 1,000,000; those that come then are dropped. The kernel's own is 1,000.
  public var limit: Int

  /// - Throws: EINVAL with the number that is out of its range.
  public init(
    delay: Int = 0, loss: Double = 0, duplicate: Double = 0, reorder: Double = 0, rate: Int? = nil,
    limit: Int = 1_000
  ) throws {
    func check(_ holds: Bool, _ words: String) throws {
      guard holds else {
        throw SystemError(stage: "netem", object: words, errno: .invalidArgument, detail: "out of its range")
      }
    }
    try check((0...60_000).contains(delay), "delay \(delay)ms")
    for (name, percent) in [("loss", loss), ("duplicate", duplicate), ("reorder", reorder)] {
      try check((0...100).contains(percent), "\(name) \(percent)%")
    }
    try check(reorder == 0 || delay > 0, "reorder \(reorder)% without a delay")
    if let rate { try check((1_000...10_000_000_000).contains(rate), "rate \(rate)bit") }
    try check((1...1_000_000).contains(limit), "limit \(limit)")
    (self.delay, self.loss, self.duplicate, self.reorder) = (delay, loss, duplicate, reorder)
    (self.rate, self.limit) = (rate, limit)
  }

  /// Without a check: what a kernel says.
  init(read delay: Int, loss: Double, duplicate: Double, reorder: Double, rate: Int?, limit: Int) {
    (self.delay, self.loss, self.duplicate, self.reorder) = (delay, loss, duplicate, reorder)
    (self.rate, self.limit) = (rate, limit)
  }

  /// As `tc` has it: `delay 20ms loss 10% duplicate 5% reorder 25% rate 1000000bit limit 1000`.
  public var words: String {
    var words: [String] = []
    if delay > 0 { words.append("delay \(delay)ms") }
    for (name, percent) in [("loss", loss), ("duplicate", duplicate), ("reorder", reorder)] where percent > 0
    {
      words.append("\(name) \(Self.text(percent))%")
    }
    if let rate { words.append("rate \(rate)bit") }
    words.append("limit \(limit)")
    return words.joined(separator: " ")
  }

  private static func text(_ percent: Double) -> String {
    percent == percent.rounded() ? "\(Int(percent))" : "\(percent)"
  }
}
