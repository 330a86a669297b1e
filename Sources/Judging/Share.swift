import Model

/// How many of how many: a share that was measured, and where the true one lies.
public struct Share: Sendable, Equatable {
  public var count: Int
  public var all: Int

  public init(_ count: Int, of all: Int) { (self.count, self.all) = (count, all) }

  /// Standard deviations within which 95 % and 99.9 % of a normal distribution lie.
  public static let (likely, certain) = (1.959964, 3.290527)

  /// Where the true share lies, from 0 to 1 (Wilson 1927): it needs no many and no few, 0 of 10 is 0 to 0.28.
  ///
  /// - Parameter z: ``likely`` for 95 %, ``certain`` for 99.9 %.
  public func interval(_ z: Double = likely) -> ClosedRange<Double> {
    guard all > 0 else { return 0...1 }
    let n = Double(all)
    let share = Double(count) / n
    let centre = share + z * z / (2 * n)
    let reach = z * ((share * (1 - share) + z * z / (4 * n)) / n).squareRoot()
    let scale = 1 + z * z / n
    let low = max(0, (centre - reach) / scale)
    return low...max(low, min(1, (centre + reach) / scale))
  }

  /// `15 of 20, 75 % (53 to 89)`: with the 95 % interval.
  public var words: String {
    let range = interval()
    func percent(_ share: Double) -> Int { Int((share * 100).rounded()) }
    return "\(count) of \(all), \(percent(Double(count) / Double(max(1, all)))) % "
      + "(\(percent(range.lowerBound)) to \(percent(range.upperBound)))"
  }
}

/// Holds what one case did from several seeds against the shares that its rule expects. Pure.
///
/// Each label must show both branches, and as many refusals as expected: that share lies within the 99.9 % interval of
/// what was seen. An attempt that did not do as was predicted has failed its own run, and counts as it was predicted.
///
/// - Parameters:
///   - shares: label to percent, from 1 to 99.
///   - attempts: all of all seeds.
public func judge(shares: [String: Int], of attempts: [JudgedAttempt]) -> Judgement {
  var witnesses: [Witness] = []
  for (label, percent) in shares.sorted(by: { $0.key < $1.key }) {
    let own = attempts.filter { $0.attempt.label == label }
    let seen = Share(own.count { $0.expected.mechanism != nil }, of: own.count)
    let branches = Set(own.map { $0.expected.mechanism == nil })
    witnesses.append(
      Witness(
        .branches(label: label), expected: .words("accepted and refused"),
        seen: .words(own.isEmpty ? "no attempt" : describe(branches)), holds: branches.count == 2))
    witnesses.append(
      Witness(
        .share(label: label), expected: .words("\(percent) %"), seen: .words(seen.words),
        holds: !own.isEmpty && seen.interval(Share.certain).contains(Double(percent) / 100)))
  }
  guard let wrong = witnesses.first(where: { !$0.holds }) else {
    let words = witnesses.filter { if case .share = $0.subject { true } else { false } }
      .map { "\($0.name) \($0.seenWords)" }
    return Judgement(verdict: .pass, reason: words.joined(separator: "; "), witnesses: witnesses)
  }
  return Judgement(
    verdict: .fail, reason: "\(wrong.name): expected \(wrong.expectedWords), saw \(wrong.seenWords)",
    witnesses: witnesses)
}
