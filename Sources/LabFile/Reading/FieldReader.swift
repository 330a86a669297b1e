import Model
import Yams

/// Reads nodes by what the grammar says may stand there. Every mistake is reported at its place; what could not be read
/// is nil.
struct FieldReader {
  let reader: Reader
  /// What the file has named so far.
  var names = Names()

  init(_ reader: Reader) { self.reader = reader }

  /// A record's keys and values, in the file's order.
  struct Record {
    var node: Node
    var entries: [Entry]

    struct Entry {
      var key: String
      var keyNode: Node
      var node: Node
    }

    subscript(_ key: String) -> Entry? { entries.first { $0.key == key } }
  }

  // MARK: whole kinds

  /// What stands at a node.
  ///
  /// - Parameter what: what mistakes call it: its key, mostly.
  func value(_ node: Node, _ what: String, _ kind: FieldKind) -> FieldValue? {
    switch kind {
    case .paragraphs: return reader.paragraphs(node, what).map(FieldValue.text)
    case .flag: return flag(node, what)
    case .list(let element, _): return list(node, what, element)
    case .entries(let key, let value): return entries(node, what, key, value)
    case .record(let fields): return read(record(node, what, fields), fields)
    case .open(let fields, let key, let value): return open(node, what, fields, key, value)
    case .either(let kinds): return either(node, what, kinds)
    case .condition(let kernel): return condition(node, what, kernel: kernel)
    case .text(let limit): return reader.text(node, what, atMost: limit).map(FieldValue.text)
    case .scalar: return reader.text(node, what, atMost: Bounds.value).map(FieldValue.text)
    case .step, .settingValue, .parameterValue:
      preconditionFailure("\(kind) is read by its owner, who knows the key")
    case .number, .decimal, .word, .newName, .name, .clock, .ports, .address, .capability, .expectation,
      .servedBy, .notation:
      guard let text = reader.text(node, Self.noun(what, kind)) else { return nil }
      return scalar(text, node, what, kind)
    }
  }

  /// The value of a field's key.
  func value(_ entry: Record.Entry, _ field: Field) -> FieldValue? {
    value(entry.node, field.name, field.kind)
  }

  /// The keys that stand in a mapping, of those that may.
  func record(_ node: Node, _ what: String, _ fields: [Field]) -> Record? {
    reader.mapping(
      node, what, known: fields.map(\.name), required: fields.filter(\.isRequired).map(\.name)
    ).map { Record(node: node, entries: $0.map { .init(key: $0.key, keyNode: $0.keyNode, node: $0.value) }) }
  }

  private func read(_ record: Record?, _ fields: [Field]) -> FieldValue? {
    record.map { record in
      .entries(
        record.entries.compactMap { entry in
          fields.first { $0.name == entry.key }.flatMap { value(entry, $0) }.map { (entry.key, $0) }
        })
    }
  }

  private func open(
    _ node: Node, _ what: String, _ fields: [Field], _ key: FieldKind, _ kind: FieldKind
  ) -> FieldValue? {
    let required = fields.filter(\.isRequired).map(\.name)
    return reader.mapping(node, what, required: required).map { entries in
      .entries(
        entries.compactMap { name, keyNode, node in
          if let field = fields.first(where: { $0.name == name }) {
            return value(node, name, field.kind).map { (name, $0) }
          }
          guard scalar(name, keyNode, "a key of \(what)", key) != nil else { return nil }
          return value(node, name, kind).map { (name, $0) }
        })
    }
  }

  private func entries(_ node: Node, _ what: String, _ key: FieldKind, _ kind: FieldKind) -> FieldValue? {
    reader.mapping(node, what).map { entries in
      .entries(
        entries.compactMap { name, keyNode, node in
          if case .name(.nodeSetting) = key {
            let read = setting(path: name, keyNode, node)
            return read.map { (name, .text($0.value)) }
          }
          guard scalar(name, keyNode, what, key) != nil else { return nil }
          if case .settingValue = kind {
            return Setting.named(name).flatMap { value(of: $0, node) }.map { (name, .text($0)) }
          }
          return value(node, name, kind).map { (name, $0) }
        })
    }
  }

