/// A scenario's matrix as numbers: points are counted, conditions held against them, and what the cases will come to
/// added up, before one of them is made.
public struct Grid: Sendable {
  /// Values of each axis.
  private let sizes: [Int]
  /// Points before `exclude`; `Int.max` where they are more than can be counted.
  public let count: Int
  private let exclude: [Test]

  /// A condition by places: for each axis that it names, which of the values qualify. No point has an axis or a value
  /// that is not there.
  public struct Test: Sendable {
    fileprivate var allowed: [(axis: Int, values: [Bool])]
    fileprivate var isPossible = true
  }

  private let axes: [Axis]

  init(_ scenario: Scenario) {
    axes = scenario.axes
    sizes = axes.map(\.values.count)
    count = sizes.reduce(1) { product, size in
      let (result, overflow) = product.multipliedReportingOverflow(by: size)
      return overflow ? .max : result
    }
    exclude = scenario.exclude.map { [axes] in Self.test($0, axes) }
  }

  /// A condition, ready to be asked of many points.
  public func test(_ condition: Condition) -> Test { Self.test(condition, axes) }

  private static func test(_ condition: Condition, _ axes: [Axis]) -> Test {
    var test = Test(allowed: [])
    for (name, values) in condition.axes {
      guard let axis = axes.firstIndex(where: { $0.name == name }) else {
        test.isPossible = false
        continue
      }
      test.allowed.append((axis, axes[axis].values.map { values.contains($0.text) }))
    }
    return test
  }

  /// Whether a point is in a condition's set.
  public func holds(_ test: Test, at point: [Int]) -> Bool {
    test.isPossible && test.allowed.allSatisfy { $0.values[point[$0.axis]] }
  }

  /// The value of each axis, by place; the last axis changes fastest.
  public func point(_ number: Int) -> [Int] {
    var (rest, point) = (number, sizes)
    for axis in sizes.indices.reversed() {
      point[axis] = rest % sizes[axis]
      rest /= sizes[axis]
    }
    return point
  }

  /// A point's number with one axis at its first value: the same for points that differ on that axis alone.
  public func number(of point: [Int], without axis: Int) -> Int {
    sizes.indices.reduce(0) { $0 * sizes[$1] + ($1 == axis ? 0 : point[$1]) }
  }

  /// Every point that `exclude` leaves, in order. Asks for as many as ``count`` says.
  public func forEachPoint(_ body: ([Int]) -> Void) {
    for number in 0..<count {
      let point = point(number)
      if !exclude.contains(where: { holds($0, at: point) }) { body(point) }
    }
  }

  /// For each entry of `exclude`, whether it leaves out a point that those before it have not.
  public func usedExcludes() -> [Bool] {
    var used = exclude.map { _ in false }
    for number in 0..<count {
      let point = point(number)
      if let first = exclude.firstIndex(where: { holds($0, at: point) }) { used[first] = true }
    }
    return used
  }
}

extension Scenario {
  /// The matrix as numbers.
  public var grid: Grid { Grid(self) }

  /// What stands in the way of making the cases, in words, by ``Bounds``; nil where nothing does. Takes a moment and no
  /// memory, whatever the matrix.
  public func excess() -> String? {
    let grid = grid
    let conditions = exclude.count + overrides.count + workload.count + rules.count
    if conditions > Bounds.conditions {
      return "\(conditions) conditions (exclude, overrides, workload, expect); at most \(Bounds.conditions)"
    }
    if grid.count > Bounds.points {
      let product = axes.map { "\($0.values.count)" }.joined(separator: " x ")
      let points = grid.count == .max ? "more than can be counted" : "\(grid.count)"
      return "the matrix has \(product) = \(points) points; at most \(Bounds.points)"
    }
    if grid.count * max(1, conditions) > Bounds.evaluations {
      return
        "\(grid.count) points by \(conditions) conditions are too many; at most \(Bounds.evaluations) together"
    }
    var (cases, clients, settings) = (0, 0, 0)
    let tests = (overrides.map { grid.test($0.when) }, workload.map { grid.test($0.when) })
    grid.forEachPoint { point in
      cases += 1
      // What is beyond is not looked at.
      guard cases <= Bounds.cases, clients <= Bounds.clientsOfAllCases, settings <= Bounds.settingsOfAllCases
      else { return }
      let parameters = parameters(at: point, grid, tests.0)
      let members = parameters.groups.reduce(0) { $0 + $1.count }
      let nodes = members + parameters.servers + 2
      func weight(_ node: String) -> Int {
        switch node {
        case "all": nodes
        case Network.server: parameters.servers
        default: parameters.groups.first { $0.name == node }?.count ?? 1
        }
      }
      clients += members
      settings += 2 * nodes + parameters.settings.reduce(0) { $0 + weight($1.node) }
      for (index, guarded) in workload.enumerated() {
        if let write = guarded.step.action.writes, grid.holds(tests.1[index], at: point) {
          settings += weight(write.node)
        }
      }
    }
    for (count, bound, what) in [
      (cases, Bounds.cases, "cases"), (clients, Bounds.clientsOfAllCases, "clients of all cases together"),
      (settings, Bounds.settingsOfAllCases, "settings of all nodes of all cases together"),
    ] where count > bound {
      return "\(count) \(what); at most \(bound)"
    }
    return nil
  }

  /// The network and settings of a point, and the point's values.
  func parameters(at point: [Int], _ grid: Grid, _ tests: [Grid.Test]) -> Parameters {
    var parameters = base
    for (axis, value) in zip(axes, point) {
      if let assignment = axis.values[value].assignment { parameters.apply(assignment) }
    }
    for (override, test) in zip(overrides, tests) where grid.holds(test, at: point) {
      override.set.forEach { parameters.apply($0) }
    }
    return parameters
  }
}
