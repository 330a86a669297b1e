import Model
import Yams

/// The sections that say what varies: matrix, controls, exclude, overrides.
struct MatrixReader {
  var fields: FieldReader
  private(set) var axisNodes: [String: Node] = [:]
  private(set) var controls: [String: Node] = [:]
  private(set) var exclude: [(condition: Condition, node: Node)] = []
  private(set) var overrides: [(override: Scenario.Override, node: Node)] = []
  private(set) var settingNodes: [SettingPlace] = []

  private var reader: Reader { fields.reader }

  init(_ fields: FieldReader, _ sections: FieldReader.Record) {
    self.fields = fields
    if let section = sections["matrix"] { readMatrix(section.node) }
    if let section = sections["controls"] { readControls(section.node) }
    if let section = sections["exclude"] {
      exclude = (reader.sequence(section.node, "exclude") ?? []).compactMap { item in
        self.fields.points(item, "exclude").map { ($0, item) }
      }
    }
    if let section = sections["overrides"] { readOverrides(section.node) }
  }

  private mutating func readMatrix(_ node: Node) {
    let entries = reader.mapping(node, "matrix") ?? []
    if entries.count > Bounds.axes {
      reader.report("\(entries.count) axes; at most \(Bounds.axes)", at: node)
    }
    for (name, keyNode, list) in entries.prefix(Bounds.axes) {
      guard fields.isParameter(name) || reader.isName(name, "an axis", at: keyNode) else { continue }
      guard name != "kernel" else {
        reader.report(
          "\"kernel\" cannot be an axis' name: expectations ask for capabilities by it", at: keyNode)
        continue
      }
      axisNodes[name] = keyNode
      fields.names.axes.append(Axis(name: name, values: values(of: name, keyNode, list)))
    }
  }

  private mutating func values(of name: String, _ keyNode: Node, _ list: Node) -> [Axis.Value] {
    var values: [Axis.Value] = []
    var seen: Set<String> = []
    let items = reader.sequence(list, name) ?? []
    if items.count > Bounds.values {
      reader.report("\(name) has \(items.count) values; at most \(Bounds.values)", at: keyNode)
    }
    for item in items.prefix(Bounds.values) {
      guard let text = reader.text(item, "a value of \(name)", atMost: Bounds.value) else { continue }
      guard seen.insert(text).inserted else {
        reader.report("\"\(text)\" stands twice on the axis \(name)", at: item)
        continue
      }
      let assignment = fields.isParameter(name) ? fields.assignment(name, keyNode, item) : nil
      if case .servers(let count)? = assignment { fields.names.servers = max(fields.names.servers, count) }
      if let assignment { note(assignment, keyNode) }
      // One that could not be read is a value all the same, of which nothing more is said.
      values.append(Axis.Value(text: text, assignment: assignment))
    }
    if list.sequence?.isEmpty == true {
      reader.report("the axis \(name) has no values, so the matrix is empty", at: keyNode)
    }
    return values
  }

  private mutating func readControls(_ node: Node) {
    for item in fields.items(node, "controls") ?? [] {
      if let name = fields.value(item, "controls", .name(.axis))?.text { controls[name] = item }
    }
  }

  private mutating func readOverrides(_ node: Node) {
    for item in reader.sequence(node, "overrides") ?? [] {
      guard let record = fields.record(item, "an override", Grammar.override), let set = record["set"] else {
        continue
      }
      var assignments: [Assignment] = []
      for (path, pathNode, value) in reader.mapping(set.node, "set") ?? [] {
        guard let assignment = fields.assignment(path, pathNode, value) else { continue }
        note(assignment, pathNode)
        assignments.append(assignment)
      }
      let when = record["when"].flatMap { fields.points($0.node, "when") } ?? Condition()
      overrides.append((Scenario.Override(when: when, set: assignments), item))
    }
  }

  private mutating func note(_ assignment: Assignment, _ place: Node) {
    if case .setting(let node, let name, _) = assignment {
      settingNodes.append(SettingPlace(node: node, setting: name, place: place))
    }
  }
}

extension FieldReader {
  /// A point set of the matrix.
  func points(_ node: Node, _ what: String) -> Condition? {
    value(node, what, .condition(kernel: false)).map(Condition.init)
  }
}

extension Condition {
  /// What was read as one; `kernel` is none of its axes.
  init(_ read: FieldValue) {
    let axes = (read.entries ?? []).filter { $0.key != "kernel" && !$0.value.texts.isEmpty }
    self.init(Dictionary(axes.map { ($0.key, Set($0.value.texts)) }) { first, _ in first })
  }
}
