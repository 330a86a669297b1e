import Judging
import Model
import Yams

/// The workload and the expectations: what happens, and what it is held against.
extension ScenarioReader {
  private static let keys: [String: [String]] = [
    "connect": ["as", "closes", "times", "again"],
    "send": ["on", "as"],
    "churn": ["as", "connections", "rate", "closes", "flush"],
    "flush": [], "set": [], "remove": [], "advance": [], "clock": [],
  ]

  func readWorkload(_ node: Node) -> [(step: Scenario.GuardedStep, node: Node)] {
    var open: Set<String> = []
    if node.sequence?.isEmpty == true { reader.report("at least one step", at: node) }
    return (reader.sequence(node, "workload") ?? []).flatMap { item -> [(Scenario.GuardedStep, Node)] in
      guard let entries = reader.mapping(item, "a step") else { return [] }
      guard let verb = entries.first else {
        reader.report("an empty step", at: item)
        return []
      }
      guard Self.keys[verb.key] != nil else {
        let known = Self.keys.keys.sorted()
        reader.report(
          "a step begins with what it does, not \"\(short(verb.key))\"\(suggestion(verb.key, known))",
          at: verb.keyNode)
        return []
      }
      let known = [verb.key, "when"] + (Self.keys[verb.key] ?? [])
      for entry in entries where !known.contains(entry.key) {
        reader.report(
          "unknown key \"\(short(entry.key))\" in \(verb.key)\(suggestion(entry.key, known))",
          at: entry.keyNode)
      }
      let options = Dictionary(entries.map { ($0.key, $0.value) }) { first, _ in first }
      let condition = guardCondition(options["when"], "when")
      return steps(verb.key, verb.value, options, &open).map {
        (Scenario.GuardedStep(when: condition, step: $0), item)
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
            times: options["times"].flatMap { reader.number($0, "times", in: 1...Bounds.times) } ?? 1,
            again: options["again"].flatMap { reader.number($0, "again", in: 0...Bounds.again) } ?? 0))
      ]
    case "send":
      let from = reader.choice(subject, "send", Send.Sender.self) ?? .client
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
      return [.send(.init(client: client, label: label(name, isSend: true), from: from))]
    case "churn":
      let names = (reader.words(subject, "churn") ?? []).compactMap {
        reader.name($0.node, "client", among: clients)
      }
      guard !names.isEmpty else { return [] }
      if options["connections"] == nil { reader.report("churn needs \"connections\"", at: subject) }
      if Set(names).count < names.count { reader.report("a client stands twice in this churn", at: subject) }
      let name = options["as"].map { label($0) } ?? (names.count == 1 ? names[0] : "churn")
      if options["as"] == nil { labels[name] = Label(node: subject, isSend: false) }
      let rate = options["rate"].flatMap { reader.number($0, "rate", in: 1...Bounds.rate) }
      let flush = options["flush"].flatMap(table)
      if flush != nil, rate != nil { reader.report("a churn that flushes has no rate", at: subject) }
      return [
        .churn(
          .init(
            clients: names, label: name,
            connections: options["connections"].flatMap {
              reader.number($0, "connections", in: 1...Bounds.connections)
            } ?? 1,
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
      return reader.number(subject, "advance", in: 1...Bounds.advance).map { [.advance(seconds: $0)] } ?? []
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
          reader.report("unknown client \"\(short(name))\"\(suggestion(name, clients))", at: nameNode)
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

  private func label(_ node: Node, isSend: Bool = false) -> String {
    guard let name = reader.text(node, "a label"), reader.isName(name, "a label", at: node) else { return "" }
    if Self.reserved.subtracting([Network.server, Network.hop, Network.router, "all"]).contains(name) {
      reader.report("\"\(name)\" cannot be a label: it means something else in an expectation", at: node)
    }
    if let known = labels[name], known.isSend != isSend {
      reader.report("\"\(name)\" is the label of connections and of bytes sent; use two", at: node)
    }
    labels[name] = Label(node: node, isSend: isSend)
    return name
  }

  /// A label of some step, or nil with a mistake.
  private func known(label: String, at node: Node) -> Label? {
    guard let known = labels[label] else {
      reader.report(
        "no step has the label \"\(short(label))\"\(suggestion(label, labels.keys.sorted()))", at: node)
      return nil
    }
    return known
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
            guard let own = known(label: label, at: labelNode), let text = reader.text(value, label) else {
              continue
            }
            guard let by = ServedBy(text: text) else {
              reader.report(
                "\"\(short(text))\" is neither \"same as LABEL\" nor \"other than LABEL\"", at: value)
              continue
            }
            guard let other = known(label: by.label, at: value) else { continue }
            if own.isSend || other.isSend || by.label == label {
              reader.report("served compares two labels of connections", at: value)
            }
            served[label] = by
          }
        case "because":
          because = reader.text(value, "because") ?? ""
        default:
          guard let label = known(label: key, at: keyNode), let text = reader.text(value, key) else {
            continue
          }
          let possible = Expectation.all.filter {
            label.isSend ? $0.outcome.isOfSend : $0.outcome.isOfConnect
          }.map(\.description)
          guard let expectation = Expectation(text: text) else {
            reader.report("unknown outcome \"\(short(text))\"\(suggestion(text, possible))", at: value)
            continue
          }
          guard possible.contains(text) else {
            reader.report(
              "\(key) is the label of \(label.isSend ? "bytes sent" : "connections"), of which none is \(text)"
                + suggestion(text, possible), at: value)
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
