import Judging
import Model
import Yams

/// The section that says what is expected.
struct RuleReader {
  var fields: FieldReader
  private(set) var rules: [(rule: Scenario.GuardedRule, node: Node)] = []
  private var closed = false

  private var reader: Reader { fields.reader }

  init(_ fields: FieldReader, _ sections: FieldReader.Record) {
    self.fields = fields
    guard let section = sections["expect"] else { return }
    for item in reader.sequence(section.node, "expect") ?? [] { read(item) }
  }

  private mutating func read(_ item: Node) {
    let required = Grammar.rule.filter(\.isRequired).map(\.name)
    guard let entries = reader.mapping(item, "an expectation", required: required) else { return }
    if closed { reader.report("nothing can come after otherwise", at: item) }
    var condition = Condition()
    var witnesses = AuthorWitnesses()
    var rule = Rule(kernel: [], outcomes: [:], because: "")
    rule.line = item.mark?.line
    var shares: Node?
    for (key, keyNode, node) in entries {
      guard let field = Grammar.rule.first(where: { $0.name == key }) else {
        if let expectation = outcome(of: key, keyNode, node) { rule.outcomes[key] = expectation }
        continue
      }
      guard key != "served" else {
        rule.served = served(node)
        continue
      }
      let value = fields.value(node, key, field.kind)
      switch key {
      case "when":
        guard let value else { continue }
        condition = Condition(value)
        rule.kernel = kernel(value, node)
      case "otherwise":
        closed = true
        if value == .flag(false) { reader.report("otherwise is true", at: node) }
      case "source": rule.source = value?.text.flatMap(Rule.Source.init)
      case "counters": witnesses.counters = value?.amounts ?? [:]
      case "packets": witnesses.packets = packets(value, node)
      case "sockets":
        witnesses.sockets = (value?.amounts ?? [:]).mapValues { counted in
          counted.sorted { $0.key < $1.key }.compactMap {
            try? SocketPattern(sockets: $0.key, count: $0.value.description)
          }
        }
      case "conntrack":
        witnesses.conntrack = value?.patterns(ConntrackPattern.self) ?? [:]
      case "ipvs": witnesses.ipvs = value?.patterns(IPVSPattern.self) ?? [:]
      case "drops": witnesses.drops = value?.amounts ?? [:]
      case "shares":
        shares = node
        rule.shares = Dictionary(
          (value?.entries ?? []).compactMap { label, percent in percent.number.map { (label, $0) } }
        ) { first, _ in first }
      case "time_wait": rule.timeWait = value?.text.flatMap(Rule.TimeWaitLength.init)
      default: rule.because = value?.text ?? ""
      }
    }
    for label in (rule.shares ?? [:]).keys.sorted() where rule.outcomes[label]?.outcome != .predicted {
      reader.report(
        "shares are of what is predicted, and \(label) is not: \(label): predicted by time-wait", at: shares)
    }
    if !witnesses.isEmpty { rule.witnesses = witnesses }
    if !entries.contains(where: { $0.key == "when" || $0.key == "otherwise" }) {
      reader.report("an expectation needs \"when\" or \"otherwise\"", at: item)
    }
    rules.append((Scenario.GuardedRule(when: condition, rule: rule), item))
  }

  private func kernel(_ when: FieldValue, _ node: Node) -> [KernelCondition] {
    let conditions = (when["kernel"]?.texts ?? []).compactMap { KernelCondition(text: $0) }
    if Set(conditions.map(\.capability)).count < conditions.count {
      let place = node.mapping?.first { $0.key.string == "kernel" }?.value
      reader.report(
        "the same capability twice: once is enough, and no kernel has it and lacks it", at: place ?? node)
    }
    return conditions
  }

  /// Packets, and whether their labels and nodes are there.
  private func packets(_ value: FieldValue?, _ node: Node) -> [PacketPattern] {
    let items = fields.reader.places(of: node)
    return (value?.texts ?? []).compactMap { text in
      guard let pattern = try? PacketPattern(text: text) else { return nil }
      let place = items.first { $0.scalar?.string == text } ?? node
      for label in pattern.labels { _ = isSend(label, place) }
      for name in pattern.nodes { _ = fields.scalar(name, place, "node", .name(.node)) }
      return pattern
    }
  }

  private func served(_ node: Node) -> [String: ServedBy] {
    var served: [String: ServedBy] = [:]
    for (label, labelNode, value) in reader.mapping(node, "served") ?? [] {
      guard let own = isSend(label, labelNode), let text = reader.text(value, label),
        let by = fields.servedBy(text, value), let other = isSend(by.label, value)
      else { continue }
      if own || other || by.label == label {
        reader.report("served compares two labels of connections", at: value)
      }
      served[label] = by
    }
    return served
  }

  /// Whether a label is of bytes sent; nil, with a mistake, where no step has it.
  private func isSend(_ label: String, _ node: Node) -> Bool? {
    if fields.names.labels[label] == nil, fields.names.lacksSteps { return nil }
    return fields.scalar(label, node, "label", .name(.label)).flatMap { _ in fields.names.labels[label] }
  }

  private func outcome(of label: String, _ labelNode: Node, _ node: Node) -> Expectation? {
    guard let isSend = isSend(label, labelNode), let text = reader.text(node, label) else { return nil }
    let possible = Expectation.all.filter { isSend ? $0.outcome.isOfSend : $0.outcome.isOfConnect }
    if let other = Expectation(text: text), !possible.contains(other) {
      reader.report(
        "\(label) is the label of \(isSend ? "bytes sent" : "connections"), of which none is \(text)"
          + fields.hint(noExpectation: text, possible), at: node)
      return nil
    }
    return fields.expectation(text, node, among: possible)
  }
}

extension FieldValue {
  /// Node to name to how often.
  fileprivate var amounts: [String: [String: Amount]] {
    Dictionary(
      (entries ?? []).map { node, counts in
        (
          node,
          Dictionary(
            (counts.entries ?? []).compactMap { name, count in
              count.text.flatMap { try? Amount(text: $0) }.map { (name, $0) }
            }
          ) { first, _ in first }
        )
      }
    ) { first, _ in first }
  }

  /// Node to what stands in its table.
  fileprivate func patterns<Pattern: Notation>(_: Pattern.Type) -> [String: [Pattern]] {
    Dictionary(
      (entries ?? []).map { ($0, $1.texts.compactMap { try? Pattern(text: $0) }) }
    ) { first, _ in first }
  }
}

extension KernelCondition {
  /// `tc-bpf`, `no tc-bpf`
  fileprivate init?(text: String) {
    let present = !text.hasPrefix("no ")
    guard let capability = Capability.known(present ? text : String(text.dropFirst(3))) else { return nil }
    self.init(capability: capability, present: present)
  }
}
