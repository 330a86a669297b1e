import Model
import Yams

/// A scenario with the places of what the checks may complain about.
struct PlacedScenario {
  var scenario: Scenario
  var axisNodes: [String: Node]
  var controlNodes: [String: Node]
  var excludeNodes: [Node]
  var overrideNodes: [Node]
  var stepNodes: [Node]
  var ruleNodes: [Node]
  /// Where each setting stands that the file writes on each node.
  var settingNodes: [(node: String, setting: String, place: Node)]
  var matrix: Node
  /// Axes that some workload step or override depends on.
  var usedAxes: Set<String>
}

/// Reads the sections of a lab file in the order in which they depend on each other.
final class ScenarioReader {
  let reader: Reader
  var clocks: [String: Int] = [:]
  var groups: [Parameters.Group] = []
  var topology: Network.Topology = .direct
  /// As many as any case has.
  var servers = 1
  var axes: [Axis] = []
  /// What expectations may name, and where it comes from.
  var labels: [String: Label] = [:]
  /// Names that parameters of nodes begin with; as the topology and the clients make them.
  private(set) var nodeNames: [String] = []
  private var usedAxes: Set<String> = []
  private var settingNodes: [(node: String, setting: String, place: Node)] = []

  /// Attempts that expectations name.
  struct Label {
    var node: Node
    /// Bytes that are sent, and not connections.
    var isSend: Bool
  }

  init(_ reader: Reader) { self.reader = reader }

  private static let sections = [
    "title", "why", "topology", "clocks", "clients", "settings", "matrix", "controls", "exclude",
    "overrides", "workload", "expect",
  ]

  func read(_ root: Node, name: String) -> PlacedScenario? {
    guard
      let sections = reader.mapping(
        root, "a lab file", known: Self.sections,
        required: ["title", "why", "topology", "clients", "workload", "expect"])
    else { return nil }
    let nodes = Dictionary(sections.map { ($0.key, $0.value) }) { first, _ in first }
    func section(_ name: String, _ body: (Node) -> Void) { if let node = nodes[name] { body(node) } }

    let title = nodes["title"].flatMap { reader.text($0, "title") } ?? ""
    let why = nodes["why"].flatMap { reader.paragraphs($0, "why") } ?? ""
    var base = Parameters(
      topology: .direct, family: .ipv4, serverPorts: 1,
      hop: Hop(nat: .snat, backend: .auto, ports: 32768...60999, random: .none, dropInvalid: false),
      groups: [], settings: [])
    section("clocks", readClocks)
    section("topology") { readTopology($0, into: &base) }
    topology = base.topology
    servers = base.servers
    section("clients", readClients)
    base.groups = groups
    nodeNames =
      groups.map(\.name) + (topology == .direct ? [] : [Network.hop])
      + (topology.hasRouter ? [Network.router] : []) + [Network.server, "all"]
    section("settings") { base.settings = readSettings($0) }
    var axisNodes: [String: Node] = [:]
    section("matrix") { axisNodes = readMatrix($0) }
    var controls: [String: Node] = [:]
    section("controls") { node in
      for (text, node) in reader.words(node, "controls") ?? [] {
        guard axes.contains(where: { $0.name == text }) else {
          reader.report("no axis \"\(short(text))\"\(suggestion(text, axes.map(\.name)))", at: node)
          continue
        }
        controls[text] = node
      }
    }
    var exclude: [(condition: Condition, node: Node)] = []
    section("exclude") { node in
      exclude = (reader.sequence(node, "exclude") ?? []).compactMap { item in
        condition(item, "exclude").map { ($0.condition, item) }
      }
    }
    var overrides: [(override: Scenario.Override, node: Node)] = []
    section("overrides") { overrides = readOverrides($0) }
    var steps: [(step: Scenario.GuardedStep, node: Node)] = []
    section("workload") { steps = readWorkload($0) }
    var rules: [(rule: Scenario.GuardedRule, node: Node)] = []
    section("expect") { rules = readRules($0) }

    return PlacedScenario(
      scenario: Scenario(
        name: name, title: title, why: why, base: base, axes: axes, controls: Set(controls.keys),
        exclude: exclude.map(\.condition), overrides: overrides.map(\.override), workload: steps.map(\.step),
        rules: rules.map(\.rule)),
      axisNodes: axisNodes, controlNodes: controls, excludeNodes: exclude.map(\.node),
      overrideNodes: overrides.map(\.node), stepNodes: steps.map(\.node), ruleNodes: rules.map(\.node),
      settingNodes: settingNodes, matrix: nodes["matrix"] ?? root, usedAxes: usedAxes)
  }

