import Model
import Yams

/// Parameters by their paths, and settings of nodes.
extension FieldReader {
  /// Whether an axis or override of this name sets a parameter, rather than being a name of its own.
  func isParameter(_ path: String) -> Bool {
    path.contains(".") || names.all(.parameter).contains(path)
  }

  /// A parameter's path with a value.
  func assignment(_ path: String, _ pathNode: Node, _ value: Node) -> Assignment? {
    if let parameter = Parameter.asAxes.first(where: { $0.name == path }) { return read(parameter, value) }
    let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
    guard parts.count == 2 else {
      let known = names.all(.parameter).sorted().joined(separator: ", ")
      reader.report(
        "\"\(short(path))\" is no parameter; it is \(known) or NODE.NAME\(nearest(path, names.all(.parameter)))",
        at: pathNode)
      return nil
    }
    let (owner, name) = (parts[0], parts[1])
    guard isNode(owner, before: name, pathNode) else { return nil }
    let own = parameters(of: owner)
    if let parameter = own.first(where: { $0.name == name }) { return read(parameter, value) }
    return setting(owner, name, pathNode, value, besides: own.map(\.name)).map {
      .setting(node: owner, name: name, value: $0)
    }
  }

  /// What a node has beside its settings.
  private func parameters(of owner: String) -> [Parameter] {
    if let node = names.sketch?.nodes.first(where: { $0.name == owner }) {
      return Parameter.of(node) + (names.groups.contains(owner) ? Parameter.ofClients(owner) : [])
    }
    if owner == Network.hop { return Parameter.ofHop }
    return names.groups.contains(owner) ? Parameter.ofClients(owner) : []
  }

  private func read(_ parameter: Parameter, _ node: Node) -> Assignment? {
    value(node, parameter.name, parameter.field.kind).flatMap(parameter.assignment)
  }

  private func isNode(_ owner: String, before name: String, _ pathNode: Node) -> Bool {
    guard names.nodes.contains(owner) else {
      reader.report(
        "no node \"\(short(owner))\" in the topology\(suggestion(owner, names.nodes))", at: pathNode)
      return false
    }
    // server.1.tcp_x, late.2.clock: no setting begins with a number.
    if let member = name.split(separator: ".").first, Int(member) != nil {
      reader.report(
        "no node \"\(owner).\(member)\" can be set alone\(hint(noNode: "\(owner).\(member)"))", at: pathNode)
      return false
    }
    return true
  }

  /// `server.tcp_rfc1337` with a value.
  func setting(
    path: String, _ pathNode: Node, _ value: Node
  ) -> (node: String, name: String, value: String)? {
    let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
    guard parts.count == 2 else {
      reader.report("\"\(short(path))\" is no setting of a node: NODE.SYSCTL", at: pathNode)
      return nil
    }
    let (owner, name) = (parts[0], parts[1])
    guard isNode(owner, before: name, pathNode) else { return nil }
    if parameters(of: owner).contains(where: { $0.name == name }) {
      reader.report("set changes settings only: NODE.SYSCTL", at: pathNode)
      return nil
    }
    return setting(owner, name, pathNode, value).map { (owner, name, $0) }
  }

  /// A node's setting: its value.
  func setting(
    _ owner: String, _ name: String, _ nameNode: Node, _ value: Node, besides own: [String] = []
  ) -> String? {
    guard let known = Setting.named(name) else {
      reader.report("unknown sysctl \"\(short(name))\"\(hint(noSetting: name, besides: own))", at: nameNode)
      return nil
    }
    let sketched = names.sketch?.nodes ?? []
    let owners: [String] =
      switch known.scope {
      case .routers where names.sketch != nil: sketched.filter(\.isForwarding).map(\.name)
      case .hop where names.sketch != nil:
        sketched.filter { $0.nat != nil || !$0.rules.isEmpty || !$0.services.isEmpty }.map(\.name)
      case .director where names.sketch != nil: sketched.filter { !$0.services.isEmpty }.map(\.name)
      case .everywhere: []
      case .routers: [Network.hop, Network.router]
      case .hop, .director: [Network.hop]
      }
    if !owners.isEmpty, !owners.contains(owner) {
      reader.report(
        "\(name) is a setting of \(names.sketch == nil ? "the \(owners[0])" : owners.joined(separator: ", ")), not of \(owner)",
        at: nameNode)
      return nil
    }
    return self.value(of: known, value)
  }

  /// What a setting is to be: as the kernel takes it. Deadlines follow from some of them.
  func value(of setting: Setting, _ node: Node) -> String? {
    guard let value = value(node, setting.name, setting.values.kind) else { return nil }
    return value.number.map(String.init) ?? value.text
  }
}
