import Scenario
import Yams

/// The workload and the expectations: what happens, and what it is held against.
extension ScenarioReader {
  private static let keys: [String: [String]] = [
    "connect": ["as", "closes", "times", "again"],
    "send": ["on", "as"],
    "churn": ["as", "connections", "rate", "closes", "flush"],
    "flush": [], "set": [], "remove": [], "advance": [], "clock": [],
  ]

  func readWorkload(_ node: Node) -> [Scenario.GuardedStep] {
    var open: Set<String> = []
    return (reader.sequence(node, "workload") ?? []).flatMap { item -> [Scenario.GuardedStep] in
      guard let entries = reader.mapping(item, "a step") else { return [] }
      guard let verb = entries.first else {
        reader.report("an empty step", at: item)
        return []
      }
      guard Self.keys[verb.key] != nil else {
        let known = Self.keys.keys.sorted()
        reader.report(
          "a step begins with what it does, not \"\(verb.key)\"\(suggestion(verb.key, known))",
          at: verb.keyNode)
        return []
      }
      let known = [verb.key, "when"] + (Self.keys[verb.key] ?? [])
      for entry in entries where !known.contains(entry.key) {
        reader.report(
          "unknown key \"\(entry.key)\" in \(verb.key)\(suggestion(entry.key, known))", at: entry.keyNode)
      }
      let options = Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
      let condition = guardCondition(options["when"], "when")
      return steps(verb.key, verb.value, options, &open).map {
        Scenario.GuardedStep(when: condition, step: $0)
      }
    }
  }

  private func steps(
    _ verb: String, _ subject: Node, _ options: [String: Node], _ open: inout Set<String>
  ) -> [Step] {
    let clients = groups.map(\.name)
    switch verb {
    case "connect":
      guard let client = reader.name(subject, "client", among: clients) else { return [] }
      let closes = options["closes"].flatMap { reader.choice($0, "closes", Step.Closer.self) } ?? .client
      if closes == .nobody { open.insert(client) }
      return [
        .connect(
          .init(
            client: client, label: label(options["as"] ?? subject), closes: closes,
            times: options["times"].flatMap { reader.number($0, "times", in: 1...1000) } ?? 1,
            again: options["again"].flatMap { reader.number($0, "again", in: 0...60_000) } ?? 0))
      ]
    case "send":
      let from = reader.choice(subject, "send", Step.Send.Sender.self) ?? .client
      let client: String
      if let on = options["on"] {
        guard let name = reader.name(on, "client", among: clients) else { return [] }
        client = name
      } else if clients.count == 1 {
        client = clients[0]
      } else {
        reader.report("send needs \"on\": which client's connection", at: subject)
        return []
      }
      if !open.contains(client) {
        reader.report("\(client) has no open connection here; connect it with closes: nobody", at: subject)
      }
      guard let name = options["as"] else {
        reader.report("send needs \"as\": what expectations call it", at: subject)
        return []
      }
      return [.send(.init(client: client, label: label(name), from: from))]
    case "churn":
      let names = (reader.words(subject, "churn") ?? []).compactMap {
        reader.name($0.node, "client", among: clients)
      }
      guard !names.isEmpty else { return [] }
      if options["connections"] == nil { reader.report("churn needs \"connections\"", at: subject) }
      let name = options["as"].map(label) ?? (names.count == 1 ? label(subject) : "churn")
      if names.count > 1, options["as"] == nil { labels["churn"] = subject }
      let rate = options["rate"].flatMap { reader.number($0, "rate", in: 1...100_000) }
      let flush = options["flush"].flatMap(table)
      if flush != nil, rate != nil { reader.report("a churn that flushes has no rate", at: subject) }
      return [
        .churn(
          .init(
            clients: names, label: name,
            connections: options["connections"].flatMap { reader.number($0, "connections", in: 1...10_000) }
              ?? 1,
            rate: rate,
            closes: options["closes"].flatMap { reader.choice($0, "closes", Step.Closer.self) } ?? .client,
            flush: flush))
      ]
    case "flush":
      return table(subject).map { [.flush($0)] } ?? []
    case "set":
      return (reader.mapping(subject, "set") ?? []).compactMap { path, pathNode, value in
        guard case .setting(let node, let name, let value)? = assignment(path, pathNode, value) else {
          reader.report("set changes settings only: NODE.SYSCTL", at: pathNode)
          return nil
        }
        return .set(node: node, setting: name, value: value)
      }
    case "advance":
      return reader.number(subject, "advance", in: 1...1_000_000).map { [.advance(seconds: $0)] } ?? []
    case "remove":
      let servers = Network(topology: .direct, family: .ipv4, clients: [], hop: nil, servers: servers)
        .serverNames
      if !topology.isIPVS {
        reader.report("there is no director to remove a server from; topology ipvs-nat has one", at: subject)
      }
      return reader.name(subject, "server", among: servers).map { [.remove(server: $0)] } ?? []
    default:
      return (reader.mapping(subject, "clock") ?? []).compactMap { name, nameNode, value in
        guard clients.contains(name) else {
          reader.report("unknown client \"\(name)\"\(suggestion(name, clients))", at: nameNode)
          return nil
        }
        guard let clock = clock(value) else { return nil }
        guard case .offset = clock else {
          reader.report("a clock can step to an offset only", at: value)
          return nil
        }
        return .clock(client: name, to: clock)
      }
    }
  }