  // MARK: network

  private func readClocks(_ node: Node) {
    for (name, keyNode, value) in reader.mapping(node, "clocks") ?? [] {
      guard !["natural", "off"].contains(name) else {
        reader.report("\"\(name)\" is a clock of its own; call the offset something else", at: keyNode)
        continue
      }
      guard reader.isName(name, "a clock", at: keyNode) else { continue }
      if let offset = offset(value) { clocks[name] = offset }
    }
  }

  private func offset(_ node: Node) -> Int? {
    guard let text = reader.text(node, "an offset") else { return nil }
    guard let offset = Int(text), offset.magnitude <= Bounds.offset else {
      reader.report(
        "bad offset \"\(short(text))\": a whole number of milliseconds, at most \(Bounds.offset) either way"
          + " (PAWS compares within half of 32 bits)", at: node)
      return nil
    }
    return offset
  }

  func clock(_ node: Node) -> Clock? {
    guard let text = reader.text(node, "a clock") else { return nil }
    switch text {
    case "natural": return .natural
    case "off": return .off
    default:
      if let offset = clocks[text] { return .offset(milliseconds: offset) }
      guard let first = text.first, first.isNumber || "+-".contains(first) else {
        let known = clocks.keys.sorted() + ["natural", "off"]
        reader.report(
          "unknown clock \"\(short(text))\"\(suggestion(text, known)) (or an offset in milliseconds)",
          at: node)
        return nil
      }
      return offset(node).map { .offset(milliseconds: $0) }
    }
  }

  private func readTopology(_ node: Node, into base: inout Parameters) {
    let known = ["kind", "family", "server_ports", "servers", "hop"]
    for (key, keyNode, value) in reader.mapping(node, "topology", known: known, required: ["kind"]) ?? [] {
      switch key {
      case "kind": base.topology = reader.choice(value, "kind", Network.Topology.self) ?? base.topology
      case "hop":
        for (name, nameNode, value) in reader.mapping(value, "hop", known: Self.hopKeys) ?? [] {
          if let assignment = hopAssignment(name, value, nameNode) { base.apply(assignment) }
        }
        if base.topology == .direct {
          reader.report("a direct topology has no hop; the others have one", at: keyNode)
        }
      default:
        if let assignment = assignment(key, keyNode, value) { base.apply(assignment) }
      }
    }
  }

  private func readClients(_ node: Node) {
    for (name, keyNode, value) in reader.mapping(node, "clients") ?? [] {
      guard !Self.reserved.contains(name) else {
        reader.report("\"\(name)\" cannot be a client's name: it means something else", at: keyNode)
        continue
      }
      guard reader.isName(name, "a client", at: keyNode) else { continue }
      guard groups.count < Bounds.clients else { break }
      var group = Parameters.Group(name: name, clock: .offset(milliseconds: 0), isn: .ahead, count: 1)
      if value.scalar?.string != "" {
        for (key, _, value) in reader.mapping(value, "client \(name)", known: ["clock", "isn", "count"]) ?? []
        {
          switch key {
          case "clock": group.clock = clock(value) ?? group.clock
          case "isn": group.isn = reader.choice(value, "isn", SequencePin.self) ?? group.isn
          default: group.count = reader.number(value, "count", in: 1...Bounds.clients) ?? 1
          }
        }
      }
      groups.append(group)
    }
    if groups.isEmpty { reader.report("at least one client", at: node) }
    if groups.reduce(0, { $0 + $1.count }) > Bounds.clients {
      reader.report("at most \(Bounds.clients) clients in all", at: node)
    }
  }

