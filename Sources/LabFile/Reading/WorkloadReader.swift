import Model
import Yams

/// A step with the places of its parts.
struct PlacedStep {
  var step: Scenario.GuardedStep
  /// The whole step.
  var node: Node
  /// What stands behind the verb.
  var subject: Node
  /// The keys of its options.
  var keys: [String: Node]

  /// Where a mistake of its own is: at an option's key, at what stands behind the verb, or at the whole step.
  func place(of mistake: StepMistake) -> Node {
    guard let key = mistake.key else { return node }
    if let option = keys[key] { return option }
    // Of several that one step names, the one that is meant.
    let names = step.step.action.names
    return subject.mapping?.first { names.contains($0.key.string ?? "") }?.key ?? subject
  }
}

extension Field {
  /// Whether it is what expectations call a step's attempts.
  fileprivate var isLabel: Bool {
    if case .newName = kind, name == "as" { true } else { false }
  }
}

/// The section that says what happens: each step by its verb.
struct WorkloadReader {
  var fields: FieldReader
  private(set) var steps: [PlacedStep] = []
  private(set) var settingNodes: [SettingPlace] = []

  private var reader: Reader { fields.reader }

  init(_ fields: FieldReader, _ sections: FieldReader.Record) {
    self.fields = fields
    guard let section = sections["workload"] else { return }
    if section.node.sequence?.isEmpty == true { reader.report("at least one step", at: section.node) }
    let items = reader.sequence(section.node, "workload")
    if items?.isEmpty != false { self.fields.names.lacksSteps = true }
    for item in items ?? [] { read(item) }
  }

  private mutating func read(_ item: Node) {
    guard let entries = reader.mapping(item, "a step") else {
      fields.names.lacksSteps = true
      return
    }
    guard let first = entries.first else {
      reader.report("an empty step", at: item)
      return
    }
    guard let action = Step.verbs[first.key] else {
      reader.report(
        "a step begins with what it does, not \"\(short(first.key))\"\(hint(noVerb: entries.map(\.key)))",
        at: first.keyNode)
      fields.names.lacksSteps = true
      return
    }
    let verb = action.verb
    let options = verb.options + [Grammar.when]
    var words = StepWords(subject: .text(""))
    var condition = Condition()
    let known = [verb.name] + options.map(\.name)
    for entry in entries.dropFirst() {
      guard let field = options.first(where: { $0.name == entry.key }) else {
        reader.report(
          "unknown key \"\(short(entry.key))\" in \(verb.name)\(suggestion(entry.key, known))",
          at: entry.keyNode)
        continue
      }
      if field.name == Grammar.when.name {
        if let points = fields.points(entry.value, "when") { condition = points }
      } else {
        let what = field.isLabel ? "a label" : field.name
        words.options[field.name] = fields.value(entry.value, what, field.kind)
      }
    }
    let subject = fields.value(first.value, verb.name, verb.subject)
    let isComplete = complete(&words, verb, entries.map(\.key), first.keyNode)
    let asNode = entries.first { entry in options.contains { $0.name == entry.key && $0.isLabel } }?.value
    guard let subject, isComplete else {
      fields.names.lacksSteps = true
      return
    }
    words.subject = subject
    if asNode != nil, words["as"] == nil { fields.names.lacksSteps = true }
    let keys = Dictionary(entries.dropFirst().map { ($0.key, $0.keyNode) }) { first, _ in first }
    for action in action.read(words) { add(action, condition, item, first.value, keys, asNode) }
  }

  /// Fills in what goes without saying; false, with a mistake, where something is missing or too much.
  private func complete(_ words: inout StepWords, _ verb: Verb, _ keys: [String], _ place: Node) -> Bool {
    var isComplete = true
    for field in verb.options where !keys.contains(field.name) {
      let isOnlyGroup = field.byDefault == Field.onlyGroup
      if isOnlyGroup, fields.names.groups.count == 1 {
        words.options[field.name] = .text(fields.names.groups[0])
      } else if field.isRequired || isOnlyGroup {
        reader.report("\(verb.name) needs \"\(field.name)\": \(field.summary)", at: place)
        isComplete = false
      }
    }
    for pair in verb.apart where pair.allSatisfy(keys.contains) {
      reader.report("\(alternatives(pair, "and")) cannot stand together in \(verb.name)", at: place)
      isComplete = false
    }
    return isComplete
  }

  private mutating func add(
    _ action: some StepAction, _ condition: Condition, _ item: Node, _ subject: Node, _ keys: [String: Node],
    _ asNode: Node?
  ) {
    if let label = action.label { note(label, isSend: action.makes == .bytes, at: asNode ?? subject) }
    if let write = action.writes {
      let key = subject.mapping?.first { $0.key.string == "\(write.node).\(write.setting)" }?.key
      settingNodes.append(SettingPlace(node: write.node, setting: write.setting, place: key ?? subject))
    }
    steps.append(
      PlacedStep(
        step: Scenario.GuardedStep(when: condition, step: Step(action)), node: item, subject: subject,
        keys: keys))
  }

  private mutating func note(_ label: String, isSend: Bool, at node: Node) {
    if Names.reserved.subtracting(Names.ofNodes).contains(label) {
      reader.report("\"\(label)\" cannot be a label: it means something else in an expectation", at: node)
      fields.names.lacksSteps = true
    }
    if let known = fields.names.labels[label], known != isSend {
      reader.report("\"\(label)\" is the label of connections and of bytes sent; use two", at: node)
    }
    fields.names.labels[label] = isSend
  }

  private func hint(noVerb keys: [String]) -> String {
    if let verb = keys.first(where: { Step.verbs[$0] != nil }) { return "; put \"\(verb)\" first" }
    return suggestion(
      keys.first ?? "", Step.verbs.keys.sorted(), more: "pawslab reference steps has them all")
  }
}
