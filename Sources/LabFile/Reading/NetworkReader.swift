import Model
import Yams

/// The sections that say what the network is: clocks, topology, clients, settings.
struct NetworkReader {
  var fields: FieldReader
  /// Before any axis or override.
  private(set) var base = Parameters(
    topology: .direct, family: .ipv4, serverPorts: 1,
    hop: Hop(nat: .snat, backend: .auto, ports: 32768...60999, random: .none, dropInvalid: false),
    groups: [], settings: [])
  /// Where each setting stands.
  private(set) var settingNodes: [SettingPlace] = []

  private var nodes: FieldValue?
  private var links: FieldValue?
  /// Where each part of a network stands that is spelled out.
  private var places: [String: Node] = [:]

  private var reader: Reader { fields.reader }

  init(_ fields: FieldReader, _ sections: FieldReader.Record) {
    self.fields = fields
    if let section = sections["clocks"] { readClocks(section.node) }
    if let section = sections["topology"] {
      self.fields.names.groups = Self.names(in: sections["clients"]?.node)
      self.fields.names.spelled = Self.spelled(section.node)
      readTopology(section.node)
    }
    if let section = sections["clients"] {
      readClients(section.node)
      places.merge(Self.keys(section.node)) { first, _ in first }
    }
    checkSketch(sections["topology"]?.keyNode)
    if let section = sections["settings"] { readSettings(section.node) }
  }

  private mutating func readClocks(_ node: Node) {
    for (name, keyNode, value) in reader.mapping(node, "clocks") ?? [] {
      guard !["natural", "off"].contains(name) else {
        reader.report("\"\(name)\" is a clock of its own; call the offset something else", at: keyNode)
        continue
      }
      guard reader.isName(name, "a clock", at: keyNode), let text = reader.text(value, "an offset") else {
        continue
      }
      fields.names.clocks[name] = fields.offset(text, value) ?? 0
    }
  }

  private mutating func readTopology(_ node: Node) {
    let own = [Parameter.kind(called: "kind")] + Parameter.ofNetwork
    // Of a kind that is none nothing more is said.
    var isRead = false
    let record = fields.record(node, "topology", Grammar.topology)
    for entry in record?.entries ?? [] {
      if entry.key == Grammar.nodes.name {
        nodes = fields.value(entry, Grammar.nodes)
        places.merge(Self.keys(entry.node)) { first, _ in first }
      } else if entry.key == Grammar.links.name {
        links = fields.value(entry, Grammar.links)
        places.merge(Self.keys(entry.node)) { first, _ in first }
        for (name, link) in entry.node.mapping ?? [:] {
          for (key, place) in Self.keys(link) { places["\(name.string ?? "").\(key)"] = place }
        }
      } else if entry.key == Network.hop {
        apply(Parameter.ofHop, entry.node, "hop")
        if base.topology == .direct, isRead {
          reader.report("a direct topology has no hop; the others have one", at: entry.keyNode)
        }
      } else if let parameter = own.first(where: { $0.name == entry.key }) {
        let read = apply(parameter, entry.node)
        if entry.key == "kind" { isRead = read }
      }
    }
    readSketch(record, node)
    fields.names.topology = base.topology
    fields.names.servers = base.servers
  }

  /// `nodes` and `links` in place of `kind`, and of what belongs to it.
  private mutating func readSketch(_ record: FieldReader.Record?, _ node: Node) {
    guard let record else { return }
    guard record[Grammar.nodes.name] != nil || record[Grammar.links.name] != nil else {
      if record["kind"] == nil {
        reader.report("topology lacks \"kind\", or nodes and links in place of it", at: node)
      }
      return
    }
    for key in ["kind", "server_ports", "servers", "hop"] {
      if let entry = record[key] {
        reader.report("a network that is spelled out has no \(key): its nodes say it", at: entry.keyNode)
      }
    }
    for key in [Grammar.nodes.name, Grammar.links.name] where record[key] == nil {
      reader.report("a network that is spelled out has nodes and links; there are no \(key)", at: node)
    }
    if let nodes = record[Grammar.nodes.name] { checkRules(nodes.node) }
    base.topology = .spelledOut
    base.sketch = SketchReader.sketch(nodes: nodes, links: links)
    fields.names.sketch = base.sketch
  }

  /// Each rule says one thing that becomes of its packets.
  private func checkRules(_ node: Node) {
    let verdicts = PacketRule.Verdict.allCases.map(\.rawValue)
    for (name, node) in node.mapping ?? [:] {
      guard let rules = node.mapping?["rules"] else { continue }
      for rule in reader.places(of: rules) {
        let said = verdicts.filter { rule.mapping?[$0] != nil }
        if said.count == 1, said != [PacketRule.Verdict.synproxy.rawValue],
          let (key, _) = rule.mapping?.first(where: { key, _ in
            SynProxy.fields.contains { $0.name == key.string }
          })
        {
          reader.report("\(key.string ?? "") is of synproxy, and this rule says \(said[0])", at: key)
        }
        guard said.count != 1 else { continue }
        let what = said.isEmpty ? "" : ", not \(alternatives(said, "and"))"
        reader.report("a rule of \(name.string ?? "") has one of \(alternatives(verdicts))\(what)", at: rule)
      }
    }
  }