  /// Several, or one alone; a list has at least one.
  private func list(_ node: Node, _ what: String, _ kind: FieldKind) -> FieldValue? {
    guard let items = items(node, what, isMapping: kind.isMapping) else { return nil }
    if case .name = kind {
      var seen: Set<String> = []
      if let twice = items.first(where: { !seen.insert($0.scalar?.string ?? "").inserted }) {
        reader.report("\(Reader.kind(twice)) stands twice in \(what)", at: twice)
      }
    }
    return .list(items.compactMap { value($0, what, kind) })
  }

  /// The nodes of a list, or one alone.
  func items(_ node: Node, _ what: String, isMapping: Bool = false) -> [Node]? {
    if node.scalar != nil || isMapping && node.mapping != nil { return [node] }
    guard let items = reader.sequence(node, what) else { return nil }
    if items.isEmpty { reader.report("\(what) is an empty list: leave it out, or name one", at: node) }
    return items
  }

  private func either(_ node: Node, _ what: String, _ kinds: [FieldKind]) -> FieldValue? {
    let fitting = kinds.filter { $0.fits(node) }
    if fitting.count == 1 { return value(node, what, fitting[0]) }
    for kind in fitting {
      var trial = self
      trial = FieldReader(Reader(file: reader.file))
      trial.names = names
      if let value = trial.value(node, what, kind), trial.reader.mistakes.isEmpty { return value }
    }
    let wanted = (fitting.isEmpty ? kinds : fitting).map(\.words)
    reader.report(
      "\(what) is \(alternatives(wanted)), not \(Reader.kind(node))\(hint(none: node, of: fitting))", at: node
    )
    return nil
  }

  /// The names that there are, where names are meant and nothing else.
  private func hint(none node: Node, of kinds: [FieldKind]) -> String {
    var known: [String] = []
    for kind in kinds {
      guard case .name(let named) = kind else { return "" }
      known += names.all(named).filter { !known.contains($0) }
    }
    return node.scalar.map { suggestion($0.string, known) } ?? ""
  }

  private func flag(_ node: Node, _ what: String) -> FieldValue? {
    switch node.scalar?.string {
    case "true": return .flag(true)
    case "false": return .flag(false)
    default:
      let meant = node.scalar.flatMap { Self.truth($0.string) }
      reader.report(
        "\(what) is true or false, not \(Reader.kind(node))" + (meant.map { "; write \($0)" } ?? ""), at: node
      )
      return nil
    }
  }

  /// What YAML 1.1 would have taken for true or false, and 1.2 takes for a word.
  static func truth(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "on", "yes", "y", "true", "1": true
    case "off", "no", "n", "false", "0": false
    default: nil
    }
  }

  /// Points of the matrix; where asked for, and what the kernel has.
  private func condition(_ node: Node, _ what: String, kernel: Bool) -> FieldValue? {
    reader.mapping(node, what).map { entries in
      .entries(
        entries.compactMap { name, keyNode, node in
          if kernel, name == "kernel" {
            return value(node, name, .list(.capability, atMost: Bounds.values)).map { (name, $0) }
          }
          guard scalar(name, keyNode, what, .name(.axis)) != nil, let axis = names.axis(name) else {
            return nil
          }
          let values = axis.values.map(\.text)
          return (
            name,
            .list(
              (items(node, name) ?? []).compactMap { item in
                guard let text = reader.text(item, name) else { return nil }
                if values.contains(text) { return .text(text) }
                reader.report(
                  "the axis \(name) has no value \"\(short(text))\"\(suggestion(text, values))", at: item)
                return nil
              })
          )
        })
    }
  }

  /// What mistakes call a single value that is none: names are called by what they name.
  private static func noun(_ what: String, _ kind: FieldKind) -> String {
    switch kind {
    case .name(.client): "client"
    case .clock: "a clock"
    case .ports: "ports"
    default: what
    }
  }
}

extension FieldKind {
  /// Whether one alone is a mapping.
  var isMapping: Bool {
    switch self {
    case .entries, .record, .open, .condition, .step: true
    case .either(let kinds): kinds.contains(where: \.isMapping)
    default: false
    }
  }

  /// Whether a node has the form: a mapping, a list or a single value.
  fileprivate func fits(_ node: Node) -> Bool {
    switch self {
    case .list(let kind, _): node.sequence != nil || kind.fits(node)
    case .either(let kinds): kinds.contains { $0.fits(node) }
    default: isMapping ? node.mapping != nil : node.scalar != nil
    }
  }
}