  /// Names of nodes that are no clients, and words that stand beside labels in an expectation.
  static let reserved: Set<String> = [
    Network.server, Network.hop, Network.router, "all", "kernel", "when", "otherwise", "source", "served",
    "time_wait", "because",
  ]

  private func readSettings(_ node: Node) -> [(node: String, setting: String, value: String)] {
    var settings: [(String, String, String)] = []
    for (owner, keyNode, values) in reader.mapping(node, "settings") ?? [] {
      guard nodeNames.contains(owner) else {
        reader.report("no node \"\(short(owner))\" in the topology\(hint(noNode: owner))", at: keyNode)
        continue
      }
      for (name, nameNode, value) in reader.mapping(values, "settings of \(owner)") ?? [] {
        if case .setting(let owner, let name, let value)? = setting(owner, name, nameNode, value) {
          settings.append((owner, name, value))
        }
      }
    }
    return settings
  }

  /// `server.1` is a node, and yet none that a file can name: what is set is set on all of them.
  private func hint(noNode name: String) -> String {
    guard let first = name.split(separator: ".").first.map(String.init), first != name,
      nodeNames.contains(first)
    else { return suggestion(name, nodeNames) }
    return "; what is set on \(first) is set on each that there is"
  }

  // MARK: parameters

  private static let hopKeys = ["nat", "backend", "ports", "random", "drop_invalid", "scheduler"]

  private func hopAssignment(_ key: String, _ value: Node, _ keyNode: Node) -> Assignment? {
    switch key {
    case "nat": reader.choice(value, key, Hop.NAT.self).map(Assignment.nat)
    case "backend": reader.choice(value, key, Hop.Backend.self).map(Assignment.backend)
    case "random": reader.choice(value, key, Hop.Randomness.self).map(Assignment.random)
    case "drop_invalid": reader.flag(value, key).map(Assignment.dropInvalid)
    case "ports": ports(value).map(Assignment.ports)
    case "scheduler": reader.choice(value, key, Network.Scheduler.self).map(Assignment.scheduler)
    default: nil
    }
  }

  private func ports(_ node: Node) -> ClosedRange<Int>? {
    guard let text = reader.text(node, "ports") else { return nil }
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    let ends = parts.compactMap { UInt16($0) }.map(Int.init)
    guard parts.count == 2, ends.count == 2, 1 <= ends[0], ends[0] <= ends[1] else {
      reader.report("ports are FIRST-LAST within 1-65535, not \"\(short(text))\"", at: node)
      return nil
    }
    return ends[0]...ends[1]
  }

  private func setting(_ owner: String, _ name: String, _ nameNode: Node, _ value: Node) -> Assignment? {
    guard let known = Setting.named(name) else {
      reader.report(
        "unknown sysctl \"\(short(name))\"\(suggestion(name, Setting.all.map(\.name)))", at: nameNode)
      return nil
    }
    let owners: [String] =
      switch known.scope {
      case .everywhere: []
      case .routers: [Network.hop, Network.router]
      case .hop, .director: [Network.hop]
      }
    if !owners.isEmpty, !owners.contains(owner) {
      reader.report("\(name) is a setting of the \(owners[0]), not of \(owner)", at: nameNode)
      return nil
    }
    guard let value = retries(name, value) ?? reader.text(value, name) else { return nil }
    settingNodes.append((owner, name, nameNode))
    return .setting(node: owner, name: name, value: value)
  }

