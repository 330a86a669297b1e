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

  private var reader: Reader { fields.reader }

  init(_ fields: FieldReader, _ sections: FieldReader.Record) {
    self.fields = fields
    if let section = sections["clocks"] { readClocks(section.node) }
    if let section = sections["topology"] { readTopology(section.node) }
    if let section = sections["clients"] { readClients(section.node) }
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
    for entry in fields.record(node, "topology", Grammar.topology)?.entries ?? [] {
      if entry.key == Network.hop {
        apply(Parameter.ofHop, entry.node, "hop")
        if base.topology == .direct, isRead {
          reader.report("a direct topology has no hop; the others have one", at: entry.keyNode)
        }
      } else if let parameter = own.first(where: { $0.name == entry.key }) {
        let read = apply(parameter, entry.node)
        if entry.key == "kind" { isRead = read }
      }
    }
    fields.names.topology = base.topology
    fields.names.servers = base.servers
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
