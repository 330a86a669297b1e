import Model
import Yams

/// A scenario with the places of what the checks may complain about.
struct PlacedScenario {
  var scenario: Scenario
  var axisNodes: [String: Node]
  var controlNodes: [String: Node]
  var excludeNodes: [Node]
  var overrideNodes: [Node]
  var steps: [PlacedStep]
  var ruleNodes: [Node]
  /// Where each setting stands that the file writes on each node.
  var settingNodes: [SettingPlace]
  var matrix: Node

  /// Axes that some step or override depends on.
  var usedAxes: Set<String> {
    let conditions = scenario.overrides.map(\.when) + scenario.workload.map(\.when)
    return Set(conditions.flatMap(\.axes.keys))
  }
}

/// Reads a lab file: each section by what those before it have named.
struct ScenarioReader {
  let reader: Reader

  init(_ reader: Reader) { self.reader = reader }

  func read(_ root: Node, name: String) -> PlacedScenario? {
    let fields = FieldReader(reader)
    guard let sections = fields.record(root, "a lab file", Grammar.sections) else { return nil }
    func text(_ name: String) -> String {
      guard let field = Grammar.sections.first(where: { $0.name == name }) else { return "" }
      return sections[name].flatMap { fields.value($0, field)?.text } ?? ""
    }
    let (title, why) = (text("title"), text("why"))
    let network = NetworkReader(fields, sections)
    let matrix = MatrixReader(network.fields, sections)
    let workload = WorkloadReader(matrix.fields, sections)
    let rules = RuleReader(workload.fields, sections)
    return PlacedScenario(
      scenario: Scenario(
        name: name, title: title, why: why, base: network.base, axes: rules.fields.names.axes,
        controls: Set(matrix.controls.keys), exclude: matrix.exclude.map(\.condition),
        overrides: matrix.overrides.map(\.override), workload: workload.steps.map(\.step),
        rules: rules.rules.map(\.rule)),
      axisNodes: matrix.axisNodes, controlNodes: matrix.controls, excludeNodes: matrix.exclude.map(\.node),
      overrideNodes: matrix.overrides.map(\.node), steps: workload.steps, ruleNodes: rules.rules.map(\.node),
      settingNodes: network.settingNodes + matrix.settingNodes + workload.settingNodes,
      matrix: sections["matrix"]?.node ?? root)
  }
}