  /// Deadlines follow from these two, so they are read as the kernel does (tcp_syn_retries_min and _max,
  /// net/ipv4/sysctl_net_ipv4.c); nil for any other setting.
  private func retries(_ name: String, _ value: Node) -> String? {
    switch name {
    case "tcp_syn_retries":
      reader.number(value, name, in: 1...Deadlines.maximumRetries).map(String.init) ?? "1"
    case "tcp_syn_linear_timeouts":
      reader.number(value, name, in: 0...Deadlines.maximumRetries).map(String.init) ?? "0"
    default: nil
    }
  }

  /// Whether an axis or override of this name sets a parameter, rather than being a name of its own.
  func isParameter(_ path: String) -> Bool {
    ["topology", "family", "server_ports", "servers"].contains(path) || path.contains(".")
  }

  /// A parameter's path with a value.
  func assignment(_ path: String, _ pathNode: Node, _ value: Node) -> Assignment? {
    switch path {
    case "topology": return reader.choice(value, path, Network.Topology.self).map(Assignment.topology)
    case "family": return reader.choice(value, path, Network.Family.self).map(Assignment.family)
    case "servers": return reader.number(value, path, in: 1...Bounds.servers).map { .servers($0) }
    case "server_ports":
      return reader.number(value, path, in: 1...Bounds.serverPorts).map(Assignment.serverPorts)
    default: break
    }
    let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
    guard parts.count == 2 else {
      reader.report(
        "\"\(short(path))\" is no parameter; it is family, topology, server_ports, servers or NODE.NAME",
        at: pathNode)
      return nil
    }
    let (owner, name) = (parts[0], parts[1])
    guard nodeNames.contains(owner) else {
      reader.report(
        "no node \"\(short(owner))\" in the topology\(suggestion(owner, nodeNames))", at: pathNode)
      return nil
    }
    // server.1.tcp_x, late.2.clock: no setting begins with a number.
    if let member = name.split(separator: ".").first, Int(member) != nil {
      reader.report(
        "no node \"\(owner).\(member)\" can be set alone\(hint(noNode: "\(owner).\(member)"))", at: pathNode)
      return nil
    }
    if owner == Network.hop, Self.hopKeys.contains(name) { return hopAssignment(name, value, pathNode) }
    if groups.contains(where: { $0.name == owner }) {
      switch name {
      case "clock": return clock(value).map { .clock(group: owner, $0) }
      case "isn": return reader.choice(value, path, SequencePin.self).map { .isn(group: owner, $0) }
      case "count": return reader.number(value, path, in: 1...Bounds.clients).map { .count(group: owner, $0) }
      default: break
      }
    }
    return setting(owner, name, pathNode, value)
  }

  // MARK: matrix

