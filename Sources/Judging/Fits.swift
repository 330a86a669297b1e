import Evidence
import Model

/// What a case that failed could have expected.
extension Judge {
  /// At most so many are named.
  private static let most = 3
  /// At most so many are tried: each is a judgement of its own, of all attempts.
  private var tries: Int { min(30, max(6, 20_000 / max(1, observation.attempts.count))) }

  /// Which outcomes and mechanisms in place of those that are expected would have passed: of every label that disagrees,
  /// or of any one where the witnesses disagree only.
  func fits(_ rule: Rule, insteadOf judgement: Judgement) -> [String]? {
    var outcomes: [String: Set<Outcome?>] = [:]
    for judged in judgement.attempts { outcomes[judged.attempt.label, default: []].insert(judged.outcome) }
    let wrong = Set(judgement.attempts.filter { !$0.holds }.map(\.attempt.label)).sorted()
    var left = tries
    if !wrong.isEmpty { return named(found(wrong[...], rule, outcomes, [], &left)) }
    return named(outcomes.keys.sorted().flatMap { found([$0], rule, outcomes, [], &left) })
  }

  private func named(_ found: [String]) -> [String]? { found.isEmpty ? nil : Array(found.prefix(Self.most)) }

  private func found(
    _ labels: ArraySlice<String>, _ rule: Rule, _ outcomes: [String: Set<Outcome?>], _ words: [String],
    _ left: inout Int
  ) -> [String] {
    guard let label = labels.first else {
      left -= 1
      return judgement(by: rule).verdict == .pass ? [words.joined(separator: ", ")] : []
    }
    var all: [String] = []
    for expectation in Expectation.all where left > 0 && all.count < Self.most {
      // An author's own witnesses fit whatever they say.
      guard expectation != rule.outcomes[label], expectation.mechanism != "witnesses" else { continue }
      if expectation.outcome != .predicted, outcomes[label] != [expectation.outcome] { continue }
      var other = rule
      other.outcomes[label] = expectation
      all += found(labels.dropFirst(), other, outcomes, words + ["\(label): \(expectation)"], &left)
    }
    return all
  }
}