  // MARK: names, before anything is read

  private static func names(in node: Node?) -> [String] { node?.mapping?.compactMap(\.key.string) ?? [] }

  /// The names of a network that is spelled out; nil where it has a name of its own.
  private static func spelled(_ topology: Node) -> Spelled? {
    guard let mapping = topology.mapping,
      mapping[Grammar.nodes.name] != nil || mapping[Grammar.links.name] != nil
    else { return nil }
    var addresses: [String] = []
    for node in mapping[Grammar.nodes.name]?.mapping?.values.compactMap(\.mapping) ?? [] {
      let has = node["has"].map { $0.sequence.map(Array.init) ?? [$0] } ?? []
      let given = node["nat"]?.mapping?["as"].map { [$0] } ?? []
      let own = names(in: node["balances"]) + (has + given).compactMap(\.scalar?.string)
      addresses += own.filter { !addresses.contains($0) }
    }
    return Spelled(
      nodes: names(in: mapping[Grammar.nodes.name]), links: names(in: mapping[Grammar.links.name]),
      addresses: addresses)
  }

  /// Names in a mapping, with their places.
  private static func keys(_ node: Node) -> [String: Node] {
    guard let mapping = node.mapping else { return [:] }
    return Dictionary(mapping.compactMap { key, _ in key.scalar.map { ($0.string, key) } }) { first, _ in
      first
    }
  }

  /// Whether what is spelled out makes a network, with the clients that there are.
  private func checkSketch(_ node: Node?) {
    guard reader.mistakes.isEmpty, let sketch = base.aimed else { return }
    let clients = base.groups.flatMap { group in
      group.members.map { Client(name: $0, group: group.name, clock: group.clock, isn: group.isn) }
    }
    do { _ = try sketch.network(family: base.family, clients: clients) } catch {
      let what = error.part.map { "\($0): " } ?? ""
      reader.report("\(what)\(error.message)", at: error.part.flatMap { places[$0] } ?? node)
    }
  }

  private mutating func readClients(_ node: Node) {
    for (name, keyNode, value) in reader.mapping(node, "clients") ?? [] {
      guard !Names.reserved.contains(name) else {
        reader.report("\"\(name)\" cannot be a client's name: it means something else", at: keyNode)
        continue
      }
      guard reader.isName(name, "a client", at: keyNode) else { continue }
      guard base.groups.count < Bounds.clients else { break }
      base.groups.append(
        Parameters.Group(name: name, clock: .offset(milliseconds: 0), isn: .ahead, count: 1))
      if value.scalar?.string != "" { apply(Parameter.ofClients(name), value, "client \(name)") }
    }
    if base.groups.isEmpty { reader.report("at least one client", at: node) }
    if base.groups.reduce(0, { $0 + $1.count }) > Bounds.clients {
      reader.report("at most \(Bounds.clients) clients in all", at: node)
    }
    fields.names.groups = base.groups.map(\.name)
    for group in base.groups where base.sketch == nil {
      guard let target = group.target, let sample = base.topology.sample else { continue }
      let known = sample.names.keys.sorted() + fields.names.serverNames
      if !known.contains(target) {
        reader.report(
          "\(group.name) cannot connect to \"\(short(target))\"\(suggestion(target, known))", at: node)
      }
    }
  }

  private mutating func readSettings(_ node: Node) {
    for (owner, keyNode, values) in reader.mapping(node, "settings") ?? [] {
      guard fields.names.nodes.contains(owner) else {
        reader.report(
          "no node \"\(short(owner))\" in the topology\(fields.hint(noNode: owner))", at: keyNode)
        continue
      }
      for (name, nameNode, value) in reader.mapping(values, "settings of \(owner)") ?? [] {
        guard let text = fields.setting(owner, name, nameNode, value) else { continue }
        base.settings.append((owner, name, text))
        settingNodes.append(SettingPlace(node: owner, setting: name, place: nameNode))
      }
    }
  }

  private mutating func apply(_ parameters: [Parameter], _ node: Node, _ what: String) {
    for entry in fields.record(node, what, parameters.map(\.field))?.entries ?? [] {
      if let parameter = parameters.first(where: { $0.name == entry.key }) { apply(parameter, entry.node) }
    }
  }

  @discardableResult
  private mutating func apply(_ parameter: Parameter, _ node: Node) -> Bool {
    let value = fields.value(node, parameter.name, parameter.field.kind)
    guard let assignment = value.flatMap(parameter.assignment) else { return false }
    base.apply(assignment)
    return true
  }
}

/// Where a file writes a setting of a node.
struct SettingPlace {
  var node: String
  var setting: String
  var place: Node
}