  private func readMatrix(_ node: Node) -> [String: Node] {
    var places: [String: Node] = [:]
    let entries = reader.mapping(node, "matrix") ?? []
    if entries.count > Bounds.axes {
      reader.report("\(entries.count) axes; at most \(Bounds.axes)", at: node)
    }
    for (name, keyNode, list) in entries.prefix(Bounds.axes) {
      guard isParameter(name) || reader.isName(name, "an axis", at: keyNode) else { continue }
      guard name != "kernel" else {
        reader.report(
          "\"kernel\" cannot be an axis' name: expectations ask for capabilities by it", at: keyNode)
        continue
      }
      places[name] = keyNode
      var axis = Axis(name: name, values: [])
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
        if isParameter(name) {
          if let assignment = assignment(name, keyNode, item) {
            if case .servers(let count) = assignment { servers = max(servers, count) }
            axis.values.append(Axis.Value(text: text, assignment: assignment))
          }
        } else {
          axis.values.append(Axis.Value(text: text, assignment: nil))
        }
      }
      if (list.sequence?.count ?? 0) == 0 {
        reader.report("the axis \(name) has no values, so the matrix is empty", at: keyNode)
      }
      axes.append(axis)
    }
    return places
  }

  /// A point set: axes with one or several values each; in an expectation also kernel conditions.
  func condition(
    _ node: Node, _ what: String, kernel allowKernel: Bool = false
  ) -> (condition: Condition, kernel: [KernelCondition])? {
    guard let entries = reader.mapping(node, what) else { return nil }
    var condition = Condition()
    var kernel: [KernelCondition] = []
    for (key, keyNode, value) in entries {
      if allowKernel, key == "kernel" {
        kernel = (reader.words(value, "kernel") ?? []).compactMap { kernelCondition($0.text, $0.node) }
        if Set(kernel.map(\.capability)).count < kernel.count {
          reader.report(
            "the same capability twice: once is enough, and no kernel has it and lacks it", at: value)
        }
        continue
      }
      guard let axis = axes.first(where: { $0.name == key }) else {
        reader.report("no axis \"\(short(key))\"\(suggestion(key, axes.map(\.name)))", at: keyNode)
        continue
      }
      let values = axis.values.map(\.text)
      for (text, node) in reader.words(value, key) ?? [] {
        guard values.contains(text) else {
          reader.report(
            "the axis \(key) has no value \"\(short(text))\"\(suggestion(text, values))", at: node)
          continue
        }
        condition.axes[key, default: []].insert(text)
      }
    }
    return (condition, kernel)
  }

  private func kernelCondition(_ text: String, _ node: Node) -> KernelCondition? {
    let present = !text.hasPrefix("no ")
    let name = present ? text : String(text.dropFirst(3))
    guard let capability = Capability.known(name) else {
      reader.report(
        Self.isVersion(name)
          ? "\"\(short(text))\" is a version: expectations hang on what a kernel has, as probed, never on what it "
            + "is called; e.g. TcpExt.PAWSTimewait (since 6.16), or \"no timestamps-by-port\""
          : "no kernel has a capability \"\(short(name))\"" + hint(capability: name), at: node)
      return nil
    }
    return KernelCondition(capability: capability, present: present)
  }

  /// The condition of a step or override; its axes count as used.
  func guardCondition(_ node: Node?, _ what: String) -> Condition {
    guard let node, let condition = condition(node, what)?.condition else { return Condition() }
    usedAxes.formUnion(condition.axes.keys)
    return condition
  }

  /// `>= 6.16`, `v6.1.0-18`
  private static func isVersion(_ text: String) -> Bool {
    let rest = text.drop { "<>=!~ v".contains($0) }
    return rest.first?.isNumber == true && (rest.contains(".") || rest.count < text.count)
  }

  /// A counter's nearest by its name with and without the group; of the others the nearest, or all features.
  private func hint(capability name: String) -> String {
    if let nearest = Nearest.to(name, among: Capability.allKnownNames) {
      return "; did you mean \"\(nearest)\"?"
    }
    if let counter = Capability.allKnownNames.first(where: { $0.hasSuffix(".\(name)") }) {
      return "; did you mean \"\(counter)\"?"
    }
    let features = Capability.Feature.allCases.map(\.rawValue).joined(separator: ", ")
    return "; it is a setting, a counter as TcpExt.PAWSTimewait, or one of \(features)"
  }

  private func readOverrides(_ node: Node) -> [(override: Scenario.Override, node: Node)] {
    (reader.sequence(node, "overrides") ?? []).compactMap { item in
      guard
        let entries = reader.mapping(item, "an override", known: ["when", "set"], required: ["when", "set"])
      else { return nil }
      let nodes = Dictionary(entries.map { ($0.key, $0.value) }) { first, _ in first }
      guard let set = nodes["set"] else { return nil }
      let override = Scenario.Override(
        when: guardCondition(nodes["when"], "when"),
        set: (reader.mapping(set, "set") ?? []).compactMap { assignment($0.key, $0.keyNode, $0.value) })
      return (override, item)
    }
  }
}
