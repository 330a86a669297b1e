import Judging
import Model

/// Cases as numbers: which value each has of each axis.
struct Matrix {
  private let axes: [String]
  private var values: [[String]]
  private var rows: [[Int]] = []

  /// Conditions are sought among so many axes, the first: a set of axes is a bit pattern, and all of them are tried.
  private static let axesForAllSets = 12

  init(_ entries: [Results.Entry]) {
    axes = entries.first?.axisOrder ?? []
    values = axes.map { _ in [] }
    for entry in entries {
      var row: [Int] = []
      for (place, axis) in axes.enumerated() {
        let value = entry.axes[axis] ?? ""
        if !values[place].contains(value) { values[place].append(value) }
        row.append(values[place].firstIndex(of: value) ?? 0)
      }
      rows.append(row)
    }
  }

  /// Of the fewest axes, and few of them: greedily the one that says most of what is not said yet.
  func conditions(of hurt: [Int]) -> [Finding.Condition] {
    let isHurt = Set(hurt)
    let others = rows.indices.filter { !isHurt.contains($0) }
    // No case twice with the same values and not the same effect, or nothing tells them apart.
    guard !others.isEmpty else { return [Finding.Condition(axes: [])] }
    let sets = (0..<(1 << min(axes.count, Self.axesForAllSets))).sorted {
      ($0.nonzeroBitCount, $0) < ($1.nonzeroBitCount, $1)
    }
    var left = hurt
    var found: [Finding.Condition] = []
    while let conjunction = best(for: left, against: others, sets) {
      let wide = widened(conjunction, hurt, against: others)
      left.removeAll { row in matches(row, wide) }
      found.append(
        Finding.Condition(
          axes: wide.map { place, allowed in
            .init(axis: axes[place], values: allowed.sorted().map { values[place][$0] })
          }))
    }
    return left.isEmpty ? found : []
  }

  /// The first axis of which no value is in two of these groups of cases, and the values in each; nil where there is none.
  func axis(telling groups: [[Int]]) -> (name: String, values: [Finding.Condition.Part])? {
    for place in axes.indices {
      let seen = groups.map { Set($0.map { rows[$0][place] }) }
      guard Set(seen.joined()).count == seen.reduce(0, { $0 + $1.count }) else { continue }
      return (
        axes[place],
        seen.map { Finding.Condition.Part(axis: axes[place], values: $0.sorted().map { values[place][$0] }) }
      )
    }
    return nil
  }

  private typealias Conjunction = [(place: Int, allowed: Set<Int>)]

  private func matches(_ row: Int, _ conjunction: Conjunction) -> Bool {
    conjunction.allSatisfy { $0.allowed.contains(rows[row][$0.place]) }
  }

  /// Of the smallest sets of axes that tell one of the cases from all others: that which tells most of them.
  private func best(for left: [Int], against others: [Int], _ sets: [Int]) -> Conjunction? {
    var best: (size: Int, covered: Int, conjunction: Conjunction)?
    for row in left {
      // Axes on which the two have the same value.
      let alike = others.map { other in
        rows[row].indices.reduce(0) { $0 | (rows[row][$1] == rows[other][$1] ? 1 << $1 : 0) }
      }
      for set in sets {
        let size = set.nonzeroBitCount
        if let best, size > best.size { break }
        guard !alike.contains(where: { $0 & set == set }) else { continue }
        let conjunction = axes.indices.filter { set >> $0 & 1 == 1 }.map {
          (place: $0, allowed: Set([rows[row][$0]]))
        }
        let covered = left.count { matches($0, conjunction) }
        if let known = best, known.size == size, known.covered >= covered { continue }
        best = (size, covered, conjunction)
      }
    }
    return best?.conjunction
  }

  /// With the further values of each axis with which it is still true of no other case, and of one that is hurt.
  private func widened(_ conjunction: Conjunction, _ hurt: [Int], against others: [Int]) -> Conjunction {
    var wide = conjunction
    for index in wide.indices {
      for value in values[wide[index].place].indices where !wide[index].allowed.contains(value) {
        var wider = wide
        wider[index].allowed.insert(value)
        var only = wide
        only[index].allowed = [value]
        if hurt.contains(where: { matches($0, only) }), !others.contains(where: { matches($0, wider) }) {
          wide = wider
        }
      }
    }
    return wide
  }
}