  private func table(_ node: Node) -> Step.Table? {
    let table = reader.choice(node, "flush", Step.Table.self)
    if topology == .direct, table == .conntrack {
      reader.report("there is no hop whose conntrack could be flushed", at: node)
    }
    return table
  }

  private func label(_ node: Node) -> String {
    let name = reader.text(node, "a label") ?? ""
    labels[name] = node
    return name
  }

  func readRules(_ node: Node) -> [(rule: Scenario.GuardedRule, node: Node)] {
    var closed = false
    return (reader.sequence(node, "expect") ?? []).compactMap { item in
      guard let entries = reader.mapping(item, "an expectation", required: ["because"]) else { return nil }
      if closed { reader.report("nothing can come after otherwise", at: item) }
      var condition = Condition()
      var kernel: [KernelCondition] = []
      var outcomes: [String: Expectation] = [:]
      var because = ""
      var source: Rule.Source?
      var timeWait: Rule.TimeWaitLength?
      var served: [String: ServedBy] = [:]
      var guarded = false
      for (key, keyNode, value) in entries {
        switch key {
        case "when":
          guarded = true
          if let read = self.condition(value, "when", kernel: true) { (condition, kernel) = read }
        case "otherwise":
          guarded = true
          closed = true
          if reader.flag(value, "otherwise") == false { reader.report("otherwise is true", at: value) }
        case "source":
          source = reader.choice(value, "source", Rule.Source.self)
        case "time_wait":
          timeWait = reader.choice(value, "time_wait", Rule.TimeWaitLength.self)
        case "served":
          for (label, labelNode, value) in reader.mapping(value, "served") ?? [] {
            guard labels[label] != nil else {
              reader.report(
                "no step has the label \"\(label)\"\(suggestion(label, labels.keys.sorted()))", at: labelNode)
              continue
            }
            guard let text = reader.text(value, label) else { continue }
            guard let by = ServedBy(text: text), labels[by.label] != nil else {
              reader.report("\"\(text)\" is neither \"same as LABEL\" nor \"other than LABEL\"", at: value)
              continue
            }
            served[label] = by
          }
        case "because":
          because = reader.text(value, "because") ?? ""
        default:
          guard labels[key] != nil else {
            reader.report(
              "no step has the label \"\(key)\"\(suggestion(key, labels.keys.sorted()))", at: keyNode)
            continue
          }
          guard let text = reader.text(value, key) else { continue }
          guard let expectation = Expectation(text: text) else {
            reader.report(
              "unknown outcome \"\(text)\"\(suggestion(text, Expectation.all.map(\.description)))", at: value)
            continue
          }
          outcomes[key] = expectation
        }
      }
      if !guarded { reader.report("an expectation needs \"when\" or \"otherwise\"", at: item) }
      var rule = Rule(
        kernel: kernel, outcomes: outcomes, source: source, served: served, timeWait: timeWait,
        because: because)
      rule.line = item.mark?.line
      return (Scenario.GuardedRule(when: condition, rule: rule), item)
    }
  }
}
