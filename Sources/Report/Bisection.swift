/// The search for the place in an ordered list where one behaviour becomes another, as git-bisect(1) does it: halves until
/// two neighbours are left. Pure: who asks what is to be looked at next (``next``) and says what was seen there.
///
/// The first of the list is good and the last is bad, by definition. What can be said of none (a kernel that lacks what
/// the case needs, or that does not boot) is stepped over: then the nearest to the middle that is left is next, and where
/// only such ones are left between the two neighbours the change is in any of them.
public struct Bisection: Sendable {
  /// What was seen at a place.
  public enum Answer: Sendable, Equatable {
    case good
    /// Not as the first: as the last, or something third.
    case bad
    /// Nothing can be said of it.
    case skipped
  }

  private var answers: [Answer?]
  /// The last place that is good, as far as is known.
  public private(set) var good = 0
  /// The first after it that is bad.
  public private(set) var bad: Int

  /// - Parameter count: places in the list, at least two.
  public init(count: Int) {
    precondition(count >= 2, "a search needs two ends")
    answers = Array(repeating: nil, count: count)
    (answers[0], answers[count - 1], bad) = (.good, .bad, count - 1)
  }

  /// Where to look next: of the places between the two of which nothing is known the nearest to the middle; nil where
  /// there is none, and the search is over.
  public var next: Int? {
    open.min { left, right in
      // Twice the distance, so that a middle between two places needs no halves.
      (abs(2 * left - good - bad), left) < (abs(2 * right - good - bad), right)
    }
  }

  /// Places between the two that have not been looked at.
  public var open: [Int] { between.filter { answers[$0] == nil } }

  /// Places between the two that were stepped over; the change may be in each of them, once ``next`` is nil.
  public var skipped: [Int] { between.filter { answers[$0] == .skipped } }

  /// How many more looks there are at the most, if none is stepped over.
  public var most: Int { Int.bitWidth - open.count.leadingZeroBitCount }

  private var between: Range<Int> { good + 1..<bad }

  /// Takes what was seen at a place between the two.
  public mutating func answer(_ place: Int, _ answer: Answer) {
    precondition(between.contains(place) && answers[place] == nil, "\(place) was not asked for")
    answers[place] = answer
    switch answer {
    case .good: good = place
    case .bad: bad = place
    case .skipped: break
    }
  }
}
